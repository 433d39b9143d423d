/** One letter: its receipt, its way to the map, what was read and why it is believed. */

import { get } from "../api/client";
import type { Letter } from "../api/types";
import { address, day, moment, sentence } from "../format";
import { STEPS } from "../live/reducer";
import { useLive } from "../live/store";
import { Fact, KindMark, Loading, ProblemNote, StateMark } from "../parts/parts";
import { hrefOf } from "../route";
import { stepName, t } from "../strings";
import { useLoad } from "../useLoad";
import { evidenceRows } from "./evidence";

export function LetterPage({ id }: { id: string }) {
  // Asked for again when this letter moves on or a build is published.
  const version = useLive((state) => `${state.entries.get(id)?.state ?? ""}:${state.entries.get(id)?.isOnMap ?? ""}:${state.build?.generation ?? ""}`);
  const letter = useLoad(`letter:${id}:${version}`, () => get<Letter>(`/v1/letters/${encodeURIComponent(id)}`));
  return (
    <div className="page letter-page">
      <p>
        <a href={hrefOf("letters")}>← {t.letters.back}</a>
      </p>
      {letter.problem && <ProblemNote problem={letter.problem} onAgain={letter.reload} />}
      {!letter.data && letter.isLoading && <Loading />}
      {letter.data && <Detail letter={letter.data} />}
    </div>
  );
}

function Detail({ letter }: { letter: Letter }) {
  const isPlaced = letter.position !== null;
  return (
    <>
      <header className="page-head">
        <div>
          <h1 tabIndex={-1}>{letter.file_name}</h1>
          <p className="lead">
            <StateMark state={letter.state} />
            {letter.reason && <span className="soft"> {sentence(letter.reason)}</span>}
          </p>
        </div>
        <div className="row">
          {isPlaced && (
            <a className="button" href={hrefOf("map", letter.letter_id)}>
              {t.letters.showOnMap}
            </a>
          )}
          <a className={letter.state === "review" ? "button primary" : "button"} href={hrefOf("review", letter.letter_id)}>
            {t.letters.reviewIt}
          </a>
        </div>
      </header>
      <div className="letter-grid">
        <section>
          <h2>{t.letters.timeline}</h2>
          <Timeline letter={letter} />
          <p className="receipt">
            {t.letters.receipt} <code>{letter.letter_id}</code>
          </p>
        </section>
        <section>
          <h2>{t.letters.extraction}</h2>
          {letter.extraction ? (
            <dl className="facts-list">
              <Fact label={t.review.sender}>{letter.extraction.sender_name ?? "–"}</Fact>
              <Fact label={t.letters.where}>{address(letter.extraction) || "–"}</Fact>
              <Fact label={t.review.date}>{day(letter.extraction.letter_date)}</Fact>
              <Fact label={t.quality.language}>{letter.extraction.language ? (t.languages[letter.extraction.language] ?? letter.extraction.language) : "–"}</Fact>
              <Fact label={t.review.kind}>{letter.extraction.facility_kind ? <KindMark kind={letter.extraction.facility_kind} /> : t.review.noKind}</Fact>
              {letter.position && <Fact label={t.facts.precision}>{t.precision[letter.position.precision] ?? letter.position.precision}</Fact>}
            </dl>
          ) : (
            <p className="hint">{t.letters.pending}</p>
          )}
          {letter.evidence && (
            <>
              <h2>{t.letters.evidence}</h2>
              <dl className="facts-list">
                {evidenceRows(letter.evidence).map(([label, value]) => (
                  <Fact key={label} label={label}>
                    {value}
                  </Fact>
                ))}
              </dl>
            </>
          )}
          {letter.candidates.length > 0 && (
            <>
              <h2>{t.letters.candidates}</h2>
              <ol className="plain">
                {letter.candidates.map((candidate) => (
                  <li key={candidate.address_id}>
                    {address(candidate)} {candidate.similarity !== null && <span className="soft">{t.review.similarity(candidate.similarity)}</span>}
                  </li>
                ))}
              </ol>
            </>
          )}
          <h2>{t.letters.corrections}</h2>
          {letter.corrections.length === 0 && <p className="hint">{t.letters.noCorrections}</p>}
          <ol className="plain">
            {letter.corrections.map((correction) => (
              <li key={correction.correction_id}>
                <strong>{t.review.actions[correction.action as "accept"] ?? correction.action}</strong>{" "}
                <span className="soft">
                  {correction.reviewer}, {moment(correction.corrected_at, new Date())}
                </span>{" "}
                {address(correction)}
              </li>
            ))}
          </ol>
        </section>
        <section className="letter-scan">
          {Array.from({ length: letter.page_count }, (_, index) => (
            <img key={index} loading="lazy" src={`/v1/letters/${encodeURIComponent(letter.letter_id)}/pages/${index + 1}.jpg`} alt={t.review.pageAlt(letter.file_name)} />
          ))}
        </section>
      </div>
    </>
  );
}

function Timeline({ letter }: { letter: Letter }) {
  const done = letter.timeline.filter((step) => step.at);
  const seen = new Set(done.map((step) => step.step));
  const missing = letter.state === "refused" || letter.state === "rejected" ? [] : STEPS.filter((step) => !seen.has(step));
  return (
    <ol className="timeline">
      {done.map((step) => (
        <li key={step.step} className="is-done">
          <span>{stepName(step.step)}</span>
          <time dateTime={step.at ?? undefined}>{moment(step.at, new Date())}</time>
        </li>
      ))}
      {missing.map((step) => (
        <li key={step}>
          <span>{stepName(step)}</span>
          <span className="soft">{t.letters.pending}</span>
        </li>
      ))}
    </ol>
  );
}
