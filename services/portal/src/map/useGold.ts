/** The published layers, fetched again whenever a new build is published. */

import { useEffect, useState } from "react";

import { getAll, getFeatures, Problem, withQuery } from "../api/client";
import type { Catchment, CoverageRow, FacilityKind, RequestProperties } from "../api/types";
import { dispatch, useLive } from "../live/store";
import { NO_FEATURES } from "./features";
import type { Bounds } from "./geometry";

export interface Gold {
  areas: GeoJSON.FeatureCollection;
  facilities: GeoJSON.FeatureCollection;
  requests: GeoJSON.FeatureCollection;
  /** False when there are more requests than are drawn one by one. */
  hasAllRequests: boolean;
  coverage: CoverageRow[];
  catchments: Catchment[];
  kinds: FacilityKind[];
  isLoaded: boolean;
  problem: Problem | null;
}

const EMPTY: Gold = { areas: NO_FEATURES, facilities: NO_FEATURES, requests: NO_FEATURES, hasAllRequests: true, coverage: [], catchments: [], kinds: [], isLoaded: false, problem: null };

/** Pages of 1000 that are drawn as single dots; beyond that, counts per cell until the user zooms in. */
const REQUEST_PAGES = 5;

/** From this zoom on a view rarely holds more addresses than are drawn, which is five pages as well. */
const POINTS_FROM_ZOOM = 14;

function markOnMap(requests: GeoJSON.FeatureCollection): void {
  dispatch({ type: "on_map", ids: new Set(requests.features.map((feature) => (feature.properties as RequestProperties).request_id)) });
}

export function useGold(): Gold {
  const generation = useLive((state) => state.build?.generation ?? null);
  const [gold, setGold] = useState<Gold>(EMPTY);
  const [attempt, setAttempt] = useState(0);

  useEffect(() => {
    let isCurrent = true;
    let retry: ReturnType<typeof setTimeout> | undefined;
    void (async () => {
      try {
        // One after the other would show half-old layers for long; all together they arrive within one frame or two.
        const [areas, facilities, requests, coverage, catchments, kinds] = await Promise.all([
          getFeatures("/v1/areas"),
          getFeatures("/v1/facilities"),
          getFeatures("/v1/requests", REQUEST_PAGES),
          getAll<CoverageRow>("/v1/coverage"),
          getAll<Catchment>("/v1/catchments"),
          getAll<FacilityKind>("/v1/facility-kinds"),
        ]);
        if (!isCurrent) return;
        setGold({
          areas: areas.collection,
          facilities: facilities.collection,
          requests: requests.collection,
          hasAllRequests: requests.isWhole,
          coverage: coverage.items,
          catchments: catchments.items,
          kinds: kinds.items,
          isLoaded: true,
          problem: null,
        });
        markOnMap(requests.collection);
      } catch (error) {
        if (!isCurrent) return;
        setGold((old) => ({ ...old, isLoaded: true, problem: error instanceof Problem ? error : new Problem(0, String(error), "") }));
        retry = setTimeout(() => setAttempt((n) => n + 1), 5000);
      }
    })();
    return () => {
      isCurrent = false;
      clearTimeout(retry);
    };
  }, [generation, attempt]);

  return gold;
}

/** Requests or counts inside the part of the map that is looked at, for towns with more than a few thousand. */
export async function requestsWithin(bounds: Bounds): Promise<{ requests: GeoJSON.FeatureCollection; cells: GeoJSON.FeatureCollection; isWhole: boolean }> {
  const bbox = bounds.map((value) => value.toFixed(6)).join(",");
  const { collection, isWhole } = await getFeatures(withQuery("/v1/requests", { bbox }), REQUEST_PAGES);
  if (isWhole) {
    markOnMap(collection);
    return { requests: collection, cells: NO_FEATURES, isWhole };
  }
  const { items } = await getAll<{ longitude: number; latitude: number; request_count: number }>(withQuery("/v1/requests/cells", { bbox }), 5);
  const features = items.map((cell): GeoJSON.Feature => ({ type: "Feature", geometry: { type: "Point", coordinates: [cell.longitude, cell.latitude] }, properties: { request_count: cell.request_count } }));
  return { requests: NO_FEATURES, cells: { type: "FeatureCollection", features }, isWhole };
}

/** Address points inside the part of the map that is looked at; none from afar, and none rather than some of too many. */
export async function pointsWithin(bounds: Bounds, zoom: number): Promise<GeoJSON.FeatureCollection> {
  if (zoom < POINTS_FROM_ZOOM) return NO_FEATURES;
  const bbox = bounds.map((value) => value.toFixed(6)).join(",");
  const { collection, isWhole } = await getFeatures(withQuery("/v1/address-points", { bbox }), 5);
  return isWhole ? collection : NO_FEATURES;
}
