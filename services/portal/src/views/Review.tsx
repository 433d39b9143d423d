/** The review desk: scan beside fields, decided by keyboard or mouse, next letter by itself. */

import { useCallback, useEffect, useMemo, useRef, useState } from "react";

import { get, getAll, post, Problem } from "../api/client";
import type { Correction, ReviewItem } from "../api/types";
import { moment, sentence } from "../format";
import { waitingFor } from "../live/reducer";
import { dispatch, useLive } from "../live/store";
import { PlaceMap, type Point } from "../map/PlaceMap";
import { Empty, Loading, ProblemNote } from "../parts/parts";
import { hrefOf } from "../route";
import { t } from "../strings";
import { useLoad } from "../useLoad";
import { Candidates, FieldSet, Keys } from "./ReviewForm";
import { changedFields, type Fields, fieldsOf, keyAction } from "./reviewLogic";
import { Scan } from "./Scan";

export function Review({ id }: { id: string | null }) {
  const waiting = useLive(waitingFor);
  // A new letter in review changes the count: the queue is asked for again, what is being edited stays.
  const queue = useLoad(`reviews:${waiting}`, async () => (await getAll<ReviewItem>("/v1/reviews", 1)).items);
  useEffect(() => {
    if (queue.data) dispatch({ type: "waiting", count: queue.data.length });
  }, [queue.data]);
  const kept = useRef<ReviewItem[] | null>(null);
  if (queue.data) kept.current = queue.data;
  const known = kept.current ?? [];
  const [decided, setDecided] = useState<ReadonlySet<string>>(new Set());
  const [message, setMessage] = useState("");
  const waitingItems = known.filter((item) => !decided.has(item.subject_id));
  // A letter that does not wait can be decided again: from its page, by its address.
  const isElsewhere = Boolean(id) && kept.current !== null && !known.some((item) => item.subject_id === id);
  const single = useLoad(`review:${isElsewhere ? id : ""}`, () => (isElsewhere && id ? get<ReviewItem>(`/v1/reviews/${encodeURIComponent(id)}`) : Promise.resolve(null)));
  const items = isElsewhere && single.data && !decided.has(single.data.subject_id) ? [single.data, ...waitingItems] : waitingItems;
  const index = Math.max(
    0,
    items.findIndex((item) => item.subject_id === id),
  );
  const item = isElsewhere && single.isLoading ? undefined : items[index];

  // What is on the desk stays there when others arrive: from now on it is named in the address.
  useEffect(() => {
    if (!id && item) location.replace(hrefOf("review", item.subject_id));
  }, [id, item]);

  const go = useCallback(
    (step: number) => {
      const next = items[Math.min(items.length - 1, Math.max(0, index + step))];
      if (next) location.hash = hrefOf("review", next.subject_id);
    },
    [items, index],
  );

  const decide = useCallback(
    async (correction: Correction) => {
      if (!item) return;
      await post(`/v1/reviews/${encodeURIComponent(item.subject_id)}/corrections`, correction);
      setMessage(t.review.done[correction.action] ?? "");
      if (correction.action !== "reopen") dispatch({ type: "waiting", count: Math.max(0, waitingItems.filter((other) => other !== item).length) });
      const next = items[index + 1] ?? items[index - 1];
      setDecided((old) => new Set(old).add(item.subject_id));
      location.hash = hrefOf("review", next?.subject_id);
    },
    [item, items, waitingItems, index],
  );

  return (
    <div className="desk">
      <p className="visually-hidden" role="status" data-test="review-message">
        {message}
      </p>
      {queue.problem && <ProblemNote problem={queue.problem} onAgain={queue.reload} />}
      {isElsewhere && single.problem && <ProblemNote problem={single.problem} />}
      {!item && (queue.isLoading || single.isLoading) && <Loading />}
      {!item && !queue.isLoading && !single.isLoading && !queue.problem && (
        <Empty title={t.review.empty}>
          <p className="hint">{t.review.emptyHint}</p>
          {message && <p>{message}</p>}
        </Empty>
      )}
      {item && (
        <>
          <nav className="queue" aria-label={t.review.queue}>
            <h1>
              {t.review.title} <span className="figure">{waitingItems.length}</span>
            </h1>
            <ol>
              {items.map((other) => (
                <li key={other.subject_id}>
                  <a href={hrefOf("review", other.subject_id)} aria-current={other === item ? "true" : undefined}>
                    <span className="queue-name">{other.file_name || t.review.typedName}</span>
                    <span className="queue-note">{sentence(other.reason)}</span>
                  </a>
                </li>
              ))}
            </ol>
          </nav>
          <Desk key={item.subject_id} item={item} position={t.review.position(index + 1, items.length)} onDecide={decide} onGo={go} />
        </>
      )}
    </div>
  );
}

interface DeskProps {
  item: ReviewItem;
  position: string;
  onDecide: (correction: Correction) => Promise<void>;
  onGo: (step: number) => void;
}

function Desk({ item, position, onDecide, onGo }: DeskProps) {
  const before = useMemo(() => fieldsOf(item.extraction), [item]);
  const [fields, setFields] = useState<Fields>(before);
  const [point, setPoint] = useState<Point | null>(null);
  const [isPlacing, setPlacing] = useState(false);
  const [isSure, setSure] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [isHelp, setHelp] = useState(false);
  const [isZoomed, setZoomed] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const first = useRef<HTMLInputElement>(null);
  const save = useRef<HTMLButtonElement>(null);
  const placeBox = useRef<HTMLDivElement>(null);
  const kinds = useLoad("kinds", () => get<{ items: { facility_kind: string }[] }>("/v1/facility-kinds"));

  const candidate = item.candidates[0] ?? null;
  const near = useMemo<Point | null>(() => {
    if (item.position) return item.position;
    return candidate && candidate.longitude !== null && candidate.latitude !== null ? { longitude: candidate.longitude, latitude: candidate.latitude } : null;
  }, [item, candidate]);

  async function decide(correction: Correction): Promise<void> {
    if (isBusy) return;
    setBusy(true);
    setProblem(null);
    try {
      await onDecide(correction);
    } catch (error) {
      setProblem(error instanceof Problem ? error : new Problem(0, String(error), ""));
      setBusy(false);
    }
  }

  const actions = {
    accept: () => (item.position ? void decide({ action: "accept" }) : setProblem(new Problem(0, t.review.actions.accept, t.review.noPosition))),
    correct: () => {
      const changed = changedFields(before, fields);
      if (Object.keys(changed).length === 0) setProblem(new Problem(0, t.review.unchanged, t.review.unchangedHint));
      else void decide({ action: "correct", ...changed });
    },
    place: () => point && void decide({ action: "place", longitude: point.longitude, latitude: point.latitude, ...changedFields(before, fields) }),
    reject: () => (isSure ? void decide({ action: "reject" }) : setSure(true)),
    pick: (index: number) => {
      const picked = item.candidates[index];
      if (!picked) return;
      setFields((old) => ({ ...old, street: picked.street, housenumber: picked.housenumber, postcode: picked.postcode, city: picked.city }));
      save.current?.focus();
    },
  };

  const latest = useRef(onKey);
  latest.current = onKey;
  useEffect(() => {
    const listen = (event: KeyboardEvent) => latest.current(event);
    addEventListener("keydown", listen);
    return () => removeEventListener("keydown", listen);
  }, []);

  function onKey(event: KeyboardEvent): void {
    const action = keyAction(event, document.activeElement);
    if (!action) return;
    event.preventDefault();
    if (action.name !== "reject") setSure(false);
    switch (action.name) {
      case "next":
        return onGo(1);
      case "previous":
        return onGo(-1);
      case "accept":
        return actions.accept();
      case "correct":
        return isPlacing && point ? void actions.place() : actions.correct();
      case "reject":
        return actions.reject();
      case "edit":
        return first.current?.focus();
      case "place":
        setPlacing(true);
        return void setTimeout(() => placeBox.current?.querySelector("canvas")?.focus(), 50);
      case "pick":
        return actions.pick(action.index);
      case "zoom":
        return setZoomed(!isZoomed);
      case "help":
        return setHelp(!isHelp);
      case "leave":
        (document.activeElement as HTMLElement | null)?.blur();
        return setPlacing(false);
    }
  }

  return (
    <>
      <Scan item={item} isZoomed={isZoomed} onZoom={() => setZoomed(!isZoomed)} />
      <section className="decision" aria-label={t.review.fields}>
        <header>
          <h2>{item.file_name || t.review.typedName}</h2>
          <span className="hint">
            {position} · {moment(item.received_at, new Date())}
          </span>
          <button type="button" className="quiet" aria-expanded={isHelp} onClick={() => setHelp(!isHelp)}>
            {t.review.shortcuts} <kbd>?</kbd>
          </button>
        </header>
        {isHelp && <Keys />}
        <div className="why">
          <strong>{t.review.why}</strong>
          <p>{sentence(item.reason)}</p>
        </div>
        {problem && <ProblemNote problem={problem} />}
        <form
          onSubmit={(event) => {
            event.preventDefault();
            actions.correct();
          }}
        >
          <FieldSet fields={fields} before={before} onFields={setFields} first={first} kinds={kinds.data?.items.map((row) => row.facility_kind) ?? []} />
          <Candidates item={item} onPick={actions.pick} />
          <div ref={placeBox} className="placing">
            <button type="button" className="quiet" aria-expanded={isPlacing} onClick={() => setPlacing(!isPlacing)}>
              {t.review.placeTitle} <kbd>P</kbd>
            </button>
            {isPlacing && (
              <>
                <p className="hint" aria-live="polite">
                  {point ? t.review.placed(point.longitude, point.latitude) : t.review.placeHint}
                </p>
                <PlaceMap near={near} candidates={item.candidates} point={point} onPoint={setPoint} />
              </>
            )}
          </div>
          <div className="actions">
            {isPlacing && point ? (
              <button type="button" className="primary" disabled={isBusy} onClick={() => void actions.place()}>
                {t.review.actions.place} <kbd>Ctrl ↵</kbd>
              </button>
            ) : (
              <button ref={save} type="submit" className="primary" disabled={isBusy} data-test="correct">
                {t.review.actions.correct} <kbd>Ctrl ↵</kbd>
              </button>
            )}
            <button type="button" disabled={isBusy || !item.position} title={item.position ? "" : t.review.noPosition} onClick={actions.accept} data-test="accept">
              {t.review.actions.accept} <kbd>A</kbd>
            </button>
            <button type="button" className={isSure ? "danger" : ""} disabled={isBusy} onClick={actions.reject} data-test="reject">
              {t.review.actions.reject} <kbd>R</kbd>
            </button>
            {item.corrections && item.corrections.length > 0 && (
              <button type="button" disabled={isBusy} onClick={() => void decide({ action: "reopen" })}>
                {t.review.actions.reopen}
              </button>
            )}
          </div>
          {isSure && (
            <p className="hint" role="alert">
              {t.review.rejectSure}
            </p>
          )}
        </form>
      </section>
    </>
  );
}
