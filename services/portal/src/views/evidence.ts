/** The parts of a letter's evidence as label and text. */

import { humanize, NOTHING, percent } from "../format";
import { t } from "../strings";

/** Flags as yes or no, shares (0 to 1) as per cent, in the order the API gives them. */
export function evidenceRows(evidence: Record<string, unknown>): [string, string][] {
  return Object.entries(evidence).map(([name, value]) => [t.evidence[name] ?? humanize(name), textOf(name, value)]);
}

function textOf(name: string, value: unknown): string {
  if (value === null || value === undefined) return NOTHING;
  if (typeof value === "boolean") return value ? t.evidence.yes : t.evidence.no;
  if (typeof value !== "number") return String(value);
  // The one score of 0 to 100; all other parts are shares.
  return name === "evidence_score" ? percent(value / 100) : percent(value);
}
