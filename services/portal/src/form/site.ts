/** Who runs this: the landing page's site.json, in which an operator writes names and links of their own. */

import type { Language } from "./strings";

export interface Site {
  name: string;
  logo: string;
  contact: string;
  privacy_url: string;
  imprint_url: string;
  form: { intro: Partial<Record<Language, string>>; kinds: ({ code: string } & Partial<Record<Language, string>>)[] };
}

export const UNNAMED: Site = { name: "", logo: "", contact: "", privacy_url: "", imprint_url: "", form: { intro: {}, kinds: [] } };

const text = (value: unknown) => (typeof value === "string" ? value.trim() : "");
/** Paths of this host and http(s) alone: a link shall not run anything. */
export const link = (value: unknown) => (/^(https?:\/\/|\/(?!\/))/.test(text(value)) ? text(value) : "");

export function siteOf(answer: unknown): Site {
  const given = (answer ?? {}) as Record<string, unknown>;
  const form = (given.form ?? {}) as Partial<Site["form"]>;
  const intro = Object.fromEntries(Object.entries(form.intro ?? {}).map(([language, words]) => [language, text(words)]));
  const kinds = Array.isArray(form.kinds) ? form.kinds.filter((kind) => /^[a-z][a-z0-9_]*$/.test(kind?.code ?? "")) : [];
  return {
    name: text(given.name),
    logo: link(given.logo),
    contact: text(given.contact),
    privacy_url: link(given.privacy_url),
    imprint_url: link(given.imprint_url),
    form: { intro, kinds },
  };
}

export async function loadSite(): Promise<Site> {
  try {
    const answer = await fetch("/site.json", { credentials: "same-origin" });
    return answer.ok ? siteOf(await answer.json()) : UNNAMED;
  } catch {
    return UNNAMED; // the form works without a name
  }
}

/** Where a contact leads to, if it is an address or a number by itself. */
export function contactLink(contact: string): string | null {
  if (/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(contact)) return `mailto:${contact}`;
  if (/^\+?[\d\s()/-]{5,}$/.test(contact)) return `tel:${contact.replace(/[^\d+]/g, "")}`;
  return link(contact) || null;
}
