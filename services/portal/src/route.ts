/** Views by hash: `#/letters/<id>?state=review`. */

import { useSyncExternalStore } from "react";

export const VIEWS = ["map", "review", "letters", "datasets", "quality", "request"] as const;
export type View = (typeof VIEWS)[number];

export interface Route {
  view: View | null;
  id: string | null;
  query: URLSearchParams;
}

export function parseHash(hash: string): Route {
  const [path = "", search = ""] = hash.replace(/^#\/?/, "").split("?");
  const [first = "", second = ""] = path.split("/");
  const view = first === "" ? "map" : (VIEWS.find((name) => name === first) ?? null);
  let id: string | null = null;
  try {
    id = second ? decodeURIComponent(second) : null;
  } catch {
    id = null; // a half-typed escape is no id
  }
  return { view, id, query: new URLSearchParams(search) };
}

export function hrefOf(view: View, id?: string | null, query?: Record<string, string>): string {
  const search = query ? `?${new URLSearchParams(query).toString()}` : "";
  const path = id ? `${view}/${encodeURIComponent(id)}` : view === "map" ? "" : view;
  return `#/${path}${search}`;
}

let cached = { hash: "\0", route: parseHash("") };
function current(): Route {
  if (cached.hash !== location.hash) cached = { hash: location.hash, route: parseHash(location.hash) };
  return cached.route;
}

export function useRoute(): Route {
  return useSyncExternalStore((listener) => {
    addEventListener("hashchange", listener);
    return () => removeEventListener("hashchange", listener);
  }, current);
}
