/** The map as a React component: hands data to TownMap and keeps the page's controls around it. */

import { useEffect, useMemo, useRef, useState } from "react";

import type { FacilityProperties } from "../api/types";
import { useLive } from "../live/store";
import { t } from "../strings";
import { NO_FEATURES, requestFeatures, shadedAreas } from "./features";
import { type Bounds, boundsOf } from "./geometry";
import type { Layers } from "./Legend";
import { type Hit, TownMap } from "./townMap";
import { type Gold, pointsWithin, requestsWithin } from "./useGold";

interface MapViewProps {
  gold: Gold;
  kind: string | null;
  level: number | null;
  layers: Layers;
  hit: Hit | null;
  onHit: (hit: Hit | null) => void;
  isShown: boolean;
}

const NEW_FOR_MS = 5000;

/** Asks for what is looked at now, and again after each move of the map; gives what ends it. */
function onLook<T>(town: TownMap, ask: (bounds: Bounds, zoom: number) => Promise<T>, show: (found: T) => void): () => void {
  let asked = 0;
  let timer: ReturnType<typeof setTimeout>;
  const look = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const turn = (asked += 1);
      ask(town.bounds(), town.map.getZoom()).then(
        (found) => {
          if (turn === asked) show(found);
        },
        () => undefined, // the next move of the map asks again
      );
    }, 400);
  };
  look();
  town.map.on("moveend", look);
  return () => {
    asked += 1;
    clearTimeout(timer);
    town.map.off("moveend", look);
  };
}

export function MapView({ gold, kind, level, layers, hit, onHit, isShown }: MapViewProps) {
  const host = useRef<HTMLDivElement>(null);
  const [town, setTown] = useState<TownMap | null>(null);
  const [failed, setFailed] = useState(false);
  const [windowed, setWindowed] = useState<{ requests: GeoJSON.FeatureCollection; isWhole: boolean } | null>(null);
  const entries = useLive((state) => state.entries);
  const isFitted = useRef(false);
  const handle = useRef(onHit);
  handle.current = onHit;

  useEffect(() => {
    if (!host.current) return undefined;
    let made: TownMap;
    try {
      made = new TownMap(host.current, { label: t.map.label, onHit: (found) => handle.current(found) });
    } catch {
      setFailed(true);
      return undefined;
    }
    setTown(made);
    return () => made.remove();
  }, []);

  const areas = useMemo(() => shadedAreas(gold.areas, gold.coverage, kind, level), [gold.areas, gold.coverage, kind, level]);
  const facilities = useMemo(() => {
    if (layers.facilities === "all") return gold.facilities;
    if (layers.facilities === "none") return NO_FEATURES;
    return { ...gold.facilities, features: gold.facilities.features.filter((feature) => (feature.properties as FacilityProperties).facility_kind === kind) };
  }, [gold.facilities, kind, layers.facilities]);
  const requests = useMemo(() => requestFeatures(windowed?.requests ?? gold.requests, entries.values(), kind), [windowed, gold.requests, entries, kind]);

  useEffect(() => town?.set("areas", areas), [town, areas]);
  useEffect(() => town?.set("facilities", facilities), [town, facilities]);
  useEffect(() => town?.set("requests", requests), [town, requests]);
  useEffect(() => town?.choose(hit), [town, hit]);
  useEffect(() => {
    town?.show("requests", layers.requests);
    town?.show("cells", layers.requests);
  }, [town, layers.requests]);
  useEffect(() => {
    if (isShown) town?.map.resize();
  }, [town, isShown]);

  // The whole town once, as soon as there is something to look at.
  useEffect(() => {
    const bounds = boundsOf(gold.areas.features.length ? gold.areas.features : requests.features);
    if (!town || !bounds || isFitted.current || !isShown) return;
    isFitted.current = true;
    town.fit(bounds);
  }, [town, gold.areas, requests, isShown]);

  // Letters placed while somebody looks.
  useEffect(() => {
    const now = Date.now();
    for (const entry of entries.values()) if (entry.position && entry.placedAt && now - entry.placedAt < NEW_FOR_MS) town?.pulse(entry.key, entry.position.longitude, entry.position.latitude);
  }, [town, entries]);

  // What was picked in a list may lie outside of the view.
  useEffect(() => {
    if (!town || !hit || !isShown) return;
    const found =
      hit.layer === "area"
        ? gold.areas.features.find((area) => area.properties?.area_code === hit.id)
        : requests.features.find((feature) => feature.properties?.request_id === hit.id);
    const bounds = found && hit.layer !== "facility" ? boundsOf([found]) : null;
    if (!bounds) return;
    const [west, south, east, north] = town.bounds();
    const isVisible = bounds[0] >= west && bounds[1] >= south && bounds[2] <= east && bounds[3] <= north;
    if (!isVisible) town.fit(bounds, 80);
    // Only a new choice moves the map, not new data under an old one.
  }, [town, hit, isShown]);

  // More requests than single dots: ask for what is looked at.
  useEffect(() => {
    if (!town || gold.hasAllRequests) {
      setWindowed(null);
      town?.set("cells", NO_FEATURES);
      return undefined;
    }
    return onLook(town, requestsWithin, (found) => {
      setWindowed(found);
      town.set("cells", found.cells);
    });
  }, [town, gold.hasAllRequests, gold.requests]);

  // The addresses of the base map, near enough that they are dots and not a haze; each build may bring others.
  useEffect(() => (town ? onLook(town, pointsWithin, (found) => town.set("points", found)) : undefined), [town, gold.areas]);

  const whole = () => {
    const bounds = boundsOf(gold.areas.features.length ? gold.areas.features : requests.features);
    if (bounds) town?.fit(bounds);
  };

  return (
    <>
      <div ref={host} className="map" data-test="map" data-request-count={requests.features.length} data-kind={kind ?? ""} />
      {failed && <p className="map-note">{t.map.noWebgl}</p>}
      {!failed && gold.isLoaded && gold.areas.features.length === 0 && !gold.problem && <p className="map-note">{t.map.nothing}</p>}
      {windowed && !windowed.isWhole && <p className="map-note">{t.map.many}</p>}
      <div className="zoom" role="group">
        <button type="button" aria-label={t.map.zoomIn} title={t.map.zoomIn} onClick={() => town?.map.zoomIn()}>
          +
        </button>
        <button type="button" aria-label={t.map.zoomOut} title={t.map.zoomOut} onClick={() => town?.map.zoomOut()}>
          −
        </button>
        <button type="button" aria-label={t.map.whole} title={t.map.whole} onClick={whole}>
          <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
            <path d="M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4" fill="none" stroke="currentColor" strokeWidth="1.8" />
          </svg>
        </button>
      </div>
    </>
  );
}
