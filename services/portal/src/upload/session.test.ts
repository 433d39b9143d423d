import { describe, expect, it, vi } from "vitest";

import { Problem } from "../api/client";
import { needsSession, openSession, ownPath, pauseBeforeRetry } from "./session";

describe("the way of a file", () => {
  it("is a form up to what the gateway passes on, with the form around it", () => {
    expect([0, 5_000_000, 31_900_000, 32_000_000, 33_000_000, 2_000_000_000].map(needsSession)).toEqual([false, false, false, true, true, true]);
  });

  it("stays on our own origin, whatever host the address names", () => {
    expect(ownPath("https://api.example.org:8443/intake/abc_DEF-1")).toBe("/intake/abc_DEF-1");
    expect(ownPath("http://127.0.0.1:8600/intake/abc?part=1")).toBe("/intake/abc?part=1");
    expect(ownPath("/intake/abc")).toBe("/intake/abc");
  });
});

describe("an upload session", () => {
  const answer = (max_bytes: number) =>
    vi.fn(async (_path: string, _init: RequestInit) => Response.json({ id: "1", upload_url: "https://api.example.org/intake/t0k", expires_at: "", max_bytes }, { status: 201 }));

  it("is asked for with what the file is", async () => {
    const fetching = answer(50_000_000);
    vi.stubGlobal("fetch", fetching);
    await expect(openSession({ file_name: "a.pdf", purpose: "letter" }, 40_000_000)).resolves.toBe("/intake/t0k");
    const [path, init] = fetching.mock.calls[0]!;
    expect([path, init.method, JSON.parse(String(init.body))]).toEqual(["/v1/upload-sessions", "POST", { file_name: "a.pdf", purpose: "letter" }]);
    expect(init.headers).toMatchObject({ "X-Requested-With": "cartulary" });
  });

  it("spares sending what is too large anyway", async () => {
    vi.stubGlobal("fetch", answer(50_000_000));
    await expect(openSession({ file_name: "a.pdf", purpose: "letter" }, 60_000_001)).rejects.toThrow("The file has 61 MB; at most 50 MB are taken");
    await expect(openSession({ file_name: "a.pdf", purpose: "letter" }, 60_000_001)).rejects.toBeInstanceOf(Problem);
  });
});

describe("another attempt", () => {
  it("is made after broken connections and busy servers, three times and slower each time", () => {
    for (const status of [0, 408, 429, 500, 502, 503, 504]) expect([0, 1, 2, 3].map((failures) => pauseBeforeRetry(status, failures, true))).toEqual([1, 5, 20, null]);
    expect(pauseBeforeRetry(503, 0, true, 12)).toBe(12);
    expect(pauseBeforeRetry(503, 2, true, 12)).toBe(20);
  });

  it("takes a new address where the old one is used up or held", () => {
    for (const status of [401, 404, 409, 410]) {
      expect(pauseBeforeRetry(status, 0, true)).toBe(1);
      expect(pauseBeforeRetry(status, 0, false)).toBeNull();
    }
  });

  it("is not made where it would end the same way", () => {
    for (const status of [400, 403, 413, 422]) expect(pauseBeforeRetry(status, 0, true)).toBeNull();
  });
});
