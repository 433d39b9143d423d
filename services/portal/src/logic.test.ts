import { describe, expect, it } from "vitest";

import { Problem, problemOf, retryAfterSeconds, withQuery } from "./api/client";
import { address, count, distance, humanize, percent, sentence } from "./format";
import { hrefOf, parseHash } from "./route";
import { guessDataset, looksLikeData } from "./upload/purpose";
import { changedFields, type Fields, fieldsOf, keyAction } from "./views/reviewLogic";
import { missingFields, submissionBody, type SubmissionForm } from "./views/submission";

describe("formats", () => {
  it("never rounds a share to all or nothing", () => {
    expect([0, 0.004, 0.5, 0.996, 1, null].map(percent)).toEqual(["0 %", "1 %", "50 %", "99 %", "100 %", "–"]);
  });

  it("shows distances and counts", () => {
    expect([0.04, 0.734, 0.999, 1.25, 12.4, null].map(distance)).toEqual(["40 m", "730 m", "1.0 km", "1.3 km", "12 km", "–"]);
    expect(count(12345)).toBe("12,345");
  });

  it("puts addresses together from what is there", () => {
    expect(address({ street: "Kirchstrasse", housenumber: "2", postcode: "9494", city: "Schaan" })).toBe("Kirchstrasse 2, 9494 Schaan");
    expect(address({ street: "", city: "Schaan" })).toBe("Schaan");
    expect(humanize("post_office")).toBe("Post office");
  });

  it("leaves a reason's code out, and colons of the sentence in", () => {
    expect(sentence("house_unknown: The register has no number 27.")).toBe("The register has no number 27.");
    expect(sentence("Two fit: Vaduz and Schaan.")).toBe("Two fit: Vaduz and Schaan.");
  });
});

describe("routes", () => {
  it("reads back what it wrote", () => {
    expect(parseHash(hrefOf("letters", "a/b", { state: "review" }))).toMatchObject({ view: "letters", id: "a/b" });
    expect(parseHash(hrefOf("letters", null, { state: "review" })).query.get("state")).toBe("review");
    expect(parseHash(hrefOf("map", "x"))).toMatchObject({ view: "map", id: "x" });
    expect(parseHash("")).toMatchObject({ view: "map", id: null });
    expect(parseHash("#/nowhere").view).toBeNull();
    expect(parseHash("#/letters/%E0%A4%A").id).toBeNull();
  });
});

describe("the API client", () => {
  it("shows problem+json, and survives other bodies", () => {
    expect(problemOf(409, '{"title":"Conflict","detail":"Another body."}')).toMatchObject({ status: 409, title: "Conflict", detail: "Another body." });
    expect(problemOf(502, "<html>")).toBeInstanceOf(Problem);
    expect(problemOf(502, "<html>").title).toBe("HTTP 502");
  });

  it("waits as long as it is told, within reason", () => {
    expect([retryAfterSeconds("7"), retryAfterSeconds(null), retryAfterSeconds("Tue"), retryAfterSeconds("9999")]).toEqual([7, 5, 5, 60]);
  });

  it("leaves out parameters without a value", () => {
    expect(withQuery("/v1/letters", { state: null, cursor: "", limit: 5 })).toBe("/v1/letters?limit=5");
    expect(withQuery("/v1/letters", {})).toBe("/v1/letters");
  });
});

describe("files", () => {
  it("asks for the data set of data files only", () => {
    expect(["a.CSV", "areas.geojson", "scan.jpg", "letter.pdf"].map(looksLikeData)).toEqual([true, true, false, false]);
  });

  it("guesses the data set from the name", () => {
    const names = ["areas", "facilities", "address_points"];
    expect(guessDataset("Address-Points 2026.csv", names)).toBe("address_points");
    expect(guessDataset("area.csv", names)).toBe("areas");
    expect(guessDataset("people.csv", names)).toBeNull();
  });
});

describe("the review desk", () => {
  const before = fieldsOf({ sender_name: "A", street: "Hauptstr", housenumber: "1", postcode: "", city: "Lindenau", letter_date: "2026-02-01", facility_kind: null });
  const change = (more: Partial<Fields>) => changedFields(before, { ...before, ...more });

  it("sends only what changed, but an address as a whole", () => {
    expect(change({})).toEqual({});
    expect(change({ facility_kind: "school" })).toEqual({ facility_kind: "school" });
    expect(change({ housenumber: " 2 " })).toEqual({ street: "Hauptstr", housenumber: "2", city: "Lindenau" });
  });

  it("can empty a field, but not a date", () => {
    expect(change({ sender_name: "" })).toEqual({ sender_name: "" });
    expect(change({ letter_date: "" })).toEqual({});
  });

  it("knows its keys, and keeps quiet while somebody types", () => {
    const press = (key: string, more = {}) => ({ key, ctrlKey: false, metaKey: false, altKey: false, ...more });
    expect(keyAction(press("3"), null)).toEqual({ name: "pick", index: 2 });
    expect(keyAction(press("J"), { tagName: "BODY" })).toEqual({ name: "next" });
    expect(keyAction(press("a"), { tagName: "INPUT" })).toBeNull();
    expect(keyAction(press("a", { ctrlKey: true }), null)).toBeNull();
    expect(keyAction(press("Enter", { ctrlKey: true }), { tagName: "INPUT" })).toEqual({ name: "correct" });
    expect(keyAction(press("Escape"), { tagName: "INPUT" })).toEqual({ name: "leave" });
  });
});

describe("a typed request", () => {
  const form: SubmissionForm = { channel: "phone", requester_name: "", contact: "", street: " Main street ", housenumber: "", postcode: "", city: "Lindenau", facility_kind: "", message: "" };

  it("names what is missing", () => {
    expect(missingFields(form)).toEqual(["facility_kind"]);
  });

  it("is trimmed, without what nobody filled in", () => {
    expect(submissionBody({ ...form, facility_kind: "school" })).toEqual({ channel: "phone", street: "Main street", housenumber: "", postcode: "", city: "Lindenau", facility_kind: "school" });
  });
});
