/** How far the numbers can be trusted, and where help is farthest. */

import { type ReactNode, useMemo } from "react";

import { getAll } from "../api/client";
import type { CoverageRow, UnderservedRow } from "../api/types";
import { count, percent } from "../format";
import { useLive } from "../live/store";
import { coverageColour, luminance, rampClass } from "../map/colours";
import { palette } from "../map/townMap";
import { KindMark, Loading, Page, ProblemNote, ShareBar } from "../parts/parts";
import { kindName, t } from "../strings";
import { useLoad } from "../useLoad";

interface ExtractionRow {
  extractor: string;
  model: string;
  language: string;
  letter_count: number;
  read_count: number;
  unreadable_count: number;
  failed_count: number;
  located_share: number | null;
  review_share: number | null;
}

interface GeocodingRow {
  geocoder: string;
  precision: string;
  geocode_count: number;
  share: number | null;
  mean_similarity: number | null;
}

const MOST_UNDERSERVED = 15;

export function Quality() {
  const generation = useLive((state) => String(state.build?.generation ?? ""));
  const underserved = useLoad(`underserved:${generation}`, async () => (await getAll<UnderservedRow>("/v1/quality/underserved", 1)).items);
  const extraction = useLoad(`extraction:${generation}`, async () => (await getAll<ExtractionRow>("/v1/quality/extractions", 1)).items);
  const geocoding = useLoad(`geocoding:${generation}`, async () => (await getAll<GeocodingRow>("/v1/quality/geocoding", 1)).items);
  const coverage = useLoad(`coverage:${generation}`, async () => (await getAll<CoverageRow>("/v1/coverage")).items);
  return (
    <Page title={t.quality.title} lead={t.quality.lead}>
      <Part title={t.quality.underserved} lead={t.quality.underservedLead} loaded={underserved}>
        {(rows) => (
          <Table heads={[t.quality.area, t.quality.kind, t.quality.share, [t.quality.outOfReach], [t.quality.requests]]}>
            {rows.slice(0, MOST_UNDERSERVED).map((row) => (
              <tr key={`${row.area_code}:${row.facility_kind}`}>
                <th scope="row">{row.area_name}</th>
                <td>
                  <KindMark kind={row.facility_kind} />
                </td>
                <td>
                  <ShareBar share={row.coverage_share} />
                </td>
                <td className="number">{count(row.uncovered_population)}</td>
                <td className="number">{count(row.request_count)}</td>
              </tr>
            ))}
          </Table>
        )}
      </Part>
      <Part title={t.quality.coverage} lead={t.quality.coverageLead} loaded={coverage}>
        {(rows) => <CoverageMatrix rows={rows} />}
      </Part>
      <div className="halves">
        <Part title={t.quality.extraction} loaded={extraction}>
          {(rows) => (
            <Table heads={[t.quality.language, [t.quality.letters], [t.quality.read], [t.quality.unreadable], t.quality.located, [t.quality.review]]}>
              {rows.map((row) => (
                <tr key={`${row.extractor}:${row.model}:${row.language}`}>
                  <th scope="row">
                    {t.languages[row.language] ?? (row.language || "–")} <span className="soft">{row.extractor}</span>
                  </th>
                  <td className="number">{count(row.letter_count)}</td>
                  <td className="number">{count(row.read_count)}</td>
                  <td className="number">{count(row.unreadable_count + row.failed_count)}</td>
                  <td>
                    <ShareBar share={row.located_share} />
                  </td>
                  <td className="number">{percent(row.review_share)}</td>
                </tr>
              ))}
            </Table>
          )}
        </Part>
        <Part title={t.quality.geocoding} loaded={geocoding}>
          {(rows) => (
            <Table heads={[t.quality.precision, t.quality.geocoder, [t.quality.answers], t.quality.ofAnswers, [t.quality.similarity]]}>
              {rows.map((row) => (
                <tr key={`${row.geocoder}:${row.precision}`}>
                  <th scope="row">{t.precision[row.precision] ?? row.precision}</th>
                  <td className="soft">{row.geocoder}</td>
                  <td className="number">{count(row.geocode_count)}</td>
                  <td>
                    <ShareBar share={row.share} />
                  </td>
                  <td className="number">{percent(row.mean_similarity)}</td>
                </tr>
              ))}
            </Table>
          )}
        </Part>
      </div>
    </Page>
  );
}

function Part<T>({ title, lead, loaded, children }: { title: string; lead?: string; loaded: ReturnType<typeof useLoad<T[]>>; children: (rows: T[]) => ReactNode }) {
  return (
    <section>
      <h2>{title}</h2>
      {lead && <p className="hint">{lead}</p>}
      {loaded.problem && <ProblemNote problem={loaded.problem} onAgain={loaded.reload} />}
      {!loaded.data && loaded.isLoading && <Loading />}
      {loaded.data?.length === 0 && <p className="hint">{t.quality.none}</p>}
      {loaded.data && loaded.data.length > 0 && children(loaded.data)}
    </section>
  );
}

/** A heading in brackets stands over numbers. */
function Table({ heads, children }: { heads: (string | [string])[]; children: ReactNode }) {
  return (
    <div className="table-wrap">
      <table>
        <thead>
          <tr>
            {heads.map((head) => (
              <th key={String(head)} scope="col" className={Array.isArray(head) ? "number" : ""}>
                {String(head)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

function CoverageMatrix({ rows }: { rows: CoverageRow[] }) {
  const colours = palette();
  const { areas, kinds, cells } = useMemo(() => {
    const cells = new Map(rows.map((row) => [`${row.area_code}:${row.facility_kind}`, row]));
    const areas = [...new Map(rows.map((row) => [row.area_code, row.area_name]))].sort((a, b) => a[1].localeCompare(b[1]));
    const kinds = [...new Set(rows.map((row) => row.facility_kind))].sort((a, b) => kindName(a).localeCompare(kindName(b)));
    return { areas, kinds, cells };
  }, [rows]);
  return (
    <div className="table-wrap">
      <table className="matrix">
        <thead>
          <tr>
            <th scope="col">{t.quality.area}</th>
            {kinds.map((kind) => (
              <th key={kind} scope="col">
                <KindMark kind={kind} />
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {areas.map(([code, name]) => (
            <tr key={code}>
              <th scope="row">{name}</th>
              {kinds.map((kind) => {
                const row = cells.get(`${code}:${kind}`);
                const share = row?.coverage_share ?? null;
                const ground = coverageColour(colours, share);
                return (
                  <td
                    key={kind}
                    className={rampClass(share) === null ? "is-few" : ""}
                    style={ground ? { background: ground, color: luminance(ground) > 0.35 ? "#16202a" : "#ffffff" } : {}}
                    title={row ? `${row.covered_address_point_count} / ${row.address_point_count}` : ""}
                  >
                    {percent(share)}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
