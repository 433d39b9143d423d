/** Hands a request in, and says what came of it. */

import { problemOf, REQUESTED_WITH, retryAfterSeconds } from "../api/client";

/** Caddy passes it on to /v1/submissions with the form's own key. */
const ENDPOINT = "/form/submissions";
const PATIENCE_MS = 30_000;
const BUSY_SECONDS = 60;

export type Outcome =
  | { kind: "received"; receipt: string }
  | { kind: "busy"; seconds: number }
  | { kind: "refused"; detail: string }
  /** The same key came before with other words. */
  | { kind: "conflict" }
  | { kind: "closed" }
  | { kind: "away" };

export function outcomeOf(status: number, body: string, retryAfter: string | null): Outcome {
  if (status === 200 || status === 202) {
    try {
      const { submission_id: receipt } = JSON.parse(body) as { submission_id?: unknown };
      if (typeof receipt === "string" && receipt) return { kind: "received", receipt };
    } catch {
      /* an answer of something in between is none of ours */
    }
    return { kind: "away" };
  }
  if (status === 429) return { kind: "busy", seconds: Math.max(1, Math.ceil(retryAfterSeconds(retryAfter, BUSY_SECONDS))) };
  if (status === 409) return { kind: "conflict" };
  if (status === 400 || status === 413 || status === 422) return { kind: "refused", detail: problemOf(status, body).detail };
  return status >= 500 || status === 0 || status === 408 ? { kind: "away" } : { kind: "closed" };
}

export async function sendRequest(body: Record<string, string>, key: string): Promise<Outcome> {
  // Not AbortSignal.timeout: telephones of some years ago do not know it.
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), PATIENCE_MS);
  try {
    const answer = await fetch(ENDPOINT, {
      method: "POST",
      credentials: "same-origin",
      headers: { "Content-Type": "application/json", Accept: "application/json", "Idempotency-Key": key, ...REQUESTED_WITH },
      body: JSON.stringify(body),
      signal: patience.signal,
    });
    return outcomeOf(answer.status, await answer.text(), answer.headers.get("Retry-After"));
  } catch {
    return { kind: "away" };
  } finally {
    clearTimeout(timer);
  }
}
