import { afterEach, expect, it, vi } from "vitest";

import type { LetterEvent, LetterRow } from "../api/types";
import { dispatch, snapshot } from "../live/store";
import { bookPage, withNews } from "./book";

const AT = "2026-03-01T12:00:00Z";
const row: LetterRow = { letter_id: "a", file_name: "one.jpg", state: "read", reason: "", received_at: AT, facility_kind: null, position: null };
const hear = (state: LetterEvent["state"], reason = "") =>
  dispatch({
    type: "letter",
    now: 0,
    event: { letter_id: "a", file_name: "one.jpg", state, reason, longitude: null, latitude: null, precision: null, facility_kind: null, at: AT },
  });
const listed = (...items: LetterRow[]) => vi.stubGlobal("fetch", () => Promise.resolve(Response.json({ items, next_cursor: null })));

afterEach(() => vi.unstubAllGlobals());

it("shows no older state than the live list, and none that is older than the book", async () => {
  hear("read");
  listed(row);
  const asked = bookPage(null, null);
  hear("review", "Two fit.");
  const { rows } = await asked;
  expect(rows).toMatchObject([{ state: "read", href: "#/letters/a" }]);
  expect(withNews(rows, snapshot().entries)).toMatchObject([{ state: "review", reason: "Two fit." }]);

  // Asked for again, and the event of its last step is still on its way.
  listed({ ...row, state: "located" });
  const again = await bookPage(null, null);
  expect(withNews(again.rows, snapshot().entries)).toMatchObject([{ state: "located" }]);
});
