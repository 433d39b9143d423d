import { describe, expect, it } from "vitest";

import { addressOn, contactLink, link, stateOf, summaryOf } from "../../landing/state.js";

describe("the landing page", () => {
  it("tells a service that is down from one that is switched off", () => {
    expect([200, 502, 504, 404, 500, null].map((status) => stateOf(status, false))).toEqual(["up", "down", "down", "down", "down", "unknown"]);
    expect([200, 502, 504, 404, 500, null].map((status) => stateOf(status, true))).toEqual(["up", "off", "off", "down", "down", "unknown"]);
  });

  it("says in one sentence what is wrong", () => {
    const all = (...down: string[]) => [{ name: "Portal", state: "up" as const }, { name: "BI page", state: "off" as const }, ...down.map((name) => ({ name, state: "down" as const }))];
    expect(summaryOf(all())).toBe("Everything runs");
    expect(summaryOf(all("Grafana"))).toBe("Grafana does not answer");
    expect(summaryOf(all("Grafana", "Prefect"))).toBe("Grafana and Prefect do not answer");
    expect(summaryOf(all("a", "b", "c"))).toBe("a, b and c do not answer");
    expect(summaryOf(all("a", "b", "c", "d"))).toBe("4 services do not answer");
    expect(summaryOf([...all("a"), { name: "b", state: "unknown" }])).toBe("This server does not answer; asking again");
    expect(summaryOf([...all("a"), { name: "b", state: "asking" }])).toBe("Asking what runs");
  });

  it("finds sub-domains from its own host, with its port", () => {
    const at = (url: string) => addressOn(new URL(url), "api", "/docs");
    expect(at("https://cartulary.example.org/")).toBe("https://api.cartulary.example.org/docs");
    expect(at("https://localhost:8443/")).toBe("https://api.localhost:8443/docs");
    expect([at("https://192.0.2.7/"), at("https://[2001:db8::1]/")]).toEqual([null, null]);
  });

  it("links to nothing that runs", () => {
    expect(["javascript:alert(1)", "//elsewhere", "data:text/html,x", 3, ""].map(link)).toEqual(["", "", "", "", ""]);
    expect(["/privacy.html", "https://example.org/x"].map(link)).toEqual(["/privacy.html", "https://example.org/x"]);
    expect(["town@example.org", "+423 000 00 00", "Room 4"].map(contactLink)).toEqual(["mailto:town@example.org", "tel:+4230000000", ""]);
  });
});
