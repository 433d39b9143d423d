/** What a typed request must have, and how it is sent. */

export interface SubmissionForm {
  channel: "phone" | "web";
  requester_name: string;
  contact: string;
  street: string;
  housenumber: string;
  postcode: string;
  city: string;
  facility_kind: string;
  message: string;
}

const REQUIRED = ["facility_kind", "street", "city"] as const;
const ALWAYS_SENT = new Set(["channel", "street", "housenumber", "postcode", "city", "facility_kind"]);

export function missingFields(form: SubmissionForm): (keyof SubmissionForm)[] {
  return REQUIRED.filter((name) => form[name].trim() === "");
}

/** Trimmed; what nobody filled in is left out, except the address and kind, which the API always expects. */
export function submissionBody(form: SubmissionForm): Record<string, string> {
  return Object.fromEntries(
    Object.entries(form)
      .map(([name, value]): [string, string] => [name, String(value).trim()])
      .filter(([name, value]) => value !== "" || ALWAYS_SENT.has(name)),
  );
}

/** An Idempotency-Key; randomUUID is there on HTTPS and localhost alone. */
export const newKey = (): string =>
  crypto.randomUUID ? crypto.randomUUID() : Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
