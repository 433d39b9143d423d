/** The public form's languages: one file of texts each, in which {n} and {who} stand for what is put in. */

import de from "./texts/de.json";
import en from "./texts/en.json";

export const LANGUAGES = ["en", "de"] as const;
export type Language = (typeof LANGUAGES)[number];
export type FormStrings = typeof en;

export const STRINGS: Record<Language, FormStrings> = { en, de };

/** The language that was asked for in the address, else the first of the browser's that is there, else English. */
export function chooseLanguage(search: string, preferred: readonly string[]): Language {
  const wanted = [new URLSearchParams(search).get("lang") ?? "", ...preferred].map((tag) => tag.slice(0, 2).toLowerCase());
  return LANGUAGES.find((language) => language === wanted.find((tag) => LANGUAGES.some((known) => known === tag))) ?? "en";
}

/** A text with its gaps filled. */
export function filled(text: string, values: Record<string, string | number>): string {
  return text.replace(/\{(\w+)\}/g, (gap, name: string) => String(values[name] ?? gap));
}

export interface Words {
  title: string;
  text: string;
}

/** What to say when so many seconds are to be waited: minutes from a minute and a half on. */
export function busyWords(t: FormStrings, seconds: number): Words {
  const { title, text, text_minutes } = t.problem.busy;
  return { title, text: seconds < 90 ? filled(text, { n: seconds }) : filled(text_minutes, { n: Math.ceil(seconds / 60) }) };
}
