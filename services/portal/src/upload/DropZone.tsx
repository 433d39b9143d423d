/** The door: drop or choose files; data files are asked for their data set before they are sent. */

import { type ChangeEvent, useRef, useState } from "react";

import { getAll } from "../api/client";
import type { Dataset } from "../api/types";
import { t } from "../strings";
import { useLoad } from "../useLoad";
import { guessDataset } from "./purpose";
import { sendData, type Uploader } from "./uploader";

export interface PendingData {
  files: File[];
  drop: (file: File) => void;
}

const ACCEPTED = ".jpg,.jpeg,.png,.tif,.tiff,.pdf,.csv,.tsv,.txt,.geojson,.json";

export function DropZone({ uploader, pending }: { uploader: Uploader; pending: PendingData }) {
  const input = useRef<HTMLInputElement>(null);

  function choose(event: ChangeEvent<HTMLInputElement>): void {
    uploader.addFiles([...(event.target.files ?? [])].map((file) => ({ name: file.name, type: file.type, data: file })));
    event.target.value = "";
  }

  return (
    <div className="drop">
      <div className="drop-sheet">
        <p>
          <strong>{t.drop.title}</strong>
          <span>{t.drop.formats}</span>
        </p>
        <button type="button" className="primary" onClick={() => input.current?.click()}>
          {t.drop.choose}
        </button>
        <input ref={input} type="file" multiple accept={ACCEPTED} onChange={choose} hidden data-test="files" />
      </div>
      {pending.files.map((file) => (
        <DataForm key={`${file.name}:${file.size}:${file.lastModified}`} file={file} uploader={uploader} onDone={() => pending.drop(file)} />
      ))}
    </div>
  );
}

/** Which data set is this, and what shall it do to the rows that are there? */
export function DataForm({ file, uploader, onDone, fixed }: { file: File; uploader: Uploader; onDone: () => void; fixed?: string }) {
  const { data } = useLoad("datasets", async () => (await getAll<Dataset>("/v1/datasets")).items);
  const [picked, setPicked] = useState<string | null>(fixed ?? null);
  const [mode, setMode] = useState("");
  const dataset = picked ?? guessDataset(file.name, data?.map(({ name }) => name) ?? []) ?? "";
  const contract = data?.find(({ name }) => name === dataset);
  const isReplacing = (mode || contract?.mode) === "replace";
  return (
    <form
      className="assign"
      data-assign={file.name}
      onSubmit={(event) => {
        event.preventDefault();
        if (!dataset) return;
        sendData(uploader, file, dataset, mode);
        onDone();
      }}
    >
      <label>
        <span>{t.drop.which(file.name)}</span>
        <select value={dataset} onChange={(event) => setPicked(event.target.value)} disabled={Boolean(fixed)} required>
          <option value="">{t.drop.pick}</option>
          {data?.map(({ name }) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      <label>
        <span>{t.drop.mode}</span>
        <select value={mode} onChange={(event) => setMode(event.target.value)}>
          <option value="">{t.drop.modeDefault(contract?.mode ?? "…")}</option>
          {Object.keys(t.datasets.modes).map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      {isReplacing && <p className="hint">{t.drop.replaceWarning}</p>}
      <div className="row">
        <button type="submit" className="primary" disabled={!dataset}>
          {t.drop.load}
        </button>
        <button type="button" className="quiet" onClick={onDone}>
          {t.drop.discard}
        </button>
      </div>
    </form>
  );
}
