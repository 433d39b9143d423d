/** What the landing page decides: states from answers, the sentence above them, and addresses from the page's own host. */

/** @typedef {"asking" | "up" | "down" | "off" | "unknown"} State */

/** @type {Record<State, string>} */
export const WORDS = { asking: "asking", up: "up", down: "down", off: "off", unknown: "not known" };

/**
 * The state of a service from the status of /up/<service>; null stands for no answer from this very server.
 * An optional service that the proxy cannot reach is switched off: its container does not exist.
 * @param {number | null} status
 * @param {boolean} isOptional
 * @returns {State}
 */
export function stateOf(status, isOptional) {
  if (status === null) return "unknown";
  if (status === 200) return "up";
  return isOptional && (status === 502 || status === 504) ? "off" : "down";
}

/**
 * One sentence about all services.
 * @param {{ name: string, state: State }[]} services
 * @returns {string}
 */
export function summaryOf(services) {
  if (services.some(({ state }) => state === "asking")) return "Asking what runs";
  if (services.some(({ state }) => state === "unknown")) return "This server does not answer; asking again";
  const down = services.filter(({ state }) => state === "down").map(({ name }) => name);
  if (down.length === 0) return "Everything runs";
  if (down.length > 3) return `${down.length} services do not answer`;
  return `${new Intl.ListFormat("en-GB").format(down)} ${down.length === 1 ? "does" : "do"} not answer`;
}

/**
 * The address of a path on a sub-domain, null where the page was opened by an IP address, which has none.
 * @param {{ protocol: string, host: string, hostname: string }} location
 * @param {string} name
 * @param {string} path
 * @returns {string | null}
 */
export function addressOn(location, name, path) {
  const { protocol, host, hostname } = location;
  if (hostname.startsWith("[") || /^\d+(\.\d+){3}$/.test(hostname)) return null;
  return `${protocol}//${name}.${host}${path}`;
}

/**
 * Only paths of this host and http(s): a link shall not run anything.
 * @param {unknown} value
 * @returns {string}
 */
export function link(value) {
  return typeof value === "string" && /^(https?:\/\/|\/(?!\/))/.test(value.trim()) ? value.trim() : "";
}

/**
 * Where a contact leads to, if it is an e-mail address, a number or a link by itself.
 * @param {string} contact
 * @returns {string}
 */
export function contactLink(contact) {
  if (/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(contact)) return `mailto:${contact}`;
  if (/^\+?[\d\s()/-]{5,}$/.test(contact)) return `tel:${contact.replace(/[^\d+]/g, "")}`;
  return link(contact);
}
