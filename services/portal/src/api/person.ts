/** Who sits before the portal: behind the stack's door Caddy answers with the name, embedded the build's own file says that nobody has one. */

export interface Person {
  name: string;
  /** False behind a password of the browser's, which no button can take back. */
  can_log_out: boolean;
}

export const NOBODY: Person = { name: "", can_log_out: false };

export function personOf(answer: unknown): Person {
  const { name, can_log_out } = (answer ?? {}) as Partial<Person>;
  return { name: typeof name === "string" ? name : "", can_log_out: can_log_out === true };
}

export async function loadPerson(): Promise<Person> {
  try {
    const answer = await fetch(`${import.meta.env.BASE_URL}me.json`, { credentials: "same-origin" });
    return answer.ok ? personOf(await answer.json()) : NOBODY;
  } catch {
    return NOBODY; // the banner speaks of the lost connection
  }
}
