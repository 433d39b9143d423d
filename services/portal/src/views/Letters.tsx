/** The letter book: every letter ever taken in, by state, and each one's timeline. */

import { useEffect, useState } from "react";

import { count, moment, sentence } from "../format";
import { useLive } from "../live/store";
import { Empty, Loading, Page, ProblemNote, StateMark } from "../parts/parts";
import { hrefOf } from "../route";
import { t } from "../strings";
import { useLoad } from "../useLoad";
import { type BookPage, bookPage, withNews } from "./book";

const STATES = ["stored", "read", "located", "approximate", "review", "rejected", "refused"] as const;

export function Letters({ state }: { state: string | null }) {
  const counts = useLive((live) => live.counts);
  const entries = useLive((live) => live.entries);
  const total = Object.values(counts).reduce((sum, value) => sum + value, 0);
  const version = useLive((live) => `${JSON.stringify(live.counts)}`);
  const first = useLoad(`letters:${state}:${version}`, () => bookPage(state, null));
  const [more, setMore] = useState<BookPage | null>(null);
  useEffect(() => setMore(null), [first.data]);
  const rows = withNews([...(first.data?.rows ?? []), ...(more?.rows ?? [])], entries);
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
