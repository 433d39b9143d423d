/** Brings answers that describe a running system into the shape the portal shows. */

import type { Build, Candidate, Dataset, Readiness, Rejection, ReviewItem, Status } from "./types";

type Loose = Record<string, unknown>;
const isObject = (value: unknown): value is Loose => typeof value === "object" && value !== null && !Array.isArray(value);

/** Sum of all numbers in a nested object: outstanding work per kind and state. */
function total(value: unknown): number {
  if (typeof value === "number") return value;
  if (!isObject(value)) return 0;
  return Object.values(value).reduce<number>((sum, part) => sum + total(part), 0);
}

export function statusOf(answer: unknown): Status {
  const body = isObject(answer) ? answer : {};
  const letters = isObject(body.letters) ? body.letters : {};
  const build = isObject(body.build) ? (body.build as unknown as Build) : null;
  return {
    letters: Object.fromEntries(Object.entries(letters).filter((pair): pair is [string, number] => typeof pair[1] === "number")),
    outstanding: total(body.outstanding),
    build,
  };
}

export function readinessOf(answer: unknown, isOk: boolean): Readiness {
  const body = isObject(answer) ? answer : {};
  const parts = isObject(body.capabilities) ? Object.entries(body.capabilities) : [];
  const capabilities = parts.map(([name, part]) => {
    if (!isObject(part)) return { name, ready: part === true || part === "ok" || part === "ready", detail: typeof part === "string" && part !== "ok" ? part : null };
    return {
      name,
      ready: part.ready === true || part.status === "ok" || part.state === "ok",
      detail: typeof part.detail === "string" && part.detail ? part.detail : null,
    };
  });
  return { ready: isOk, capabilities };
}

const text = (value: unknown): string | null => (typeof value === "string" && value ? value : null);
const number = (value: unknown): number | null => (typeof value === "number" ? value : null);

export function datasetOf(answer: unknown): Dataset {
  const body = isObject(answer) ? answer : {};
  const contract = isObject(body.contract) ? body.contract : body;
  const load = isObject(body.newest_load) ? body.newest_load : null;
  const columns = Array.isArray(body.columns) ? body.columns : [];
  return {
    name: String(body.name ?? ""),
    description: text(body.description),
    mode: String(contract.mode ?? ""),
    natural_key: Array.isArray(contract.natural_key) ? contract.natural_key.map(String) : null,
    columns: columns.filter(isObject).map((column) => ({ name: String(column.name ?? ""), data_type: text(column.data_type), description: text(column.description) })),
    newest_load: load && {
      state: String(load.state ?? ""),
      generation: number(load.generation),
      file_name: text(load.file_name),
      received_rows: number(load.received_rows),
      landed_rows: number(load.landed_rows),
      rejected_rows: number(load.rejected_rows),
      finished_at: text(load.finished_at),
      reason: text(load.reason),
    },
  };
}

/** An entry of the review queue; fields of the extraction may lie in it or beside it. */
export function reviewOf(answer: unknown): ReviewItem {
  const body = isObject(answer) ? answer : {};
  const fields = isObject(body.extraction) ? body.extraction : body;
  const at = isObject(body.position) ? body.position : body;
  const longitude = number(at.longitude);
  const latitude = number(at.latitude);
  return {
    subject_kind: body.subject_kind === "submission" ? "submission" : "letter",
    subject_id: String(body.subject_id ?? ""),
    file_name: text(body.file_name),
    reason_code: text(body.reason_code),
    reason: text(body.reason),
    received_at: String(body.received_at ?? ""),
    page_count: number(body.page_count) ?? 1,
    extraction: {
      sender_name: text(fields.sender_name),
      street: text(fields.street),
      housenumber: text(fields.housenumber),
      postcode: text(fields.postcode),
      city: text(fields.city),
      letter_date: text(fields.letter_date),
      language: text(fields.language),
      facility_kind: text(fields.facility_kind),
    },
    candidates: Array.isArray(body.candidates) ? (body.candidates as Candidate[]) : [],
    position: longitude !== null && latitude !== null ? { longitude, latitude } : null,
  };
}

export function rejectionOf(answer: unknown): Rejection {
  const body = isObject(answer) ? answer : {};
  return {
    row_number: number(body.row_number) ?? number(body.line_number),
    reason: String(body.reason ?? ""),
    line: text(body.line) ?? text(body.raw_line) ?? text(body.raw),
    file_name: text(body.file_name),
  };
}
