/** The map's areas as a list, worst covered first: the same numbers without seeing colours or using a mouse. */

import { ProblemNote, ShareBar } from "../parts/parts";
import { count } from "../format";
import { kindName, t } from "../strings";
import { areasOf, uncoveredPeople } from "./features";
import type { Hit } from "./townMap";
import type { Gold } from "./useGold";

interface AreaListProps {
  gold: Gold;
  kind: string | null;
  level: number | null;
  chosen: Hit | null;
  onHit: (hit: Hit) => void;
}

export function AreaList({ gold, kind, level, chosen, onHit }: AreaListProps) {
  const inLevel = new Set(areasOf(gold.areas, level).map((area) => area.properties?.area_code as string));
  const rows = gold.coverage
    .filter((row) => row.facility_kind === kind && inLevel.has(row.area_code))
    .sort((a, b) => (a.coverage_share ?? 2) - (b.coverage_share ?? 2) || a.area_name.localeCompare(b.area_name));
  return (
    <>
      {gold.problem && <ProblemNote problem={gold.problem} />}
      <p className="hint">{kind ? `${kindName(kind)}: ${t.map.ramp.toLowerCase()}` : t.map.areasEmpty}</p>
      <ul className="area-list">
        {rows.map((row) => (
          <li key={row.area_code}>
            <button type="button" aria-pressed={chosen?.layer === "area" && chosen.id === row.area_code} onClick={() => onHit({ layer: "area", id: row.area_code })}>
              <span className="area-name">{row.area_name}</span>
              <ShareBar share={row.coverage_share} />
              <span className="area-note">
                {row.coverage_share === null ? t.facts.fewNote(row.address_point_count) : `${t.facts.uncovered}: ${count(uncoveredPeople(row))}`}
              </span>
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}
