/** The fields, what is wrong with them, and sending them: once, however often the button is pressed. */

import { type FormEvent, useEffect, useRef, useState } from "react";

import type { SubmissionForm } from "../views/submission";
import { bodyOf, type Draft, missing, OTHER, sealed } from "./draft";
import { Field } from "./Field";
import { type Outcome, sendRequest } from "./send";
import type { Site } from "./site";
import { busyWords, filled, type FormStrings, type Language, type Words } from "./strings";

type Name = keyof FormStrings["fields"];
type Trouble = Exclude<Outcome["kind"], "received" | "conflict">;

interface RequestFormProps {
  t: FormStrings;
  language: Language;
  site: Site;
  draft: Draft;
  onDraft: (draft: Draft) => void;
}

/** Seconds left, counted down to 0. */
function useCountdown(): [number, (seconds: number) => void] {
  const [left, setLeft] = useState(0);
  useEffect(() => {
    if (left <= 0) return undefined;
    const timer = setTimeout(() => setLeft(left - 1), 1000);
    return () => clearTimeout(timer);
  }, [left]);
  return [left, setLeft];
}

export function RequestForm({ t, language, site, draft, onDraft }: RequestFormProps) {
  const { form } = draft;
  const [gaps, setGaps] = useState<readonly string[]>([]);
  const [trouble, setTrouble] = useState<{ kind: Trouble; detail: string; seconds: number } | null>(null);
  const [isBusy, setBusy] = useState(false);
  const [left, setLeft] = useCountdown();
  const note = useRef<HTMLDivElement>(null);
  const isUnderWay = useRef(false);

  // What stands in the way is said first, also to those who do not see it.
  useEffect(() => {
    if (gaps.length || trouble) note.current?.focus();
  }, [gaps, trouble]);

  function change(name: keyof SubmissionForm, value: string): void {
    onDraft({ ...draft, form: { ...form, [name]: value } });
  }

  async function send(event: FormEvent): Promise<void> {
    event.preventDefault();
    if (isUnderWay.current || left > 0) return;
    const lacking = missing(form);
    setGaps(lacking);
    setTrouble(null);
    if (lacking.length) return;
    isUnderWay.current = true;
    setBusy(true);
    let attempt = sealed(draft);
    onDraft(attempt);
    let outcome = await sendRequest(bodyOf(form), attempt.key);
    if (outcome.kind === "conflict") {
      // A window that was duplicated has the same key: these are other words, so they are another request.
      attempt = sealed({ ...attempt, sent: "another" });
      onDraft(attempt);
      outcome = await sendRequest(bodyOf(form), attempt.key);
    }
    isUnderWay.current = false;
    setBusy(false);
    if (outcome.kind === "received") {
      onDraft({ ...draft, form: { ...form, street: "", housenumber: "", postcode: "", city: "", message: "", requester_name: "", contact: "", facility_kind: "" }, sent: "", receipt: outcome.receipt });
      return;
    }
    const seconds = outcome.kind === "busy" ? outcome.seconds : 0;
    setLeft(seconds);
    setTrouble({ kind: outcome.kind === "conflict" ? "away" : outcome.kind, detail: outcome.kind === "refused" ? outcome.detail : "", seconds });
  }

  const wrong = gaps.filter((name) => missing(form).includes(name as Name));
  const isOther = form.facility_kind === OTHER;
  const field = (name: Name, className: string, more: Partial<Parameters<typeof Field>[0]> = {}) => (
    <Field
      name={name}
      className={className}
      label={t.fields[name]}
      note={more.isRequired ? "" : t.optional}
      error={wrong.includes(name) ? (t.missing[name as keyof FormStrings["missing"]] ?? "") : ""}
      value={form[name]}
      onValue={(value) => change(name, value)}
      {...more}
    />
  );
  return (
    <form className="request" onSubmit={(event) => void send(event)} noValidate>
      <div className="intro">
        <h1>{t.title}</h1>
        <p className="lead">{site.form.intro[language] || t.lead}</p>
      </div>
      <div ref={note} tabIndex={-1} className="note" role="alert">
        {wrong.length > 0 && (
          <>
            <strong>{wrong.length === 1 ? t.summary.one : filled(t.summary.many, { n: wrong.length })}</strong>
            <ul>
              {wrong.map((name) => (
                <li key={name}>
                  <a
                    href={`#f-${name}`}
                    onClick={(event) => {
                      event.preventDefault();
                      document.getElementById(`f-${name}`)?.focus();
                    }}
                  >
                    {t.missing[name as keyof FormStrings["missing"]]}
                  </a>
                </li>
              ))}
            </ul>
          </>
        )}
        {trouble && <TroubleText words={wordsOf(t, trouble)} />}
      </div>
      <fieldset>
        <legend>{t.what}</legend>
        {field("facility_kind", "wide", { isRequired: true, note: "", options: kindsOf(t, language, site), choose: t.choose })}
        {field("message", "wide", { isRequired: isOther, rows: 5, maxLength: 10_000, hint: t.message_hint })}
      </fieldset>
      <fieldset>
        <legend>{t.where}</legend>
        <p className="hint">{t.where_hint}</p>
        {field("street", "long", { isRequired: true, autoComplete: "off" })}
        {field("housenumber", "short", { maxLength: 40 })}
        {field("postcode", "short", { maxLength: 40, autoComplete: "postal-code" })}
        {field("city", "long", { isRequired: true, autoComplete: "address-level2" })}
      </fieldset>
      <fieldset>
        <legend>
          {t.you} <em>{t.optional}</em>
        </legend>
        <p className="hint">{t.you_hint}</p>
        {field("requester_name", "half", { note: "", autoComplete: "name" })}
        {field("contact", "half", { note: "", autoComplete: "email" })}
      </fieldset>
      <section className="privacy" aria-labelledby="privacy">
        <h2 id="privacy">{t.privacy.title}</h2>
        <ul>
          {t.privacy.points.map((point) => (
            <li key={point}>{filled(point, { who: site.name || t.privacy.who })}</li>
          ))}
          <li>
            {t.privacy.erase} {site.privacy_url && <a href={site.privacy_url}>{t.privacy.link}</a>}
          </li>
        </ul>
      </section>
      {/* Not disabled, which would take the focus away from whoever pressed it. */}
      <button type="submit" className="primary" aria-disabled={isBusy || left > 0}>
        {isBusy ? t.sending : left > 0 ? filled(t.send_in, { n: left }) : t.send}
      </button>
    </form>
  );
}

function kindsOf(t: FormStrings, language: Language, site: Site): [string, string][] {
  const own = site.form.kinds.map((kind): [string, string] => [kind.code, kind[language] ?? kind.en ?? kind.code]);
  const kinds: [string, string][] = own.length ? own : Object.entries(t.kinds);
  return [...[...kinds].sort((a, b) => a[1].localeCompare(b[1], language)), [OTHER, t.other]];
}

function wordsOf(t: FormStrings, { kind, detail, seconds }: { kind: Trouble; detail: string; seconds: number }): Words {
  if (kind === "busy") return busyWords(t, seconds);
  // The API's own sentence says more than ours.
  return kind === "refused" && detail ? { ...t.problem.refused, text: detail } : t.problem[kind];
}

function TroubleText({ words: { title, text } }: { words: Words }) {
  return (
    <>
      <strong>{title}</strong>
      <p>{text}</p>
    </>
  );
}
