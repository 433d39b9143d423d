/** A request taken down on the phone or at the counter; sent once, however often the button is pressed. */

import { type FormEvent, useRef, useState } from "react";

import { get, post, Problem } from "../api/client";
import { sentence } from "../format";
import { useLive } from "../live/store";
import { Page, ProblemNote, StateMark } from "../parts/parts";
import { kindName, t } from "../strings";
import { useLoad } from "../useLoad";
import { missingFields, newKey, submissionBody, type SubmissionForm } from "./submission";

const EMPTY: SubmissionForm = { channel: "phone", requester_name: "", contact: "", street: "", housenumber: "", postcode: "", city: "", facility_kind: "", message: "" };

interface Receipt {
  submission_id: string;
  state: string;
}

export function NewRequest() {
  const kinds = useLoad("kinds", () => get<{ items: { facility_kind: string }[] }>("/v1/facility-kinds"));
  const [form, setForm] = useState<SubmissionForm>(EMPTY);
  const [receipt, setReceipt] = useState<Receipt | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [isBusy, setBusy] = useState(false);
  const live = useLive((state) => (receipt ? state.entries.get(receipt.submission_id) : undefined));
  // One key per request as typed: the same form sent again after a lost answer is the same request.
  const key = useRef({ value: newKey(), body: "" });

  async function send(event: FormEvent): Promise<void> {
    event.preventDefault();
    const missing = missingFields(form);
    if (missing.length) return setProblem(new Problem(0, t.request.title, t.request.required + missing.map((name) => LABELS[name] ?? name).join(", ")));
    const body = submissionBody(form);
    const text = JSON.stringify(body);
    if (key.current.body && key.current.body !== text) key.current.value = newKey();
    key.current.body = text;
    setBusy(true);
    setProblem(null);
    try {
      setReceipt(await post<Receipt>("/v1/submissions", body, { "Idempotency-Key": key.current.value }));
    } catch (error) {
      setProblem(error instanceof Problem ? error : new Problem(0, String(error), ""));
    } finally {
      setBusy(false);
    }
  }

  if (receipt) {
    return (
      <Page title={t.request.sent}>
        <div className="receipt-card" role="status" data-test="submission-receipt">
          <p>
            {t.request.receipt} <code>{receipt.submission_id}</code>
          </p>
          <p>
            {t.request.state}: <StateMark state={live?.state ?? receipt.state} /> {live?.reason && <span className="soft">{sentence(live.reason)}</span>}
          </p>
          <button
            type="button"
            className="primary"
            onClick={() => {
              key.current = { value: newKey(), body: "" };
              setForm({ ...EMPTY, channel: form.channel });
              setReceipt(null);
            }}
          >
            {t.request.another}
          </button>
        </div>
      </Page>
    );
  }

  const field = (name: keyof SubmissionForm, className: string, isRequired = false) => (
    <label className={className}>
      <span>
        {LABELS[name]} {!isRequired && <em>{t.request.optional}</em>}
      </span>
      <input name={name} value={form[name]} required={isRequired} onChange={(event) => setForm({ ...form, [name]: event.target.value })} autoComplete="off" />
    </label>
  );
  return (
    <Page title={t.request.title} lead={t.request.lead}>
      {problem && <ProblemNote problem={problem} />}
      <form className="request-form" onSubmit={(event) => void send(event)} noValidate>
        <fieldset className="channel">
          <legend>{t.request.channel}</legend>
          {(["phone", "web"] as const).map((channel) => (
            <label key={channel}>
              <input type="radio" name="channel" checked={form.channel === channel} onChange={() => setForm({ ...form, channel })} />
              {t.channels[channel]}
            </label>
          ))}
        </fieldset>
        <div className="fields">
          <label className="wide">
            <span>{t.request.kind}</span>
            <select name="facility_kind" value={form.facility_kind} required onChange={(event) => setForm({ ...form, facility_kind: event.target.value })}>
              <option value="">{t.request.chooseKind}</option>
              {kinds.data?.items.map(({ facility_kind: kind }) => (
                <option key={kind} value={kind}>
                  {kindName(kind)}
                </option>
              ))}
            </select>
          </label>
          {field("street", "street", true)}
          {field("housenumber", "number")}
          {field("postcode", "number")}
          {field("city", "street", true)}
          <label className="wide">
            <span>
              {t.request.message} <em>{t.request.optional}</em>
            </span>
            <textarea name="message" rows={4} value={form.message} onChange={(event) => setForm({ ...form, message: event.target.value })} />
          </label>
          {field("requester_name", "half")}
          {field("contact", "half")}
        </div>
        <p className="hint">{t.request.privacy}</p>
        <button type="submit" className="primary" disabled={isBusy}>
          {isBusy ? t.request.sending : t.request.send}
        </button>
      </form>
    </Page>
  );
}

const LABELS: Partial<Record<keyof SubmissionForm, string>> = {
  requester_name: t.request.name,
  contact: t.request.contact,
  street: t.request.street,
  housenumber: t.request.housenumber,
  postcode: t.request.postcode,
  city: t.request.city,
  facility_kind: t.request.kind,
};
