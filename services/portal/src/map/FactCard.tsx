/** What is known about the area, facility or request that was clicked. */

import { type ReactNode, useEffect, useRef } from "react";

import type { AreaProperties, FacilityProperties, RequestProperties } from "../api/types";
import { address, count, day, distance } from "../format";
import { useLive } from "../live/store";
import { Fact, KindMark, ShareBar, StateMark } from "../parts/parts";
import { hrefOf } from "../route";
import { kindName, t } from "../strings";
import { uncoveredPeople } from "./features";
import type { Hit } from "./townMap";
import type { Gold } from "./useGold";

export function FactCard({ hit, gold, kind, onClose }: { hit: Hit; gold: Gold; kind: string | null; onClose: () => void }) {
  const close = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => event.key === "Escape" && onClose();
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [onClose]);
  return (
    <aside className="facts" aria-live="polite" data-facts={hit.layer}>
      <button ref={close} type="button" className="facts-close" aria-label={t.map.close} onClick={onClose}>
        ×
      </button>
      {hit.layer === "area" && <AreaFacts code={hit.id} gold={gold} kind={kind} />}
      {hit.layer === "facility" && <FacilityFacts id={hit.id} gold={gold} />}
      {hit.layer === "request" && <RequestFacts id={hit.id} gold={gold} />}
    </aside>
  );
}

function Head({ eyebrow, children }: { eyebrow: string; children: ReactNode }) {
  return (
    <>
      <p className="eyebrow">{eyebrow}</p>
      <h2>{children}</h2>
    </>
  );
}

function AreaFacts({ code, gold, kind }: { code: string; gold: Gold; kind: string | null }) {
  const area = gold.areas.features.find((feature) => feature.properties?.area_code === code)?.properties as AreaProperties | undefined;
  const rows = gold.coverage.filter((row) => row.area_code === code).sort((a, b) => (a.coverage_share ?? 2) - (b.coverage_share ?? 2) || kindName(a.facility_kind).localeCompare(kindName(b.facility_kind)));
  const chosen = rows.find((row) => row.facility_kind === kind);
  if (!area) return null;
  return (
    <>
      <Head eyebrow={t.facts.area}>{area.area_name}</Head>
      <dl className="facts-list">
        <Fact label={t.facts.population}>{count(area.population)}</Fact>
        <Fact label={t.facts.addresses}>{count(area.address_point_count ?? rows[0]?.address_point_count)}</Fact>
        <Fact label={t.facts.requests}>{count(rows.reduce((sum, row) => sum + (row.request_count ?? 0), 0))}</Fact>
        {chosen && (
          <Fact label={`${t.facts.uncovered} (${kindName(kind)})`}>
            <strong>{chosen.coverage_share === null ? t.facts.fewNote(chosen.address_point_count) : count(uncoveredPeople(chosen))}</strong>
          </Fact>
        )}
        {chosen && chosen.median_distance_km !== null && <Fact label={t.facts.median}>{distance(chosen.median_distance_km)}</Fact>}
      </dl>
      <h3>{t.facts.coverage}</h3>
      <ul className="by-kind">
        {rows.map((row) => (
          <li key={row.facility_kind} className={row.facility_kind === kind ? "is-chosen" : ""}>
            <KindMark kind={row.facility_kind} />
            <ShareBar share={row.coverage_share} />
          </li>
        ))}
      </ul>
    </>
  );
}

function FacilityFacts({ id, gold }: { id: string; gold: Gold }) {
  const facility = gold.facilities.features.find((feature) => feature.properties?.facility_id === id)?.properties as FacilityProperties | undefined;
  const catchment = gold.catchments.find((row) => row.facility_id === id);
  if (!facility) return null;
  return (
    <>
      <Head eyebrow={kindName(facility.facility_kind)}>{facility.facility_name || kindName(facility.facility_kind)}</Head>
      <p className="facts-address">{address(facility)}</p>
      {catchment ? (
        <dl className="facts-list">
          <Fact label={t.facts.catchment}>{t.facts.catchmentValue(catchment.address_point_count)}</Fact>
          <Fact label={t.facts.meanDistance}>{distance(catchment.mean_distance_km)}</Fact>
          <Fact label={t.facts.farthest}>{distance(catchment.max_distance_km)}</Fact>
          <Fact label={t.facts.requests}>{count(catchment.request_count)}</Fact>
        </dl>
      ) : (
        <p className="hint">{t.facts.noCatchment}</p>
      )}
    </>
  );
}

function RequestFacts({ id, gold }: { id: string; gold: Gold }) {
  const entry = useLive((state) => state.entries.get(id));
  const request = gold.requests.features.find((feature) => feature.properties?.request_id === id)?.properties as RequestProperties | undefined;
  const nearest = gold.facilities.features.find((feature) => feature.properties?.facility_id === request?.nearest_facility_id)?.properties as FacilityProperties | undefined;
  const kind = request?.facility_kind ?? entry?.facilityKind ?? null;
  const state = entry?.state ?? request?.state ?? "stored";
  const precision = entry?.precision ?? request?.precision ?? null;
  const isLetter = request ? request.channel === "letter" : entry?.kind === "letter";
  return (
    <>
      <Head eyebrow={t.facts.request}>{kind ? <KindMark kind={kind} /> : t.facts.unknownKind}</Head>
      <dl className="facts-list">
        <Fact label={t.facts.state}>
          <StateMark state={state} />
        </Fact>
        {precision && <Fact label={t.facts.precision}>{`${t.precision[precision] ?? precision}${request?.uncertainty_m ? `, ${t.facts.uncertainty(request.uncertainty_m)}` : ""}`}</Fact>}
        {request?.requested_on && <Fact label={t.facts.date}>{day(request.requested_on)}</Fact>}
        {request && <Fact label={t.facts.channel}>{t.channels[request.channel] ?? request.channel}</Fact>}
        {request && request.nearest_facility_distance_km !== null && (
          <Fact label={t.facts.nearest}>{`${distance(request.nearest_facility_distance_km)}${nearest?.facility_name ? `, ${nearest.facility_name}` : ""}`}</Fact>
        )}
      </dl>
      {!request && <p className="hint">{t.facts.notYet}</p>}
      {isLetter && (
        <p>
          <a href={hrefOf("letters", id)}>{t.facts.timeline}</a>
        </p>
      )}
    </>
  );
}
