/** The live list: one line per file, from the drop to the map. */

import { type CSSProperties, useMemo, useState } from "react";

import { count, moment, percent, sentence } from "../format";
import { arrivals, type Entry, isPlaced, progressOf, STEPS, waitingFor } from "../live/reducer";
import { useLive } from "../live/store";
import type { Hit } from "../map/townMap";
import { hrefOf } from "../route";
import { stateName, stepName, t } from "../strings";
import type { Uploader } from "../upload/uploader";

/** Lines shown at once; the letter book has the rest. */
const SHOWN = 120;

export function Arrivals({ uploader, onHit }: { uploader: Uploader; onHit: (hit: Hit) => void }) {
  const entries = useLive((state) => state.entries);
  const counts = useLive((state) => state.counts);
  const waiting = useLive(waitingFor);
  const outstanding = useLive((state) => state.outstanding);
  const lines = useMemo(() => arrivals({ entries } as Parameters<typeof arrivals>[0]), [entries]);
  const [filter, setFilter] = useState<string | null>(null);
  const visible = filter ? lines.filter((entry) => matches(entry, filter)) : lines;
  const read = (counts.read ?? 0) + (counts.located ?? 0) + (counts.approximate ?? 0) + (counts.review ?? 0) + (counts.rejected ?? 0);
  const figures = [
    ["read", read],
    ["located", counts.located ?? 0],
    ["approximate", counts.approximate ?? 0],
    ["review", waiting],
  ] as const;

  return (
    <>
      <div className="counters" role="group" aria-label={t.arrivals.filter}>
        {figures.map(([name, value]) => (
          <button key={name} type="button" className={`counter counter-${name}`} aria-pressed={filter === name} onClick={() => setFilter(filter === name ? null : name)}>
            <b data-counter={name}>{count(value)}</b>
            <span>{t.arrivals.counters[name]}</span>
          </button>
        ))}
      </div>
      {outstanding > 0 && (
        <p className="working">
          <i aria-hidden="true" />
          {t.arrivals.working(outstanding)}
        </p>
      )}
      {visible.length === 0 && <p className="hint">{t.arrivals.empty}</p>}
      <ol className="lines">
        {visible.slice(0, SHOWN).map((entry) => (
          <Line key={entry.key} entry={entry} uploader={uploader} onHit={onHit} />
        ))}
      </ol>
      {visible.length > SHOWN && (
        <p className="hint">
          <a href={hrefOf("letters")}>{t.arrivals.more(visible.length - SHOWN)}</a>
        </p>
      )}
    </>
  );
}

function matches(entry: Entry, filter: string): boolean {
  return filter === "read" ? progressOf(entry).done >= 3 : entry.state === filter;
}

function Line({ entry, uploader, onHit }: { entry: Entry; uploader: Uploader; onHit: (hit: Hit) => void }) {
  const now = new Date();
  const name = entry.kind === "submission" ? t.arrivals.typed(t.channels[entry.fileName] ?? "") : entry.fileName;
  return (
    <li className={`line is-${entry.state}`} data-file={entry.fileName} data-state={entry.state} data-on-map={entry.isOnMap}>
      <div className="line-head">
        {entry.kind === "letter" && !entry.key.startsWith("upload:") ? (
          <a className="line-name" href={hrefOf("letters", entry.key)}>
            {name}
          </a>
        ) : (
          <span className="line-name">{name}</span>
        )}
        <time dateTime={entry.at}>{moment(entry.at, now)}</time>
      </div>
      <Track entry={entry} />
      <div className="line-foot">
        <span className="line-state">{sentenceOf(entry)}</span>
        {isPlaced(entry.state) && (
          <button type="button" className="link" onClick={() => onHit({ layer: "request", id: entry.key })}>
            {t.letters.showOnMap}
          </button>
        )}
        {entry.state === "review" && <a href={hrefOf("review", entry.key)}>{t.letters.reviewIt}</a>}
        {entry.state === "failed" && entry.fileId && (
          <button type="button" className="link" onClick={() => void uploader.retryUpload(entry.fileId!)}>
            {t.drop.retry}
          </button>
        )}
      </div>
    </li>
  );
}

function sentenceOf(entry: Entry): string {
  if (entry.state === "sending") return entry.reason ?? t.drop.sending(entry.progress);
  if (entry.kind === "dataset" && entry.state === "loaded") {
    const rejected = entry.rejectedRows ? `, ${count(entry.rejectedRows)} ${t.datasets.rejected}` : "";
    return `${entry.dataset ?? ""}: ${count(entry.landedRows)} ${t.datasets.landed}${rejected}`;
  }
  if (entry.kind === "dataset" && entry.state === "stored") return t.states.received ?? "";
  if (isPlaced(entry.state)) {
    const where = t.precision[entry.precision ?? "none"];
    return `${entry.isOnMap ? stepName("on_map") : stepName("placed")}, ${where}${entry.isRepeated ? ` (${t.arrivals.again})` : ""}`;
  }
  const again = entry.isRepeated ? ` (${t.arrivals.again})` : "";
  return entry.reason ? sentence(entry.reason) : stateName(entry.state) + again;
}

/** Five stations on a line, as on the map of a railway; the text beside it says the same. */
function Track({ entry }: { entry: Entry }) {
  const { done, halted } = progressOf(entry);
  const share = entry.state === "sending" ? entry.progress : 1;
  const label = entry.state === "sending" ? percent(share) : STEPS.slice(0, done).map(stepName).join(", ");
  return (
    <div className={`track${halted ? ` is-${halted}` : ""}`} role="img" aria-label={label} style={{ "--sent": `${share * 100}%` } as CSSProperties}>
      {STEPS.map((step, index) => (
        <i key={step} className={index < done ? "is-done" : index === done && !halted ? "is-next" : ""} title={stepName(step)} />
      ))}
    </div>
  );
}
