/** The map's own style: no tiles, no fonts, no sprites, nothing from elsewhere. */

import type { LayerSpecification, StyleSpecification } from "maplibre-gl";

import { BREAKS, type Palette } from "./colours";
import { NO_FEATURES } from "./features";

const isNoData = ["<", ["get", "coverage"], 0] as const;

/** Metres drawn to scale: `ring` is the radius in pixels at zoom 0 and doubles with each zoom. */
const ringRadius = ["interpolate", ["exponential", 2], ["zoom"], 0, ["get", "ring"], 24, ["*", ["get", "ring"], 2 ** 24]];

function layers(p: Palette): unknown[] {
  const ramp = ["step", ["get", "coverage"], p.ramp[0], ...BREAKS.flatMap((lower, index) => [lower, p.ramp[index + 1]])];
  return [
    { id: "paper", type: "background", paint: { "background-color": p.paper } },
    // Half of it shows around the outermost areas only: the edge of the land.
    { id: "areas-edge", type: "line", source: "areas", layout: { "line-join": "round" }, paint: { "line-color": p.hatch, "line-width": 5 } },
    { id: "areas", type: "fill", source: "areas", filter: [">=", ["get", "coverage"], 0], paint: { "fill-color": ramp, "fill-antialias": true } },
    { id: "areas-few", type: "fill", source: "areas", filter: isNoData, paint: { "fill-pattern": "hatch" } },
    { id: "areas-line", type: "line", source: "areas", layout: { "line-join": "round" }, paint: { "line-color": p.outline, "line-width": ["interpolate", ["linear"], ["zoom"], 8, 0.8, 14, 2] } },
    { id: "areas-chosen", type: "line", source: "areas", filter: ["==", ["get", "area_code"], ""], layout: { "line-join": "round" }, paint: { "line-color": p.outlineStrong, "line-width": 2.5 } },
    { id: "points", type: "circle", source: "points", paint: { "circle-color": p.point, "circle-opacity": 0.3, "circle-radius": ["interpolate", ["linear"], ["zoom"], 10, 0.7, 13, 1.3, 16, 3] } },
    {
      id: "cells",
      type: "circle",
      source: "cells",
      paint: { "circle-color": p.rubric, "circle-opacity": 0.55, "circle-stroke-color": p.rubricRing, "circle-stroke-width": 1, "circle-radius": ["interpolate", ["linear"], ["sqrt", ["get", "request_count"]], 2, 5, 30, 26] },
    },
    {
      id: "requests-ring",
      type: "circle",
      source: "requests",
      filter: ["==", ["get", "state"], "approximate"],
      paint: {
        "circle-radius": ringRadius,
        "circle-color": p.rubric,
        "circle-opacity": ["case", ["get", "isChosen"], 0.1, 0.05],
        "circle-stroke-color": p.rubric,
        "circle-stroke-width": 1.2,
        "circle-stroke-opacity": ["case", ["get", "isChosen"], 0.7, 0.35],
      },
    },
    {
      id: "facilities",
      type: "symbol",
      source: "facilities",
      layout: { "icon-image": ["concat", "kind:", ["get", "facility_kind"]], "icon-size": ["interpolate", ["linear"], ["zoom"], 9, 0.55, 12, 0.8, 15, 1], "icon-allow-overlap": true, "icon-padding": 0 },
    },
    {
      id: "requests",
      type: "circle",
      source: "requests",
      layout: { "circle-sort-key": ["case", ["get", "isChosen"], 1, 0] },
      paint: {
        "circle-radius": ["interpolate", ["linear"], ["zoom"], 9, ["case", ["get", "isChosen"], 4, 3], 14, ["case", ["get", "isChosen"], 7.5, 5.5]],
        "circle-color": ["case", ["==", ["get", "state"], "approximate"], p.rubricRing, p.rubric],
        "circle-opacity": ["case", ["get", "isChosen"], 1, 0.75],
        "circle-stroke-color": ["case", ["==", ["get", "state"], "approximate"], p.rubric, p.rubricRing],
        "circle-stroke-width": ["case", ["==", ["get", "state"], "approximate"], 2, 1.4],
        "circle-stroke-opacity": ["case", ["get", "isChosen"], 1, 0.75],
      },
    },
    {
      id: "request-chosen",
      type: "circle",
      source: "requests",
      filter: ["==", ["get", "request_id"], ""],
      paint: { "circle-radius": 12, "circle-opacity": 0, "circle-stroke-color": p.outlineStrong, "circle-stroke-width": 2 },
    },
  ];
}

export const SOURCES = ["areas", "points", "cells", "facilities", "requests"] as const;
export type SourceName = (typeof SOURCES)[number];

export function styleOf(palette: Palette): StyleSpecification {
  return {
    version: 8,
    sources: Object.fromEntries(SOURCES.map((name) => [name, { type: "geojson", data: NO_FEATURES, ...(name === "areas" ? { tolerance: 0.2 } : {}) }])),
    layers: layers(palette) as LayerSpecification[],
    transition: { duration: 250, delay: 0 },
  } as StyleSpecification;
}
