import { describe, expect, it } from "vitest";

import type { CoverageRow } from "../api/types";
import { EMPTY, reduce } from "../live/reducer";
import { BREAKS, coverageColour, DARK, LIGHT, luminance, rampClass } from "./colours";
import { areasOf, favouriteKind, requestFeatures, shadedAreas, uncoveredPeople } from "./features";
import { boundsOf, isInside, labelPoint, pixelsAtZoomZero, withoutOverlap } from "./geometry";

describe("the ramp", () => {
  it("gives each fifth its class, and none without a share", () => {
    expect([0, 0.199, 0.2, 0.5, 0.8, 1].map(rampClass)).toEqual([0, 0, 1, 2, 4, 4]);
    expect(rampClass(null)).toBeNull();
    expect(coverageColour(LIGHT, null)).toBeNull();
    expect(BREAKS.length + 1).toBe(LIGHT.ramp.length);
  });

  it("differs in lightness from class to class in both themes, so that colour vision does not matter", () => {
    for (const [palette, direction] of [[LIGHT, 1], [DARK, -1]] as const) {
      const steps = palette.ramp.map(luminance);
      for (let i = 1; i < steps.length; i += 1) {
        const [low, high] = direction > 0 ? [steps[i - 1]!, steps[i]!] : [steps[i]!, steps[i - 1]!];
        expect((high + 0.05) / (low + 0.05)).toBeGreaterThan(1.25);
      }
    }
  });
});

const row = (kind: string, share: number | null, requests: number, code = "1"): CoverageRow => ({
  area_code: code,
  area_name: "Lindenau",
  facility_kind: kind,
  address_point_count: 40,
  covered_address_point_count: 10,
  coverage_share: share,
  covered_population: share === null ? null : 100 * share,
  population: 100,
  request_count: requests,
  median_distance_km: 1,
});
const SQUARE: GeoJSON.Polygon = { type: "Polygon", coordinates: [[[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]]] };
const area = (code: string, level: number): GeoJSON.Feature => ({ type: "Feature", geometry: SQUARE, properties: { area_code: code, area_name: code, level, population: 100 } });

describe("features", () => {
  it("joins coverage to areas of one level, -1 where there is none", () => {
    const areas: GeoJSON.FeatureCollection = { type: "FeatureCollection", features: [area("1", 8), area("2", 8), area("9", 4)] };
    const shaded = shadedAreas(areas, [row("school", 0.25, 0), row("bank", 0.9, 0), row("school", null, 0, "2")], "school", 8);
    expect(shaded.features.map((feature) => feature.properties?.coverage)).toEqual([0.25, -1]);
  });

  it("shows the smallest areas when no level is chosen", () => {
    const quarter = { ...area("1a", 10), properties: { ...area("1a", 10).properties, parent_code: "1" } };
    const areas: GeoJSON.FeatureCollection = { type: "FeatureCollection", features: [area("1", 8), area("2", 8), quarter] };
    expect(areasOf(areas, null).map((feature) => feature.properties?.area_code)).toEqual(["2", "1a"]);
    expect(areasOf(areas, 8)).toHaveLength(2);
  });

  it("begins with the kind asked for most that has a share", () => {
    expect(favouriteKind([row("bank", 0.5, 2), row("school", 0.1, 5), row("library", null, 99)])).toBe("school");
    expect(favouriteKind([])).toBeNull();
  });

  it("counts the people out of reach only where the share is known", () => {
    expect(uncoveredPeople(row("school", 0.25, 0))).toBe(75);
    expect(uncoveredPeople(row("school", null, 0))).toBeNull();
  });

  it("puts live letters on the map, once, and takes undone ones away", () => {
    const gold: GeoJSON.FeatureCollection = {
      type: "FeatureCollection",
      features: ["a", "b"].map((id) => ({ type: "Feature", geometry: { type: "Point", coordinates: [9, 47] }, properties: { request_id: id, state: "located", facility_kind: "school", uncertainty_m: 10 } })),
    };
    const event = { file_name: "x.jpg", reason: "", precision: "street" as const, facility_kind: "school", at: "2026-03-01T12:00:00Z" };
    let live = reduce(EMPTY, { type: "letter", now: 1, event: { ...event, letter_id: "a", state: "review", longitude: null, latitude: null } });
    live = reduce(live, { type: "letter", now: 1, event: { ...event, letter_id: "c", state: "approximate", longitude: 9.2, latitude: 47.2 } });
    live = reduce(live, { type: "letter", now: 1, event: { ...event, letter_id: "b", state: "located", longitude: 9.3, latitude: 47.3 } });
    const drawn = requestFeatures(gold, live.entries.values(), "school").features;
    expect(drawn.map((feature) => feature.properties?.request_id)).toEqual(["b", "c"]);
    expect(drawn[0]!.geometry).toEqual({ type: "Point", coordinates: [9.3, 47.3] });
    expect(drawn[1]!.properties).toMatchObject({ isFresh: true, isChosen: true });
    expect(drawn[1]!.properties!.ring).toBeGreaterThan(0);
  });
});

describe("geometry", () => {
  const U: GeoJSON.MultiPolygon = {
    type: "MultiPolygon",
    coordinates: [[[[0, 0], [9, 0], [9, 9], [7, 9], [7, 2], [2, 2], [2, 9], [0, 9], [0, 0]]], [[[20, 20], [20.1, 20], [20.1, 20.1], [20, 20]]]],
  };

  it("finds a place for the name inside the largest part, even of a bent area", () => {
    const [lon, lat] = labelPoint(U)!;
    expect(isInside(U.coordinates[0]!, lon, lat)).toBe(true);
    expect(labelPoint({ type: "Point", coordinates: [0, 0] })).toBeNull();
  });

  it("bounds points and polygons", () => {
    expect(boundsOf([{ type: "Feature", properties: {}, geometry: U }])).toEqual([0, 0, 20.1, 20.1]);
    expect(boundsOf([])).toBeNull();
  });

  it("draws metres to scale", () => {
    // At zoom 15 on the equator one pixel of a 512 px tile is 78271.517 / 2^15 = 2.389 m.
    expect(pixelsAtZoomZero(100, 0) * 2 ** 15).toBeCloseTo(41.86, 1);
    expect(pixelsAtZoomZero(100, 60)).toBeCloseTo(2 * pixelsAtZoomZero(100, 0), 6);
  });

  it("lets the higher rank keep its label", () => {
    const box = (x: number, rank: number) => ({ x, y: 0, width: 50, height: 16, rank });
    expect(withoutOverlap([box(0, 1), box(20, 5), box(200, 1)])).toEqual(new Set([1, 2]));
  });
});
