/** Joins what the API says into what the map draws. */

import type { AreaProperties, CoverageRow, RequestProperties } from "../api/types";
import type { Entry } from "../live/reducer";
import { isPlaced } from "../live/reducer";
import { pixelsAtZoomZero } from "./geometry";

export const NO_FEATURES: GeoJSON.FeatureCollection = { type: "FeatureCollection", features: [] };

/** Areas of one level; without a level the finest everywhere: those that are nobody's parent. */
export function areasOf(areas: GeoJSON.FeatureCollection, level: number | null): GeoJSON.Feature[] {
  if (level !== null) return areas.features.filter((area) => ((area.properties as AreaProperties).level ?? 0) === level);
  const parents = new Set(areas.features.map((area) => (area.properties as AreaProperties).parent_code).filter(Boolean));
  return areas.features.filter((area) => !parents.has((area.properties as AreaProperties).area_code));
}

export function levelsOf(areas: GeoJSON.FeatureCollection): number[] {
  return [...new Set(areas.features.map((area) => (area.properties as AreaProperties).level ?? 0))].sort((a, b) => a - b);
}

/** The areas to draw, each with `coverage` (0 to 1, or -1 for too little data) of one kind of facility. */
export function shadedAreas(areas: GeoJSON.FeatureCollection, coverage: readonly CoverageRow[], kind: string | null, level: number | null): GeoJSON.FeatureCollection {
  const shares = new Map(coverage.filter((row) => row.facility_kind === kind).map((row) => [row.area_code, row.coverage_share]));
  const features = areasOf(areas, level).map((area, index) => {
    const properties = area.properties as AreaProperties;
    return { ...area, id: index + 1, properties: { ...properties, coverage: shares.get(properties.area_code) ?? -1 } };
  });
  return { type: "FeatureCollection", features };
}

/** Requests of the gold layer and, in front of them, letters placed since the last build. */
export function requestFeatures(gold: GeoJSON.FeatureCollection, entries: Iterable<Entry>, kind: string | null): GeoJSON.FeatureCollection {
  const live = new Map<string, Entry>();
  const undone = new Set<string>();
  for (const entry of entries) {
    if (entry.kind !== "letter" && entry.kind !== "submission") continue;
    if (isPlaced(entry.state) && entry.position) live.set(entry.key, entry);
    else undone.add(entry.key);
  }
  const features: GeoJSON.Feature[] = [];
  for (const feature of gold.features) {
    const properties = feature.properties as RequestProperties;
    if (feature.geometry?.type !== "Point") continue;
    // Sent back to review or rejected since the build: gone from the map at once.
    if (undone.has(properties.request_id)) continue;
    const newer = live.get(properties.request_id);
    live.delete(properties.request_id);
    const at = newer?.position ? [newer.position.longitude, newer.position.latitude] : feature.geometry.coordinates;
    features.push(point(at, { ...properties, state: newer?.state ?? properties.state, isFresh: false, isChosen: properties.facility_kind === kind }));
  }
  for (const entry of live.values()) {
    const { longitude, latitude } = entry.position!;
    features.push(
      point([longitude, latitude], {
        request_id: entry.key,
        channel: entry.kind === "letter" ? "letter" : entry.fileName,
        state: entry.state,
        facility_kind: entry.facilityKind,
        precision: entry.precision,
        uncertainty_m: UNCERTAINTY_M[entry.precision ?? "none"] ?? null,
        requested_on: null,
        isFresh: true,
        isChosen: entry.facilityKind === kind,
      }),
    );
  }
  return { type: "FeatureCollection", features };
}

/** Until the build computes the real radius: rough ones, so that the ring is there from the first moment. */
const UNCERTAINTY_M: Record<string, number> = { street: 150, postcode: 500, city: 700 };

function point(coordinates: GeoJSON.Position, properties: Record<string, unknown>): GeoJSON.Feature {
  const uncertainty = typeof properties.uncertainty_m === "number" ? properties.uncertainty_m : 0;
  const ring = properties.state === "approximate" ? pixelsAtZoomZero(uncertainty, coordinates[1]!) : 0;
  return { type: "Feature", geometry: { type: "Point", coordinates }, properties: { ...properties, ring } };
}

/** The kind to show first: the one asked for most among those that have a share anywhere. */
export function favouriteKind(coverage: readonly CoverageRow[]): string | null {
  const asked = new Map<string, number>();
  for (const row of coverage) {
    if (row.coverage_share === null) continue;
    asked.set(row.facility_kind, (asked.get(row.facility_kind) ?? 0) + (row.request_count ?? 0));
  }
  return [...asked].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]))[0]?.[0] ?? coverage[0]?.facility_kind ?? null;
}

/** People without such a facility within reach, where the share is known. */
export function uncoveredPeople(row: Pick<CoverageRow, "population" | "covered_population">): number | null {
  if (row.population === null || row.covered_population === null) return null;
  return Math.max(0, row.population - row.covered_population);
}
