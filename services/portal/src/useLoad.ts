/** Loads something when its key changes, and again on demand. */

import { useCallback, useEffect, useState } from "react";

import { Problem } from "./api/client";

export interface Loaded<T> {
  data: T | null;
  problem: Problem | null;
  isLoading: boolean;
  reload: () => void;
}

/** `load` is called for every new `key`; what was there before stays visible until the new answer comes. */
export function useLoad<T>(key: string, load: () => Promise<T>): Loaded<T> {
  const [state, setState] = useState<{ key: string; data: T | null; problem: Problem | null; isLoading: boolean }>({ key, data: null, problem: null, isLoading: true });
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    let isCurrent = true;
    setState((old) => ({ key, data: old.key === key ? old.data : null, problem: null, isLoading: true }));
    load().then(
      (data) => isCurrent && setState({ key, data, problem: null, isLoading: false }),
      (error: unknown) => isCurrent && setState((old) => ({ ...old, problem: error instanceof Problem ? error : new Problem(0, String(error), ""), isLoading: false })),
    );
    return () => {
      isCurrent = false;
    };
    // `load` is a new function on every render; `key` says when it means something else.
  }, [key, attempt]);
  const reload = useCallback(() => setAttempt((n) => n + 1), []);
  return { ...state, reload };
}
