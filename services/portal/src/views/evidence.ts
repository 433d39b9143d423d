/** The parts of a letter's evidence as label and text. */

import { humanize, NOTHING, percent } from "../format";

/** Flags as yes or no, shares (0 to 1) as per cent, scores (0 to 100) with "of 100", in the order the API gives them. */
export function evidenceRows(evidence: Record<string, unknown>): [string, string][] {
  return Object.entries(evidence).map(([name, value]) => [labelOf(name), textOf(name, value)]);
}

function labelOf(name: string): string {
  return humanize(name.replace(/^(is|has)_/, "").replace(/_score$/, ""));
}

function textOf(name: string, value: unknown): string {
  if (value === null || value === undefined) return NOTHING;
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value !== "number") return String(value);
  if (name === "evidence_score") return `${Math.round(value)} of 100`;
  return value >= 0 && value <= 1 ? percent(value) : String(Math.round(value * 100) / 100);
}
