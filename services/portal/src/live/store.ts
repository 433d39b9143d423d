/** One store for the whole page; components read parts of it. */

import { useSyncExternalStore } from "react";

import { type Action, EMPTY, type LiveState, reduce } from "./reducer";

let state: LiveState = EMPTY;
const listeners = new Set<() => void>();
let isScheduled = false;

/** Apply an action now and tell the components once per frame, however many events a burst brings. */
export function dispatch(action: Action): void {
  const next = reduce(state, action);
  if (next === state) return;
  state = next;
  if (isScheduled) return;
  isScheduled = true;
  setTimeout(() => {
    isScheduled = false;
    for (const listener of listeners) listener();
  }, 16);
}

export const snapshot = (): LiveState => state;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useLive<T>(select: (state: LiveState) => T): T {
  return useSyncExternalStore(subscribe, () => select(state));
}
