/** The letter book's rows: page by page as the server lists them, and moved on by what the live list hears meanwhile. */

import { get, withQuery } from "../api/client";
import type { LetterRow, Page, UploadRow } from "../api/types";
import type { Entry } from "../live/reducer";
import { snapshot } from "../live/store";
import { hrefOf } from "../route";

const PAGE = 100;
const MAX_ASKED = 10;

export interface BookRow {
  key: string;
  href: string | null;
  fileName: string;
  state: string;
  reason: string | null;
  receivedAt: string;
  /** Its state in the live list when the row was asked for; null when it was not there. */
  heard: string | null;
}

export interface BookPage {
  rows: BookRow[];
  next: string | null;
}

async function onePage(state: string | null, cursor: string | null): Promise<BookPage> {
  // A refused file never became a letter: it is only among the uploads.
  if (state === "refused") {
    const page = await get<Page<UploadRow>>(withQuery("/v1/uploads", { cursor, limit: 1000 }));
    const refused = page.items.filter((row) => row.state === "refused");
    return { rows: refused.map((row) => ({ key: row.upload_id, href: null, fileName: row.file_name, state: row.state, reason: row.reason, receivedAt: row.received_at, heard: null })), next: page.next_cursor };
  }
  const { entries } = snapshot();
  const page = await get<Page<LetterRow>>(withQuery("/v1/letters", { state, cursor, limit: PAGE }));
  return {
    rows: page.items.map((row) => ({
      key: row.letter_id,
      href: hrefOf("letters", row.letter_id),
      fileName: row.file_name,
      state: row.state,
      reason: row.reason,
      receivedAt: row.received_at,
      heard: entries.get(row.letter_id)?.state ?? null,
    })),
    next: page.next_cursor,
  };
}

/** The next rows; pages chosen by state may be short or empty, so some are asked for until there is something to see. */
export async function bookPage(state: string | null, cursor: string | null): Promise<BookPage> {
  let found = await onePage(state, cursor);
  for (let asked = 1; asked < MAX_ASKED && found.next && found.rows.length < PAGE / 2; asked += 1) {
    const page = await onePage(state, found.next);
    found = { rows: [...found.rows, ...page.rows], next: page.next };
  }
  return found;
}

/**
 * Rows as the live list has them: a letter's event comes at once, the new counts with which the book is asked for again may take long.
 * An entry that has not moved since is no news: the row was read after it.
 */
export function withNews(rows: readonly BookRow[], entries: ReadonlyMap<string, Entry>): BookRow[] {
  return rows.map((row) => {
    const entry = entries.get(row.key);
    return entry && entry.state !== row.heard ? { ...row, state: entry.state, reason: entry.reason } : row;
  });
}
