/** Data sets: their contracts, the newest load of each, what was rejected and why; and loading a file. */

import { useRef, useState } from "react";

import { getAll, withQuery } from "../api/client";
import type { Dataset, Rejection, UploadRow } from "../api/types";
import { count, moment } from "../format";
import { useLive } from "../live/store";
import { Empty, Loading, Page, ProblemNote, StateMark } from "../parts/parts";
import { stateName, t } from "../strings";
import { DataForm } from "../upload/DropZone";
import type { Uploader } from "../upload/uploader";
import { useLoad } from "../useLoad";

/** Changes whenever a data file moves on, so that what depends on it is asked for again. */
function useDataVersion(): string {
  return useLive((state) => {
    let version = `${state.build?.generation ?? ""}`;
    for (const entry of state.entries.values()) if (entry.kind === "dataset") version += `|${entry.key}:${entry.state}`;
    return version;
  });
}

export function Datasets({ uploader }: { uploader: Uploader }) {
  const version = useDataVersion();
  const datasets = useLoad(`datasets:${version}`, async () => (await getAll<Dataset>("/v1/datasets")).items);
  const uploads = useLoad(`data-uploads:${version}`, async () => (await getAll<UploadRow>(withQuery("/v1/uploads", { purpose: "dataset" }), 1)).items);
  const kept = useRef<Dataset[]>([]);
  if (datasets.data) kept.current = datasets.data;
  return (
    <Page title={t.datasets.title} lead={t.datasets.lead}>
      {datasets.problem && <ProblemNote problem={datasets.problem} onAgain={datasets.reload} />}
      {kept.current.length === 0 && datasets.isLoading && <Loading />}
      {datasets.data?.length === 0 && <Empty title={t.datasets.none} />}
      <div className="datasets">
        {kept.current.map((dataset) => (
          <DatasetCard key={dataset.name} dataset={dataset} uploader={uploader} />
        ))}
      </div>
      <section>
        <h2>{t.datasets.uploads}</h2>
        {uploads.data?.length === 0 && <p className="hint">{t.datasets.uploadsNone}</p>}
        {uploads.data && uploads.data.length > 0 && (
          <div className="table-wrap">
            <table>
              <thead>
                <tr>
                  <th scope="col">{t.letters.file}</th>
                  <th scope="col">{t.nav.datasets}</th>
                  <th scope="col">{t.letters.state}</th>
                  <th scope="col" className="number">
                    {t.datasets.landed}
                  </th>
                  <th scope="col" className="number">
                    {t.datasets.rejected}
                  </th>
                  <th scope="col">{t.letters.reason}</th>
                  <th scope="col" className="number">
                    {t.letters.received}
                  </th>
                </tr>
              </thead>
              <tbody>
                {uploads.data.map((row) => (
                  <tr key={row.upload_id}>
                    <th scope="row">{row.file_name}</th>
                    <td>{row.dataset}</td>
                    <td>
                      <StateMark state={row.state} label={stateName(row.state)} />
                    </td>
                    <td className="number">{count(row.landed_rows)}</td>
                    <td className="number">{count(row.rejected_rows)}</td>
                    <td className="soft">{row.reason}</td>
                    <td className="number">{moment(row.received_at, new Date())}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </section>
    </Page>
  );
}

function DatasetCard({ dataset, uploader }: { dataset: Dataset; uploader: Uploader }) {
  const [file, setFile] = useState<File | null>(null);
  const input = useRef<HTMLInputElement>(null);
  const load = dataset.newest;
  return (
    <section className="dataset" data-dataset={dataset.name}>
      <header>
        <div>
          <h2>{dataset.name}</h2>
          {dataset.description && <p className="soft">{dataset.description}</p>}
        </div>
        <button type="button" aria-label={`${t.datasets.upload}: ${dataset.name}`} onClick={() => input.current?.click()}>
          {t.datasets.upload}
        </button>
        <input
          ref={input}
          type="file"
          hidden
          onChange={(event) => {
            setFile(event.target.files?.[0] ?? null);
            event.target.value = "";
          }}
        />
      </header>
      {file && <DataForm file={file} uploader={uploader} fixed={dataset.name} onDone={() => setFile(null)} />}
      {load ? (
        <p className="newest">
          <span>
            <b className="figure">{count(load.landed_rows)}</b> {t.datasets.landed}
          </span>
          <span className={load.rejected_rows ? "is-warning" : "soft"}>
            <b className="figure">{count(load.rejected_rows)}</b> {t.datasets.rejected}
          </span>
          <span className="soft">{[t.datasets.generation(load.generation), moment(load.loaded_at, new Date())].join(", ")}</span>
          {load.unknown_columns.length > 0 && <span className="soft">{t.datasets.unknownColumns(load.unknown_columns.join(", "))}</span>}
        </p>
      ) : (
        <p className="soft">{t.datasets.never}</p>
      )}
      {load && load.rejected_rows > 0 && <Rejections name={dataset.name} loadId={load.load_id} />}
      <details>
        <summary>{t.datasets.contract}</summary>
        <p className="soft">
          {t.datasets.modes[dataset.mode] ?? dataset.mode}
          {dataset.natural_key.length > 0 && `; ${t.datasets.key.toLowerCase()}: ${dataset.natural_key.join(", ")}`}
        </p>
        <table>
          <thead>
            <tr>
              <th scope="col">{t.datasets.column}</th>
              <th scope="col">{t.datasets.meaning}</th>
            </tr>
          </thead>
          <tbody>
            {dataset.columns.map((column) => (
              <tr key={column.name}>
                <th scope="row">
                  <code>{column.name}</code>
                </th>
                <td>
                  {column.description}{" "}
                  <span className="soft">{[column.is_required ? t.datasets.required : "", column.aliases.length ? t.datasets.alias(column.aliases.join(", ")) : ""].filter(Boolean).join("; ")}</span>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </section>
  );
}

function Rejections({ name, loadId }: { name: string; loadId: string }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t.datasets.rejections}</summary>
      {isOpen && <RejectionTable name={name} loadId={loadId} />}
    </details>
  );
}

function RejectionTable({ name, loadId }: { name: string; loadId: string }) {
  const rows = useLoad(`rejections:${loadId}`, async () => (await getAll<Rejection>(withQuery(`/v1/datasets/${encodeURIComponent(name)}/rejections`, { load_id: loadId }), 1)).items);
  if (rows.problem) return <ProblemNote problem={rows.problem} onAgain={rows.reload} />;
  if (!rows.data) return <Loading />;
  if (rows.data.length === 0) return <p className="hint">{t.datasets.rejectionsNone}</p>;
  return (
    <div className="table-wrap">
      <table>
        <thead>
          <tr>
            <th scope="col" className="number">
              {t.datasets.row}
            </th>
            <th scope="col">{t.letters.reason}</th>
            <th scope="col">{t.datasets.line}</th>
          </tr>
        </thead>
        <tbody>
          {rows.data.map((row, index) => (
            <tr key={index}>
              <td className="number">{count(row.line_number)}</td>
              <td>
                {row.column_name && <code>{row.column_name}</code>} {row.reason}
              </td>
              <td>
                <code className="raw">{row.line}</code>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
