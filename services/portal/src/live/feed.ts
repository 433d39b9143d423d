/** Listens to the server's events and keeps the store up to date, also over lost connections. */

import { get, Problem } from "../api/client";
import type { Build, LetterEvent, LetterRow, Page, Readiness, Status, SubmissionEvent, UploadEvent } from "../api/types";
import { dispatch, snapshot } from "./store";

const READINESS_EVERY_MS = 30_000;
const RECENT = 200;
const REVIEWS_DELAY_MS = 1500;

let reviewTimer: ReturnType<typeof setTimeout> | undefined;

/** Count the review queue soon; many events make one call. */
function countReviewsSoon(): void {
  reviewTimer ??= setTimeout(() => {
    reviewTimer = undefined;
    void get<Page<unknown>>("/v1/reviews?limit=1000")
      .then((page) => dispatch({ type: "waiting", count: page.items.length }))
      .catch(() => undefined); // the banner already speaks of a lost connection
  }, REVIEWS_DELAY_MS);
}

async function refreshReadiness(): Promise<void> {
  try {
    // Not through `get`: a server that is not ready answers 503 with the same body.
    const answer = await fetch("/health/ready", { headers: { Accept: "application/json" } });
    dispatch({ type: "readiness", readiness: (await answer.json()) as Readiness });
  } catch {
    /* the event stream's state says it */
  }
}

async function loadRecent(): Promise<void> {
  try {
    const letters = await get<Page<LetterRow>>(`/v1/letters?limit=${RECENT}`);
    dispatch({ type: "letters_loaded", letters: letters.items });
    dispatch({ type: "status", status: await get<Status>("/v1/status") });
  } catch (error) {
    if (error instanceof Problem && (error.status === 401 || error.status === 403)) dispatch({ type: "connection", connection: "ended" });
  }
}

/** Connect until `stop` is called. EventSource itself reconnects and sends Last-Event-ID. */
export function startFeed(): () => void {
  let source: EventSource | null = null;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let attempts = 0;

  function listen(): void {
    source = new EventSource("/v1/events");
    source.onopen = () => {
      attempts = 0;
      dispatch({ type: "connection", connection: "live" });
      // What happened while nobody listened.
      void loadRecent();
      void refreshReadiness();
      countReviewsSoon();
    };
    source.onerror = () => {
      if (snapshot().connection !== "ended") dispatch({ type: "connection", connection: "down" });
      if (source?.readyState !== EventSource.CLOSED) return;
      // Closed for good (an error status): try anew, slower each time, at most every 30 s.
      attempts += 1;
      void loadRecent();
      retry = setTimeout(listen, Math.min(1000 * 2 ** attempts, 30_000));
    };
    const on = <T>(name: string, handle: (data: T) => void) =>
      source!.addEventListener(name, (message) => handle(JSON.parse((message as MessageEvent<string>).data) as T));
    on<LetterEvent>("letter", (event) => {
      if (event.state === "review" || snapshot().entries.get(event.letter_id)?.state === "review") countReviewsSoon();
      dispatch({ type: "letter", event, now: Date.now() });
    });
    on<UploadEvent>("upload", (event) => dispatch({ type: "upload", event }));
    on<SubmissionEvent>("submission", (event) => {
      countReviewsSoon();
      dispatch({ type: "submission", event, now: Date.now() });
    });
    on<Build>("build", (build) => dispatch({ type: "build", build }));
    on<Status>("status", (status) => dispatch({ type: "status", status }));
  }

  void loadRecent();
  void refreshReadiness();
  listen();
  const readiness = setInterval(() => void refreshReadiness(), READINESS_EVERY_MS);
  return () => {
    source?.close();
    clearTimeout(retry);
    clearTimeout(reviewTimer);
    reviewTimer = undefined;
    clearInterval(readiness);
  };
}
