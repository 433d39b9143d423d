/** What the portal knows about each file on its way to the map, as a pure function of what it hears. */

import type { Build, LetterEvent, LetterRow, LetterState, Precision, Readiness, Status, SubmissionEvent, UploadAnswer, UploadEvent } from "../api/types";

export const STEPS = ["received", "stored", "read", "placed", "on_map"] as const;
export type Step = (typeof STEPS)[number];
export type EntryState = LetterState | "sending" | "failed" | "loaded" | "loading";

export interface Entry {
  /** letter_id, submission_id, `upload:<upload_id>` of a data file, or `file:<n>` while the server has not answered. */
  key: string;
  kind: "letter" | "submission" | "dataset" | "file";
  fileName: string;
  state: EntryState;
  reason: string | null;
  at: string;
  /** 0 to 1 while sending. */
  progress: number;
  position: { longitude: number; latitude: number } | null;
  precision: Precision | null;
  facilityKind: string | null;
  isOnMap: boolean;
  isRepeated: boolean;
  dataset: string | null;
  landedRows: number | null;
  rejectedRows: number | null;
  /** Milliseconds of when it was placed before the user's eyes; null for letters that were there before. */
  placedAt: number | null;
  /** Files of this browser that became this entry (their Uppy ids), newest last. */
  fileId: string | null;
}

export type Connection = "connecting" | "live" | "down" | "ended";

export interface LiveState {
  entries: ReadonlyMap<string, Entry>;
  counts: Readonly<Record<string, number>>;
  /** Letters and typed requests in the review queue; null until the queue was counted. */
  waiting: number | null;
  /** Work items not done yet, and what was given up. */
  outstanding: number;
  failed: Status["failed"];
  /** The published build, and the newest one if it failed. */
  build: Build | null;
  failedBuild: Build | null;
  connection: Connection;
  readiness: Readiness | null;
  /** A sentence for screen readers about the newest change. */
  announcement: string;
}

export type Action =
  | { type: "file_added"; fileId: string; fileName: string; at: string }
  | { type: "file_progress"; fileId: string; share: number }
  | { type: "file_answered"; fileId: string; answer: UploadAnswer; at: string }
  | { type: "file_again"; fileId: string; reason: string }
  | { type: "file_failed"; fileId: string; reason: string }
  | { type: "file_removed"; fileId: string }
  | { type: "letters_loaded"; letters: LetterRow[] }
  | { type: "letter"; event: LetterEvent; now: number }
  | { type: "submission"; event: SubmissionEvent; now: number }
  | { type: "upload"; event: UploadEvent }
  | { type: "build"; build: Build }
  | { type: "on_map"; ids: ReadonlySet<string> }
  | { type: "status"; status: Status }
  | { type: "waiting"; count: number }
  | { type: "connection"; connection: Connection }
  | { type: "readiness"; readiness: Readiness };

/** More lines than this are not kept in the page: the letter book has them all. */
export const MAX_ENTRIES = 2000;

export const EMPTY: LiveState = {
  entries: new Map(),
  counts: {},
  waiting: null,
  outstanding: 0,
  failed: [],
  build: null,
  failedBuild: null,
  connection: "connecting",
  readiness: null,
  announcement: "",
};

const blank = (key: string, kind: Entry["kind"], fileName: string, at: string): Entry => ({
  key,
  kind,
  fileName,
  state: "stored",
  reason: null,
  at,
  progress: 1,
  position: null,
  precision: null,
  facilityKind: null,
  isOnMap: false,
  isRepeated: false,
  dataset: null,
  landedRows: null,
  rejectedRows: null,
  placedAt: null,
  fileId: null,
});

const ORDER: Record<string, number> = { sending: 0, stored: 1, loading: 2, read: 2, review: 3, approximate: 3, located: 3, rejected: 4, loaded: 3, refused: 4, failed: 4 };

/** Whether a letter has a position that counts. */
export const isPlaced = (state: string) => state === "located" || state === "approximate";

/** How many of the five steps are behind an entry, and whether it stopped there for a person or for good. */
export function progressOf(entry: Entry): { done: number; halted: "review" | "stopped" | null } {
  switch (entry.state) {
    case "sending":
      return { done: 0, halted: null };
    case "stored":
    case "loading":
      return { done: 2, halted: null };
    case "read":
      return { done: 3, halted: null };
    case "review":
      return { done: 3, halted: "review" };
    case "located":
    case "approximate":
      return { done: entry.isOnMap ? 5 : 4, halted: null };
    case "loaded":
      return { done: 5, halted: null };
    case "rejected":
      return { done: 3, halted: "stopped" };
    default:
      return { done: 1, halted: "stopped" };
  }
}

function withEntry(state: LiveState, key: string, make: (old: Entry | undefined) => Entry): LiveState {
  const entries = new Map(state.entries);
  entries.set(key, make(entries.get(key)));
  if (entries.size > MAX_ENTRIES) {
    // The oldest by time of arrival goes; what is being sent from this browser stays.
    let oldest: Entry | null = null;
    for (const entry of entries.values()) if (entry.kind !== "file" && (!oldest || entry.at < oldest.at)) oldest = entry;
    if (oldest) entries.delete(oldest.key);
  }
  return { ...state, entries };
}

function fileOf(state: LiveState, fileId: string): Entry | undefined {
  for (const entry of state.entries.values()) if (entry.fileId === fileId) return entry;
  return undefined;
}

function answered(state: LiveState, fileId: string, answer: UploadAnswer, at: string): LiveState {
  const file = fileOf(state, fileId);
  const isLetter = answer.kind === "letter" && answer.state !== "refused";
  // What was turned away before it was stored has no id of its own.
  const key = isLetter ? answer.id : `upload:${answer.upload_id || fileId}`;
  const entries = new Map(state.entries);
  if (file) entries.delete(file.key);
  return withEntry({ ...state, entries }, key, (old) => {
    // An event may have overtaken the answer: then what the event said is newer.
    const known = old ?? { ...blank(key, answer.kind, answer.file_name, file?.at ?? at), state: answer.state as EntryState, reason: answer.reason || null };
    return { ...known, fileId, isRepeated: !answer.is_new, reason: known.reason ?? (answer.reason || null), at: file?.at ?? known.at };
  });
}

/** Pending and claimed items; failed ones wait for a person. */
function outstandingOf(work: Status["outstanding"]): number {
  return Object.values(work).reduce((sum, states) => sum + (states.pending ?? 0) + (states.claimed ?? 0), 0);
}

function statusHeard(state: LiveState, status: Status): LiveState {
  const newest = status.newest_build;
  // The same build keeps its identity: a new one makes the map ask for its layers.
  const build = status.published && status.published.generation !== state.build?.generation ? status.published : state.build;
  return {
    ...state,
    counts: status.letters,
    outstanding: outstandingOf(status.outstanding),
    failed: status.failed,
    build,
    failedBuild: newest && newest.state === "failed" ? newest : null,
  };
}

function letterHeard(state: LiveState, event: LetterEvent, now: number, kind: "letter" | "submission" = "letter"): LiveState {
  const old = state.entries.get(event.letter_id);
  const isMove = !old || old.state !== event.state;
  const position = event.longitude !== null && event.latitude !== null ? { longitude: event.longitude, latitude: event.latitude } : null;
  const isNewlyPlaced = isPlaced(event.state) && position !== null && !(old && isPlaced(old.state));
  const next = withEntry(state, event.letter_id, () => ({
    ...(old ?? blank(event.letter_id, kind, event.file_name ?? event.letter_id.slice(0, 8), event.at)),
    state: event.state,
    reason: event.reason || null,
    position,
    precision: event.precision,
    facilityKind: event.facility_kind ?? old?.facilityKind ?? null,
    isOnMap: isPlaced(event.state) ? (old?.isOnMap ?? false) : false,
    placedAt: isNewlyPlaced ? now : (old?.placedAt ?? null),
  }));
  return isMove ? { ...next, announcement: `${next.entries.get(event.letter_id)!.fileName}: ${event.state}` } : next;
}

function uploadHeard(state: LiveState, event: UploadEvent): LiveState {
  const isDataset = event.purpose === "dataset";
  const isRefused = event.state === "refused";
  // Letters have events of their own; here only data files and what was refused at the door.
  if (!isDataset && !isRefused) return state;
  const key = `upload:${event.upload_id}`;
  const states: Record<string, EntryState> = { loaded: "loaded", refused: "refused", failed: "failed", started: "loading", stored: "stored" };
  const next = withEntry(state, key, (old) => ({
    ...(old ?? blank(key, isDataset ? "dataset" : "letter", event.file_name, event.received_at)),
    state: states[event.state] ?? "stored",
    reason: event.reason || null,
    dataset: event.dataset || null,
    landedRows: event.landed_rows,
    rejectedRows: event.rejected_rows,
  }));
  return { ...next, announcement: `${next.entries.get(key)!.fileName}: ${event.state}` };
}

function lettersLoaded(state: LiveState, letters: LetterRow[]): LiveState {
  const entries = new Map(state.entries);
  for (const letter of letters) {
    const old = entries.get(letter.letter_id);
    if (old && (ORDER[old.state] ?? 0) > (ORDER[letter.state] ?? 0)) continue;
    const { position } = letter;
    entries.set(letter.letter_id, {
      ...(old ?? blank(letter.letter_id, "letter", letter.file_name, letter.received_at)),
      state: letter.state,
      reason: letter.reason || null,
      position,
      precision: position?.precision ?? null,
      facilityKind: letter.facility_kind ?? old?.facilityKind ?? null,
    });
  }
  return { ...state, entries };
}

function markOnMap(state: LiveState, ids: ReadonlySet<string>): LiveState {
  let changed = false;
  const entries = new Map(state.entries);
  for (const [key, entry] of entries) {
    const isOnMap = ids.has(key) && isPlaced(entry.state);
    if (isOnMap && !entry.isOnMap) {
      entries.set(key, { ...entry, isOnMap });
      changed = true;
    }
  }
  return changed ? { ...state, entries } : state;
}

export function reduce(state: LiveState, action: Action): LiveState {
  switch (action.type) {
    case "file_added":
      return withEntry(state, `file:${action.fileId}`, () => ({ ...blank(`file:${action.fileId}`, "file", action.fileName, action.at), state: "sending", progress: 0, fileId: action.fileId }));
    case "file_progress": {
      const file = fileOf(state, action.fileId);
      if (!file || file.kind !== "file") return state;
      return withEntry(state, file.key, () => ({ ...file, state: "sending", reason: null, progress: action.share }));
    }
    case "file_again": {
      const file = fileOf(state, action.fileId);
      if (!file || file.kind !== "file") return state;
      return withEntry(state, file.key, () => ({ ...file, state: "sending", reason: action.reason, progress: 0 }));
    }
    case "file_failed": {
      const file = fileOf(state, action.fileId);
      if (!file) return state;
      return withEntry({ ...state, announcement: `${file.fileName}: ${action.reason}` }, file.key, () => ({ ...file, state: "failed", reason: action.reason }));
    }
    case "file_removed": {
      const entries = new Map(state.entries);
      entries.delete(`file:${action.fileId}`);
      return { ...state, entries };
    }
    case "file_answered":
      return answered(state, action.fileId, action.answer, action.at);
    case "letters_loaded":
      return lettersLoaded(state, action.letters);
    case "letter":
      return letterHeard(state, action.event, action.now);
    case "submission": {
      const { submission_id: id, channel, ...rest } = action.event;
      return letterHeard(state, { ...rest, letter_id: id, file_name: channel }, action.now, "submission");
    }
    case "upload":
      return uploadHeard(state, action.event);
    case "build":
      return action.build.state === "published" ? { ...state, build: action.build, failedBuild: null } : { ...state, failedBuild: action.build };
    case "on_map":
      return markOnMap(state, action.ids);
    case "status":
      return statusHeard(state, action.status);
    case "waiting":
      return state.waiting === action.count ? state : { ...state, waiting: action.count };
    case "connection":
      return state.connection === action.connection ? state : { ...state, connection: action.connection };
    case "readiness":
      return { ...state, readiness: action.readiness };
  }
}

/** How much waits for a person; before the queue was counted at least the letters. */
export const waitingFor = (state: LiveState): number => state.waiting ?? state.counts.review ?? 0;

/** Newest arrivals first. */
export function arrivals(state: LiveState): Entry[] {
  return [...state.entries.values()].sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : a.fileName.localeCompare(b.fileName, "en", { numeric: true })));
}
