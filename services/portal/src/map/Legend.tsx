/** Chooses the kind of help, explains the shades and marks, and switches layers. */

import { useState } from "react";

import { distance } from "../format";
import { kindName, t } from "../strings";
import type { Gold } from "./useGold";

export interface Layers {
  requests: boolean;
  facilities: "kind" | "all" | "none";
}

interface LegendProps {
  gold: Gold;
  kind: string | null;
  onKind: (kind: string) => void;
  levels: number[];
  level: number | null;
  onLevel: (level: number | null) => void;
  layers: Layers;
  onLayers: (layers: Layers) => void;
}

const CLASSES = ["0–20", "20–40", "40–60", "60–80", "80–100 %"];

export function Legend({ gold, kind, onKind, levels, level, onLevel, layers, onLayers }: LegendProps) {
  // On a phone the map needs the room: closed until asked for.
  const [isOpen, setOpen] = useState(() => !window.matchMedia("(max-width: 760px)").matches);
  const inUse = new Set([...gold.coverage.map((row) => row.facility_kind), ...gold.kinds.map((row) => row.facility_kind)]);
  const present = new Set(gold.facilities.features.map((feature) => feature.properties?.facility_kind as string));
  const kinds = [...inUse].sort((a, b) => Number(present.has(b)) - Number(present.has(a)) || kindName(a).localeCompare(kindName(b)));
  const reach = gold.kinds.find((row) => row.facility_kind === kind)?.distance_km;
  return (
    <aside className="legend" aria-label={t.map.legend}>
      <label className="question" hidden={kinds.length === 0}>
        <span>{t.map.question}</span>
        <select value={kind ?? ""} onChange={(event) => onKind(event.target.value)} data-test="kind">
          {!kind && <option value="" />}
          {kinds.map((code) => (
            <option key={code} value={code}>
              {t.map.kindAsked(kindName(code))}
              {present.has(code) ? "" : ` (${t.map.noKinds})`}
            </option>
          ))}
        </select>
        <span className="question-mark" aria-hidden="true">
          ?
        </span>
      </label>
      {isOpen && (
          <div className="layers">
          <label>
            <input type="checkbox" checked={layers.requests} onChange={(event) => onLayers({ ...layers, requests: event.target.checked })} />
            {t.map.layers.requests}
          </label>
          <label>
            <input type="checkbox" checked={layers.facilities !== "none"} onChange={(event) => onLayers({ ...layers, facilities: event.target.checked ? "kind" : "none" })} />
            {t.map.layers.facilities}
          </label>
          <label>
            <input type="checkbox" checked={layers.facilities === "all"} disabled={layers.facilities === "none"} onChange={(event) => onLayers({ ...layers, facilities: event.target.checked ? "all" : "kind" })} />
            {t.map.allKinds}
          </label>
          {levels.length > 1 && (
            <label>
              {t.map.level}
              <select value={level ?? ""} onChange={(event) => onLevel(event.target.value === "" ? null : Number(event.target.value))}>
                  <option value="">{t.map.finest}</option>
                {levels.map((value) => (
                  <option key={value}>{value}</option>
                ))}
              </select>
            </label>
          )}
        </div>
      )}
      <button type="button" className="legend-toggle" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        {t.map.legend}
      </button>
      {isOpen && (
        <div className="legend-body">
          <div className="legend-ramp">
          <p className="legend-title">{reach ? t.map.rampReach(distance(reach)) : t.map.ramp}</p>
          <ol className="ramp">
            {CLASSES.map((label, index) => (
              <li key={label} className={`ramp-${index}`}>
                {label}
              </li>
            ))}
          </ol>
          </div>
          <ul className="marks">
            <li>
              <i className="mark mark-few" />
              {t.map.few}
            </li>
            <li>
              <i className="mark mark-facility" />
              {t.map.facility}
            </li>
            <li>
              <i className="mark mark-located" />
              {t.map.requestLocated}
            </li>
            <li>
              <i className="mark mark-approximate" />
              {t.map.requestApproximate}
            </li>
          </ul>
        </div>
      )}
    </aside>
  );
}
