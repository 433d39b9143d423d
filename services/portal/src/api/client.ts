/** Calls of the API: same origin, session cookie, problem+json errors, patience when the limit of calls is reached. */

import type { Page } from "./types";

/** Sent with every call that changes something: another site's form cannot set it. */
export const REQUESTED_WITH = { "X-Requested-With": "cartulary" } as const;

const MAX_WAITS = 3;
const MAX_WAIT_SECONDS = 60;

/** An error the API described (RFC 9457), or one of the network with status 0. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
  ) {
    super(detail ? `${title}: ${detail}` : title);
  }
}

/** A Problem from the body of a failed answer, whatever that body is. */
export function problemOf(status: number, body: string): Problem {
  try {
    const parsed = JSON.parse(body) as { title?: string; detail?: unknown };
    const detail = typeof parsed.detail === "string" ? parsed.detail : parsed.detail ? JSON.stringify(parsed.detail) : "";
    return new Problem(status, parsed.title ?? `HTTP ${status}`, detail);
  } catch {
    return new Problem(status, `HTTP ${status}`, body.slice(0, 200));
  }
}

/** Seconds a client shall wait according to Retry-After (a number; a date is not used by our API). */
export function retryAfterSeconds(value: string | null, fallback = 5): number {
  const seconds = Number(value);
  return Math.min(value && Number.isFinite(seconds) && seconds >= 0 ? seconds : fallback, MAX_WAIT_SECONDS);
}

const pause = (seconds: number) => new Promise<void>((done) => setTimeout(done, seconds * 1000));

async function call(path: string, init: RequestInit, waits = 0): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(path, { credentials: "same-origin", ...init });
  } catch {
    throw new Problem(0, "No connection", "The server does not answer. What you typed is still here: try again in a moment.");
  }
  if (answer.status === 429 && waits < MAX_WAITS) {
    await pause(retryAfterSeconds(answer.headers.get("Retry-After")));
    return call(path, init, waits + 1);
  }
  if (!answer.ok) throw problemOf(answer.status, await answer.text());
  return answer;
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const answer = await call(path, { headers: { Accept: "application/json" }, ...(signal ? { signal } : {}) });
  return (await answer.json()) as T;
}

export async function post<T>(path: string, body: unknown, headers: Record<string, string> = {}): Promise<T> {
  const answer = await call(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json", ...REQUESTED_WITH, ...headers },
    body: JSON.stringify(body),
  });
  return (await answer.json()) as T;
}

/** A change without a body, whose answer has none either. */
export async function command(path: string): Promise<void> {
  await call(path, { method: "POST", headers: { ...REQUESTED_WITH } });
}

/** `path` with the parameters that have a value. */
export function withQuery(path: string, parameters: Record<string, string | number | null | undefined>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== null && value !== undefined && value !== "") query.set(name, String(value));
  const text = query.toString();
  return text ? `${path}${path.includes("?") ? "&" : "?"}${text}` : path;
}

/** All items of a list, at most `maxPages` pages; `isWhole` says whether that was everything. */
export async function getAll<T>(path: string, maxPages = 20): Promise<{ items: T[]; isWhole: boolean }> {
  const items: T[] = [];
  let cursor: string | null = null;
  for (let page = 0; page < maxPages; page += 1) {
    const answer: Page<T> = await get<Page<T>>(withQuery(path, { cursor, limit: 1000 }));
    items.push(...answer.items);
    cursor = answer.next_cursor;
    if (!cursor) return { items, isWhole: true };
  }
  return { items, isWhole: false };
}

type Collection = GeoJSON.FeatureCollection & { next_cursor?: string | null };

/** All features of a list as GeoJSON, at most `maxPages` pages. */
export async function getFeatures(path: string, maxPages = 20): Promise<{ collection: GeoJSON.FeatureCollection; isWhole: boolean }> {
  const features: GeoJSON.Feature[] = [];
  let cursor: string | null = null;
  for (let page = 0; page < maxPages; page += 1) {
    const answer: Collection = await get<Collection>(withQuery(path, { format: "geojson", cursor, limit: 1000 }));
    features.push(...answer.features);
    cursor = answer.next_cursor ?? null;
    if (!cursor) return { collection: { type: "FeatureCollection", features }, isWhole: true };
  }
  return { collection: { type: "FeatureCollection", features }, isWhole: false };
}
