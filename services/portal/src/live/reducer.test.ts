import { describe, expect, it } from "vitest";

import type { LetterEvent, LetterRow, Status, UploadAnswer, UploadEvent } from "../api/types";
import { type Action, arrivals, EMPTY, type LiveState, MAX_ENTRIES, progressOf, reduce } from "./reducer";

const AT = "2026-03-01T12:00:00Z";
const letter = (state: LetterEvent["state"], more: Partial<LetterEvent> = {}): Action => ({
  type: "letter",
  now: 1000,
  event: { letter_id: "a", file_name: "one.jpg", state, reason: "", longitude: null, latitude: null, precision: null, facility_kind: null, at: AT, ...more },
});
const answer: UploadAnswer = { kind: "letter", id: "a", upload_id: "u", file_name: "one.jpg", state: "stored", reason: "", is_new: true };
const run = (...actions: Action[]): LiveState => actions.reduce(reduce, EMPTY);
const only = (state: LiveState) => {
  expect(state.entries.size).toBe(1);
  return [...state.entries.values()][0]!;
};

describe("a letter on its way", () => {
  const added: Action = { type: "file_added", fileId: "f", fileName: "one.jpg", at: AT };
  const answered: Action = { type: "file_answered", fileId: "f", answer, at: AT };
  const placed = { longitude: 9.5, latitude: 47.1, precision: "house" as const };

  it("goes through all five steps", () => {
    let state = run(added, { type: "file_progress", fileId: "f", share: 0.5 });
    expect(only(state)).toMatchObject({ state: "sending", progress: 0.5 });
    const seen = [progressOf(only(state)).done];
    for (const action of [answered, letter("read"), letter("located", placed), { type: "on_map", ids: new Set(["a"]) } as Action]) {
      state = reduce(state, action);
      seen.push(progressOf(only(state)).done);
    }
    expect(seen).toEqual([0, 2, 3, 4, 5]);
    expect(only(state)).toMatchObject({ key: "a", position: { longitude: 9.5, latitude: 47.1 }, placedAt: 1000, isOnMap: true });
  });

  it("keeps what an event said before the answer came", () => {
    const state = run(added, letter("located", placed), answered);
    expect(only(state)).toMatchObject({ state: "located", fileId: "f" });
  });

  it("is not moved back by an older list", () => {
    const old: LetterRow = { letter_id: "a", file_name: "one.jpg", state: "stored", reason: "", received_at: AT, facility_kind: null, position: null };
    expect(only(run(letter("located", placed), { type: "letters_loaded", letters: [old] })).state).toBe("located");
  });

  it("leaves the map when it goes back to review", () => {
    const state = run(letter("located", placed), { type: "on_map", ids: new Set(["a"]) }, letter("review"));
    expect(only(state)).toMatchObject({ isOnMap: false, position: null });
    expect(progressOf(only(state))).toEqual({ done: 3, halted: "review" });
  });

  it("says when it was here already, and why it was refused", () => {
    expect(only(run(added, { ...answered, answer: { ...answer, is_new: false } } as Action)).isRepeated).toBe(true);
    const refused = only(run(added, { ...answered, answer: { ...answer, state: "refused", upload_id: "", reason: "The file is empty." } } as Action));
    expect(refused).toMatchObject({ key: "upload:f", state: "refused", reason: "The file is empty." });
    expect(progressOf(refused).halted).toBe("stopped");
  });

  it("can be sent again after a failure", () => {
    const failed = run(added, { type: "file_failed", fileId: "f", reason: "no connection" });
    expect(only(failed).state).toBe("failed");
    expect(only(reduce(failed, { type: "file_progress", fileId: "f", share: 0.1 }))).toMatchObject({ state: "sending", reason: null });
  });

  it("pulses only when it is placed for the first time", () => {
    const state = run(letter("located", placed), { ...(letter("approximate", placed) as object), now: 9000 } as Action);
    expect(only(state).placedAt).toBe(1000);
  });
});

describe("a data file", () => {
  const event: UploadEvent = { upload_id: "u", letter_id: null, purpose: "dataset", dataset: "areas", file_name: "areas.csv", state: "loaded", reason: "", received_at: AT, landed_rows: 12, rejected_rows: 1 };

  it("shows what landed and what was rejected", () => {
    expect(only(run({ type: "upload", event }))).toMatchObject({ kind: "dataset", state: "loaded", landedRows: 12, rejectedRows: 1, dataset: "areas" });
  });

  it("does not list a letter twice", () => {
    expect(run(letter("stored"), { type: "upload", event: { ...event, purpose: "letter", dataset: "", state: "stored" } }).entries.size).toBe(1);
  });
});

describe("the status", () => {
  const build = { generation: 4, state: "published", message: "" };
  const status: Status = { letters: { located: 3 }, outstanding: { extract: { pending: 2, failed: 9 }, geocode: { claimed: 1 } }, failed: [], published: build, newest_build: build };

  it("counts only work that goes on by itself", () => {
    expect(run({ type: "status", status }).outstanding).toBe(3);
  });

  it("keeps the same build, so that the map is not asked for again", () => {
    const first = run({ type: "status", status });
    const second = reduce(first, { type: "status", status: { ...status, published: { ...build } } });
    expect(second.build).toBe(first.build);
  });

  it("shows a failed build and keeps the published one", () => {
    const state = run({ type: "status", status }, { type: "build", build: { generation: 5, state: "failed", message: "a test failed" } });
    expect(state.build?.generation).toBe(4);
    expect(state.failedBuild?.message).toBe("a test failed");
  });
});

it("keeps a bounded number of lines, the newest first", () => {
  let state = EMPTY;
  for (let i = 0; i < MAX_ENTRIES + 5; i += 1) {
    state = reduce(state, letter("stored", { letter_id: `l${i}`, at: new Date(Date.UTC(2026, 0, 1) + i * 1000).toISOString() }));
  }
  expect(state.entries.size).toBe(MAX_ENTRIES);
  expect(arrivals(state)[0]!.key).toBe(`l${MAX_ENTRIES + 4}`);
  expect(state.entries.has("l0")).toBe(false);
});
