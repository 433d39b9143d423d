/** Numbers, distances and times as text. */

const LOCALE = "en-GB";
const WHOLE = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 });
const TIME = new Intl.DateTimeFormat(LOCALE, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat(LOCALE, { day: "numeric", month: "short", year: "numeric" });
const MINUTE = new Intl.DateTimeFormat(LOCALE, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
export const NOTHING = "–";

type Maybe<T> = T | null | undefined;

export function count(value: Maybe<number>): string {
  return value === null || value === undefined ? NOTHING : WHOLE.format(value);
}

/** A share of 0 to 1 as per cent; 0.996 stays 99 %, since "100 %" shall mean all. */
export function percent(share: Maybe<number>): string {
  if (share === null || share === undefined) return NOTHING;
  const value = share * 100;
  const rounded = value > 99 && value < 100 ? 99 : value > 0 && value < 1 ? 1 : Math.round(value);
  return `${rounded} %`;
}

/** Kilometres, below one as metres. */
export function distance(km: Maybe<number>): string {
  if (km === null || km === undefined) return NOTHING;
  if (km < 0.995) return `${Math.round(km * 100) * 10} m`;
  return `${km < 9.95 ? km.toFixed(1) : WHOLE.format(km)} km`;
}

function parsed(iso: Maybe<string>): Date | null {
  if (!iso) return null;
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? null : date;
}

export function clock(iso: Maybe<string>): string {
  const date = parsed(iso);
  return date ? TIME.format(date) : NOTHING;
}

export function day(iso: Maybe<string>): string {
  const date = parsed(iso);
  return date ? DAY.format(date) : NOTHING;
}

/** The time of day for today, day and time for anything older. */
export function moment(iso: Maybe<string>, now: Date): string {
  const date = parsed(iso);
  if (!date) return NOTHING;
  return date.toDateString() === now.toDateString() ? TIME.format(date) : MINUTE.format(date);
}

/** "Kirchstrasse 2, 9494 Schaan" from whatever parts are there. */
export function address(parts: { street?: Maybe<string>; housenumber?: Maybe<string>; postcode?: Maybe<string>; city?: Maybe<string> }): string {
  const first = [parts.street, parts.housenumber].filter(Boolean).join(" ");
  const second = [parts.postcode, parts.city].filter(Boolean).join(" ");
  return [first, second].filter(Boolean).join(", ");
}

/** The sentence of a reason that begins with its code, "house_unknown: The house number …". */
export function sentence(reason: Maybe<string>): string {
  return (reason ?? "").replace(/^[a-z][a-z0-9_]*:\s+/, "");
}

/** "post_office" as "Post office". */
export function humanize(code: string): string {
  const words = code.replaceAll("_", " ").trim();
  return words ? words[0]!.toUpperCase() + words.slice(1) : words;
}
