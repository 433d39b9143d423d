/** The letter book: every letter ever taken in, by state, and each one's timeline. */

import { useEffect, useState } from "react";

import { get, withQuery } from "../api/client";
import type { LetterRow, Page as ListPage, UploadRow } from "../api/types";
import { count, moment, sentence } from "../format";
import { useLive } from "../live/store";
import { Empty, Loading, Page, ProblemNote, StateMark } from "../parts/parts";
import { hrefOf } from "../route";
import { t } from "../strings";
import { useLoad } from "../useLoad";

const STATES = ["stored", "read", "located", "approximate", "review", "rejected", "refused"] as const;
const PAGE = 100;
const MAX_ASKED = 10;

interface BookRow {
  key: string;
  href: string | null;
  fileName: string;
  state: string;
  reason: string | null;
  receivedAt: string;
}

interface BookPage {
  rows: BookRow[];
  next: string | null;
}

async function onePage(state: string | null, cursor: string | null): Promise<BookPage> {
  // A refused file never became a letter: it is only among the uploads.
  if (state === "refused") {
    const page = await get<ListPage<UploadRow>>(withQuery("/v1/uploads", { cursor, limit: 1000 }));
    const refused = page.items.filter((row) => row.state === "refused");
    return { rows: refused.map((row) => ({ key: row.upload_id, href: null, fileName: row.file_name, state: row.state, reason: row.reason, receivedAt: row.received_at })), next: page.next_cursor };
  }
  const page = await get<ListPage<LetterRow>>(withQuery("/v1/letters", { state, cursor, limit: PAGE }));
  return {
    rows: page.items.map((row) => ({ key: row.letter_id, href: hrefOf("letters", row.letter_id), fileName: row.file_name, state: row.state, reason: row.reason, receivedAt: row.received_at })),
    next: page.next_cursor,
  };
}

/** The next rows; pages chosen by state may be short or empty, so some are asked for until there is something to see. */
async function bookPage(state: string | null, cursor: string | null): Promise<BookPage> {
  let found = await onePage(state, cursor);
  for (let asked = 1; asked < MAX_ASKED && found.next && found.rows.length < PAGE / 2; asked += 1) {
    const page = await onePage(state, found.next);
    found = { rows: [...found.rows, ...page.rows], next: page.next };
  }
  return found;
}

export function Letters({ state }: { state: string | null }) {
  const counts = useLive((live) => live.counts);
  const total = Object.values(counts).reduce((sum, value) => sum + value, 0);
  const version = useLive((live) => `${JSON.stringify(live.counts)}`);
  const first = useLoad(`letters:${state}:${version}`, () => bookPage(state, null));
  const [more, setMore] = useState<{ rows: BookRow[]; next: string | null } | null>(null);
  useEffect(() => setMore(null), [first.data]);
  const rows = [...(first.data?.rows ?? []), ...(more?.rows ?? [])];
  const next = more ? more.next : (first.data?.next ?? null);

  return (
    <Page title={t.letters.title} lead={total ? t.letterCount(total) : ""}>
      <nav className="filters" aria-label={t.letters.state}>
        <a href={hrefOf("letters")} aria-current={state === null ? "true" : undefined}>
          {t.letters.all}
        </a>
        {STATES.map((name) => (
          <a key={name} href={hrefOf("letters", null, { state: name })} aria-current={state === name ? "true" : undefined}>
            {t.letters.states[name]}
            {counts[name] !== undefined && <span className="figure">{count(counts[name])}</span>}
          </a>
        ))}
      </nav>
      {first.problem && <ProblemNote problem={first.problem} onAgain={first.reload} />}
      {!first.data && first.isLoading && <Loading />}
      {first.data && rows.length === 0 && <Empty title={t.letters.none} />}
      {rows.length > 0 && (
        <div className="table-wrap">
          <table className="book">
            <thead>
              <tr>
                <th scope="col">{t.letters.file}</th>
                <th scope="col">{t.letters.state}</th>
                <th scope="col">{t.letters.reason}</th>
                <th scope="col" className="number">
                  {t.letters.received}
                </th>
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <tr key={row.key}>
                  <th scope="row">{row.href ? <a href={row.href}>{row.fileName}</a> : row.fileName}</th>
                  <td>
                    <StateMark state={row.state} label={t.letters.states[row.state] ?? row.state} />
                  </td>
                  <td className="soft">{sentence(row.reason)}</td>
                  <td className="number">{moment(row.receivedAt, new Date())}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {next && (
        <button type="button" onClick={() => void bookPage(state, next).then((page) => setMore({ rows: [...(more?.rows ?? []), ...page.rows], next: page.next }))}>
          {t.letters.more}
        </button>
      )}
    </Page>
  );
}
