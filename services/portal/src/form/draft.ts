/** What somebody types, kept for this window alone: a reload loses neither the words nor the key that makes them one request. */

import { missingFields, newKey, submissionBody, type SubmissionForm } from "../views/submission";

/** Not a kind of the tables: the words say what it is. */
export const OTHER = "other";

export interface Draft {
  form: SubmissionForm;
  key: string;
  /** What was sent last with this key. */
  sent: string;
  /** The number that the answer gave; "" until then. */
  receipt: string;
}

const STORED_AS = "cartulary-form";
const EMPTY: SubmissionForm = { channel: "web", requester_name: "", contact: "", street: "", housenumber: "", postcode: "", city: "", facility_kind: "", message: "" };

export const emptyDraft = (): Draft => ({ form: EMPTY, key: newKey(), sent: "", receipt: "" });

/** The names of what is still missing, in the order of the page. */
export function missing(form: SubmissionForm): (keyof SubmissionForm)[] {
  const needed = missingFields(form);
  if (form.facility_kind === OTHER && form.message.trim() === "") needed.unshift("message");
  return needed;
}

/** What is sent: "something else" is a request without a kind. */
export function bodyOf(form: SubmissionForm): Record<string, string> {
  return submissionBody(form.facility_kind === OTHER ? { ...form, facility_kind: "" } : form);
}

/** The draft as it goes out: the same words keep their key, other words get a new one. */
export function sealed(draft: Draft): Draft {
  const sent = JSON.stringify(bodyOf(draft.form));
  return draft.sent && draft.sent !== sent ? { ...draft, sent, key: newKey() } : { ...draft, sent };
}

export function readDraft(stored: string | null): Draft {
  const fresh = emptyDraft();
  try {
    const found = JSON.parse(stored ?? "") as Partial<Draft>;
    const form = Object.fromEntries(Object.keys(EMPTY).map((name) => [name, String(found.form?.[name as keyof SubmissionForm] ?? "")]));
    return { form: { ...EMPTY, ...form, channel: "web" }, key: found.key || fresh.key, sent: found.sent ?? "", receipt: found.receipt ?? "" };
  } catch {
    return fresh;
  }
}

export function loadDraft(): Draft {
  try {
    return readDraft(sessionStorage.getItem(STORED_AS));
  } catch {
    return emptyDraft(); // storage is forbidden: then a reload loses it
  }
}

export function keepDraft(draft: Draft): void {
  try {
    sessionStorage.setItem(STORED_AS, JSON.stringify(draft));
  } catch {
    /* as above */
  }
}
