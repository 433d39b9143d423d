/** What the portal knows about each file on its way to the map, as a pure function of what it hears. */

import type { Build, LetterEvent, LetterRow, LetterState, Precision, Readiness, Status, UploadAnswer, UploadEvent } from "../api/types";

export const STEPS = ["received", "stored", "read", "placed", "on_map"] as const;
export type Step = (typeof STEPS)[number];
export type EntryState = LetterState | "sending" | "failed" | "loaded" | "loading";

export interface Entry {
  /** letter_id, `upload:<upload_id>` of a data file, or `file:<n>` while the server has not answered. */
  key: string;
  kind: "letter" | "dataset" | "file";
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
  outstanding: number;
  build: Build | null;
  connection: Connection;
  readiness: Readiness | null;
  /** A sentence for screen readers about the newest change. */
  announcement: string;
}

export type Action =
  | { type: "file_added"; fileId: string; fileName: string; at: string }
  | { type: "file_progress"; fileId: string; share: number }
  | { type: "file_answered"; fileId: string; answer: UploadAnswer; at: string }
  | { type: "file_failed"; fileId: string; reason: string }
  | { type: "file_removed"; fileId: string }
  | { type: "letters_loaded"; letters: LetterRow[] }
  | { type: "letter"; event: LetterEvent; now: number }
  | { type: "upload"; event: UploadEvent; at: string }
  | { type: "build"; build: Build }
  | { type: "on_map"; ids: ReadonlySet<string> }
  | { type: "status"; status: Status }
  | { type: "connection"; connection: Connection }
  | { type: "readiness"; readiness: Readiness };

/** More lines than this are not kept in the page: the letter book has them all. */
export const MAX_ENTRIES = 2000;

export const EMPTY: LiveState = {
  entries: new Map(),
  counts: {},
  outstanding: 0,
  build: null,
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
  const key = isLetter ? answer.id : `upload:${answer.upload_id}`;
  const entries = new Map(state.entries);
  if (file) entries.delete(file.key);
  return withEntry({ ...state, entries }, key, (old) => {
    // An event may have overtaken the answer: then what the event said is newer.
    const known = old ?? { ...blank(key, answer.kind, answer.file_name, file?.at ?? at), state: answer.state as EntryState, reason: answer.reason || null };
    return { ...known, fileId, isRepeated: !answer.is_new, reason: known.reason ?? (answer.reason || null), at: file?.at ?? known.at };
  });
}

function letterHeard(state: LiveState, event: LetterEvent, now: number): LiveState {
  const old = state.entries.get(event.letter_id);
  const isMove = !old || old.state !== event.state;
  const position = event.longitude !== null && event.latitude !== null ? { longitude: event.longitude, latitude: event.latitude } : null;
  const isNewlyPlaced = isPlaced(event.state) && position !== null && !(old && isPlaced(old.state));
  const next = withEntry(state, event.letter_id, () => ({
    ...(old ?? blank(event.letter_id, "letter", event.file_name ?? event.letter_id.slice(0, 8), event.at)),
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

function uploadHeard(state: LiveState, event: UploadEvent, at: string): LiveState {
  const isDataset = event.purpose === "dataset" || Boolean(event.dataset);
  const isRefused = event.state === "refused";
  // Letters have events of their own; here only data files and what was refused at the door.
  if (!isDataset && !isRefused) return state;
  const key = `upload:${event.upload_id}`;
  const states: Record<string, EntryState> = { loaded: "loaded", refused: "refused", failed: "failed", loading: "loading", running: "loading", stored: "stored" };
  const next = withEntry(state, key, (old) => ({
    ...(old ?? blank(key, isDataset ? "dataset" : "letter", event.file_name ?? event.upload_id.slice(0, 8), event.at ?? at)),
    state: states[event.state] ?? "stored",
    reason: event.reason || null,
    dataset: event.dataset ?? old?.dataset ?? null,
    landedRows: event.landed_rows ?? old?.landedRows ?? null,
    rejectedRows: event.rejected_rows ?? old?.rejectedRows ?? null,
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
    case "upload":
      return uploadHeard(state, action.event, action.at);
    case "build":
      return { ...state, build: action.build };
    case "on_map":
      return markOnMap(state, action.ids);
    case "status":
      return { ...state, counts: action.status.letters, outstanding: action.status.outstanding, build: action.status.build ?? state.build };
    case "connection":
      return state.connection === action.connection ? state : { ...state, connection: action.connection };
    case "readiness":
      return { ...state, readiness: action.readiness };
  }
}

/** Newest arrivals first. */
export function arrivals(state: LiveState): Entry[] {
  return [...state.entries.values()].sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : a.fileName.localeCompare(b.fileName, "en", { numeric: true })));
}
