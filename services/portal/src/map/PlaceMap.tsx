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
  point: Point | null;
  onPoint: (point: Point) => void;
}

const AREAS_ONLY = ["areas"] as const;

export function PlaceMap({ near, point, onPoint }: PlaceMapProps) {
  const host = useRef<HTMLDivElement>(null);
  const [town, setTown] = useState<TownMap | null>(null);
  const areas = useLoad("place-areas", async () => (await getFeatures("/v1/areas")).collection);
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
    town.set(AREAS_ONLY[0], { ...areas.data, features: areas.data.features.map((area) => ({ ...area, properties: { ...area.properties, coverage: 1 } })) });
    const bounds = boundsOf(areas.data.features);
    if (!near && bounds) town.fit(bounds, 16);
  }, [town, areas.data, near]);

  useEffect(() => {
    if (town && near) town.map.jumpTo({ center: [near.longitude, near.latitude], zoom: 13.5 });
  }, [town, near]);

  useEffect(() => {
    const features: GeoJSON.Feature[] = point
      ? [{ type: "Feature", geometry: { type: "Point", coordinates: [point.longitude, point.latitude] }, properties: { request_id: "placed", state: "located", isChosen: true, ring: 0 } }]
      : [];
    town?.set("requests", point ? { type: "FeatureCollection", features } : NO_FEATURES);
  }, [town, point]);

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
