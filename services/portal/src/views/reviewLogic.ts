/** The review desk without its screen: which fields changed, which key means what. */

import type { Correction, ExtractionFields } from "../api/types";

export const FIELD_NAMES = ["sender_name", "street", "housenumber", "postcode", "city", "letter_date", "facility_kind"] as const;
export type Fields = Record<(typeof FIELD_NAMES)[number], string>;

export function fieldsOf(extraction: Partial<ExtractionFields>): Fields {
  return Object.fromEntries(FIELD_NAMES.map((name) => [name, extraction[name] ?? ""])) as Fields;
}

/**
 * What a correction has to say: only what differs from what the machine read, since null means "as it was read".
 * An address is one thing, though: if one part of it changed, all parts that are filled in are sent.
 */
export function changedFields(before: Fields, after: Fields): Partial<Correction> {
  const addressParts = ["street", "housenumber", "postcode", "city"] as const;
  const isAddressChanged = addressParts.some((name) => before[name] !== after[name]);
  const names = FIELD_NAMES.filter((name) => before[name] !== after[name] || (isAddressChanged && (addressParts as readonly string[]).includes(name)));
  const sent = names.map((name): [keyof Fields, string] => [name, after[name].trim()]);
  // "" empties what was read; a date cannot be emptied, and what was empty before needs no word.
  return Object.fromEntries(sent.filter(([name, value]) => value !== "" || (before[name] !== "" && name !== "letter_date"))) as Partial<Correction>;
}

export type KeyAction = { name: "next" | "previous" | "accept" | "correct" | "reject" | "edit" | "place" | "zoom" | "help" | "leave" } | { name: "pick"; index: number };

interface KeyPress {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
}

const LETTERS: Record<string, Exclude<KeyAction["name"], "pick">> = { j: "next", k: "previous", a: "accept", r: "reject", e: "edit", p: "place", z: "zoom", "?": "help" };

/** The meaning of a key, or null. While somebody types in a field, only Ctrl+Enter and Esc mean something. */
export function keyAction(press: KeyPress, focused: { tagName: string } | null): KeyAction | null {
  if (press.key === "Enter" && (press.ctrlKey || press.metaKey)) return { name: "correct" };
  if (press.key === "Escape") return { name: "leave" };
  if (press.ctrlKey || press.metaKey || press.altKey) return null;
  if (focused && ["INPUT", "TEXTAREA", "SELECT"].includes(focused.tagName)) return null;
  if (/^[1-9]$/.test(press.key)) return { name: "pick", index: Number(press.key) - 1 };
  const name = LETTERS[press.key.toLowerCase()];
  return name ? { name } : null;
}
