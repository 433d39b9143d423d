/** Large files: each attempt gets a one-use address of its own, since the gateway passes on no body above 32 MB. */

import { post, Problem } from "../api/client";
import { t } from "../strings";

/** What the gateway passes on at most, and what a form puts around its file. */
const GATEWAY_BODY_BYTES = 32_000_000;
const FORM_BYTES = 64_000;
/** Seconds before the first, second and third new attempt: a proxy that restarts is back after some of them. */
const PAUSES = [1, 5, 20] as const;

export interface SessionFields {
  file_name: string;
  purpose: string;
  dataset?: string;
  mode?: string;
}

export interface UploadSession {
  id: string;
  upload_url: string;
  expires_at: string;
  max_bytes: number;
}

export const needsSession = (bytes: number): boolean => bytes > GATEWAY_BODY_BYTES - FORM_BYTES;

/** An upload address as a path of our own origin: it may name the API's host, which a page here may not send to. */
export function ownPath(uploadUrl: string): string {
  const { pathname, search } = new URL(uploadUrl, "https://own.invalid");
  return pathname + search;
}

/** Where one attempt to send a file of so many bytes goes. */
export async function openSession(fields: SessionFields, bytes: number): Promise<string> {
  const session = await post<UploadSession>("/v1/upload-sessions", fields);
  if (bytes > session.max_bytes) throw new Problem(413, t.drop.tooLarge(bytes, session.max_bytes), "");
  return ownPath(session.upload_url);
}

/**
 * Seconds until a new attempt with a new session, null when another one would end the same way.
 * `status` is 0 for a broken connection; `isTransfer` says that the session was there and its transfer failed: then the address
 * may have lapsed or be held by the broken attempt, which a new session heals.
 */
export function pauseBeforeRetry(status: number, failures: number, isTransfer: boolean, retryAfter: number | null = null): number | null {
  const pause = PAUSES[failures];
  const mayPass = status === 0 || status === 408 || status === 429 || status >= 500 || (isTransfer && [401, 404, 409, 410].includes(status));
  if (pause === undefined || !mayPass) return null;
  return Math.max(pause, retryAfter ?? 0);
}
