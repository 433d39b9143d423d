import { describe, expect, it } from "vitest";

import { bodyOf, emptyDraft, missing, OTHER, readDraft, sealed } from "./draft";
import { outcomeOf } from "./send";
import { contactLink, siteOf } from "./site";
import { busyWords, chooseLanguage, LANGUAGES, STRINGS } from "./strings";

const filled = { ...emptyDraft().form, facility_kind: "school", street: "Hauptstrasse", city: "Korvenau" };

describe("what is still missing", () => {
  it("is named in the order of the page", () => {
    expect(missing(emptyDraft().form)).toEqual(["facility_kind", "street", "city"]);
    expect(missing(filled)).toEqual([]);
  });

  it("includes the words where nothing was chosen from the list", () => {
    expect(missing({ ...filled, facility_kind: OTHER })).toEqual(["message"]);
    expect(missing({ ...filled, facility_kind: OTHER, message: "a bench" })).toEqual([]);
  });
});

describe("what is sent", () => {
  it("comes from the web, and something else has no kind", () => {
    expect(bodyOf(filled)).toEqual({ channel: "web", street: "Hauptstrasse", housenumber: "", postcode: "", city: "Korvenau", facility_kind: "school" });
    expect(bodyOf({ ...filled, facility_kind: OTHER, message: " a bench " })).toMatchObject({ facility_kind: "", message: "a bench" });
  });

  it("keeps its key as long as the words stay the same, also over a reload", () => {
    const first = sealed({ ...emptyDraft(), form: filled });
    const reloaded = readDraft(JSON.stringify(first));
    expect(sealed(reloaded).key).toBe(first.key);
    expect(sealed({ ...reloaded, form: { ...filled, housenumber: "2" } }).key).not.toBe(first.key);
    expect(emptyDraft().key).not.toBe(emptyDraft().key);
  });

  it("begins anew where the stored draft is none", () => {
    for (const stored of [null, "", "{", "[]", '{"form": 1}']) expect(readDraft(stored).form).toEqual(emptyDraft().form);
  });
});

describe("what came of it", () => {
  const receipt = JSON.stringify({ submission_id: "0a1b", state: "stored" });

  it("is a receipt only with its number", () => {
    expect(outcomeOf(202, receipt, null)).toEqual({ kind: "received", receipt: "0a1b" });
    expect(outcomeOf(200, "<html>", null)).toEqual({ kind: "away" });
    expect(outcomeOf(202, "{}", null)).toEqual({ kind: "away" });
  });

  it("tells waiting, faults of the form and outages apart", () => {
    expect(outcomeOf(429, "", "12")).toEqual({ kind: "busy", seconds: 12 });
    expect(outcomeOf(429, "", null)).toEqual({ kind: "busy", seconds: 60 });
    expect(outcomeOf(422, '{"title":"x","detail":"say where"}', null)).toEqual({ kind: "refused", detail: "say where" });
    expect(outcomeOf(409, "", null)).toEqual({ kind: "conflict" });
    expect([500, 502, 503, 504].map((status) => outcomeOf(status, "", null).kind)).toEqual(["away", "away", "away", "away"]);
    expect([401, 403, 404, 405].map((status) => outcomeOf(status, "", null).kind)).toEqual(["closed", "closed", "closed", "closed"]);
  });
});

describe("languages", () => {
  it("follow the address, then the browser, then English", () => {
    expect(chooseLanguage("?lang=de", ["en-GB"])).toBe("de");
    expect(chooseLanguage("?lang=xx", ["fr-CH", "de-CH", "en"])).toBe("de");
    expect(chooseLanguage("", ["fr"])).toBe("en");
  });

  it("have the same sentences and kinds", () => {
    const names = (value: unknown, path = ""): string[] =>
      value && typeof value === "object" ? Object.entries(value).flatMap(([name, inner]) => names(inner, `${path}.${name}`)) : [path];
    for (const language of LANGUAGES) expect(names(STRINGS[language])).toEqual(names(STRINGS.en));
  });

  it("have the same gaps", () => {
    const gaps = (value: unknown): string[] => JSON.stringify(value).match(/\{(n|who)\}/g) ?? [];
    for (const language of LANGUAGES) expect(gaps(STRINGS[language])).toEqual(gaps(STRINGS.en));
    expect(busyWords(STRINGS.en, 42).text).toContain("42 seconds");
    expect(busyWords(STRINGS.en, 91).text).toContain("2 minutes");
    expect(busyWords(STRINGS.de, 600).text).toContain("10 Minuten");
  });
});

describe("who runs it", () => {
  it("is taken from site.json as far as it is text", () => {
    const site = siteOf({ name: " Korvenau ", contact: 7, privacy_url: "javascript:alert(1)", imprint_url: "/imprint.html", form: { intro: { de: "Hallo", en: 3 }, kinds: [{ code: "well", en: "Well" }, { code: "No good" }] } });
    expect(site).toEqual({ name: "Korvenau", logo: "", contact: "", privacy_url: "", imprint_url: "/imprint.html", form: { intro: { de: "Hallo", en: "" }, kinds: [{ code: "well", en: "Well" }] } });
    for (const nothing of [null, [], "x", {}]) expect(siteOf(nothing).form.kinds).toEqual([]);
  });

  it("is reached by what the contact is", () => {
    expect(["town@example.org", "+423 000 00 00", "https://example.org/contact", "Room 4, first floor"].map(contactLink)).toEqual(["mailto:town@example.org", "tel:+4230000000", "https://example.org/contact", null]);
  });
});
