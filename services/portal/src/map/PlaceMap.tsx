/** A small map to put a letter down by hand: a click, or the cross in the middle and Enter. */

import { useEffect, useRef, useState } from "react";

import { getFeatures } from "../api/client";
import { t } from "../strings";
import { useLoad } from "../useLoad";
import { NO_FEATURES } from "./features";
import { boundsOf } from "./geometry";
import { TownMap } from "./townMap";

export interface Point {
  longitude: number;
  latitude: number;
}

interface PlaceMapProps {
  /** Where to look first: the best candidate or the machine's guess. */
  near: Point | null;
  /** Addresses that it could be, drawn as rings. */
  candidates: readonly { longitude: number | null; latitude: number | null }[];
  point: Point | null;
  onPoint: (point: Point) => void;
}

export function PlaceMap({ near, candidates, point, onPoint }: PlaceMapProps) {
  const host = useRef<HTMLDivElement>(null);
  const [town, setTown] = useState<TownMap | null>(null);
  const areas = useLoad("place-areas", async () => (await getFeatures("/v1/areas")).collection);
  const facilities = useLoad("place-facilities", async () => (await getFeatures("/v1/facilities")).collection);
  const handle = useRef(onPoint);
  handle.current = onPoint;

  useEffect(() => {
    if (!host.current) return undefined;
    try {
      const made = new TownMap(host.current, { label: t.review.placeTitle, onClick: (longitude, latitude) => handle.current({ longitude, latitude }) });
      setTown(made);
      return () => made.remove();
    } catch {
      return undefined; // without WebGL the fields remain
    }
  }, []);

  useEffect(() => {
    if (!town || !areas.data) return;
    // Shown as plain land: coverage does not matter here.
    town.set("areas", { ...areas.data, features: areas.data.features.map((area) => ({ ...area, properties: { ...area.properties, coverage: 1 } })) });
    const bounds = boundsOf(areas.data.features);
    if (!near && bounds) town.fit(bounds, 16);
  }, [town, areas.data, near]);

  useEffect(() => {
    if (town && near) town.map.jumpTo({ center: [near.longitude, near.latitude], zoom: 13.5 });
  }, [town, near]);

  // Streets are not known here: facilities and the candidates help to find one's way.
  useEffect(() => town?.set("facilities", facilities.data ?? NO_FEATURES), [town, facilities.data]);

  useEffect(() => {
    const mark = (longitude: number, latitude: number, state: string): GeoJSON.Feature => ({
      type: "Feature",
      geometry: { type: "Point", coordinates: [longitude, latitude] },
      properties: { request_id: state, state, isChosen: true, ring: 0 },
    });
    const features = candidates.flatMap(({ longitude, latitude }) => (longitude !== null && latitude !== null ? [mark(longitude, latitude, "approximate")] : []));
    if (point) features.push(mark(point.longitude, point.latitude, "located"));
    town?.set("requests", { type: "FeatureCollection", features });
  }, [town, candidates, point]);

  return (
    <div
      className="place"
      onKeyDown={(event) => {
        if (event.key !== "Enter" || event.ctrlKey || !town) return;
        event.preventDefault();
        const { lng, lat } = town.map.getCenter();
        onPoint({ longitude: lng, latitude: lat });
      }}
    >
      <div ref={host} className="map map-small" data-test="place-map" />
      <span className="cross" aria-hidden="true" />
    </div>
  );
}
