/** Brings the landing page to life: names and links of site.json, addresses of sub-domains, and what runs, asked again while somebody looks. */

import { addressOn, contactLink, link, stateOf, summaryOf, WORDS } from "./state.js";

const EVERY_MS = 15_000;
const PATIENCE_MS = 8_000;

/** @type {NodeListOf<HTMLElement>} */
const services = document.querySelectorAll("[data-up]");
const summary = /** @type {HTMLElement} */ (document.querySelector(".summary"));

/** @param {HTMLElement} service @param {import("./state.js").State} state */
function show(service, state) {
  const mark = service.querySelector(".state");
  if (!mark || service.dataset.state === state) return;
  service.dataset.state = state;
  mark.textContent = WORDS[state];
}

function summarize() {
  const text = summaryOf(
    [...services].map((service) => ({
      name: service.querySelector("h3")?.textContent ?? "",
      state: /** @type {import("./state.js").State} */ (service.dataset.state),
    })),
  );
  // Said aloud only when it changes.
  if (summary.textContent !== text) summary.textContent = text;
  summary.dataset.isWell = String(text === "Everything runs");
}

/** @param {HTMLElement} service */
async function ask(service) {
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), PATIENCE_MS);
  let status = null;
  try {
    status = (await fetch(`/up/${service.dataset.up}`, { cache: "no-store", signal: patience.signal })).status;
  } catch {
    // Not answered in time is the service's silence, everything else this server's.
    if (patience.signal.aborted) status = 504;
  } finally {
    clearTimeout(timer);
  }
  show(service, stateOf(status, service.classList.contains("is-optional")));
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let next;

async function askAll() {
  clearTimeout(next);
  if (document.hidden) return; // asked anew when somebody looks again
  await Promise.all([...services].map(ask));
  summarize();
  clearTimeout(next);
  next = setTimeout(() => void askAll(), EVERY_MS);
}

function writeAddresses() {
  /** @type {NodeListOf<HTMLAnchorElement>} */
  const links = document.querySelectorAll("a[data-host]");
  // Opened by an IP address the page has no sub-domains to lead to, and says so.
  /** @type {HTMLElement} */ (document.querySelector("[data-test=nameless]")).hidden = addressOn(location, "", "") !== null;
  for (const anchor of links) {
    const address = addressOn(location, anchor.dataset.host ?? "", anchor.getAttribute("href") ?? "/");
    if (address) anchor.href = address;
    else anchor.removeAttribute("href");
  }
  /** @type {NodeListOf<HTMLElement>} */
  const texts = document.querySelectorAll("[data-address], [data-address-host]");
  for (const code of texts) {
    const { address, addressHost } = code.dataset;
    if (address) code.textContent = location.origin + address;
    else if (addressOn(location, "", "")) code.textContent = `${addressHost}.${location.host}`;
  }
}

async function writeSite() {
  const answer = await fetch("site.json", { cache: "no-cache" });
  if (!answer.ok) return;
  /** @type {Record<string, unknown>} */
  const site = await answer.json();
  /** @param {string} name */
  const place = (name) => /** @type {HTMLElement} */ (document.querySelector(`[data-site="${name}"]`));
  /** @param {string} name */
  const text = (name) => (typeof site[name] === "string" ? site[name].trim() : "");
  if (text("name")) document.title = place("name").textContent = text("name");
  if (text("intro")) place("intro").textContent = text("intro");
  if (link(site.logo)) {
    const image = document.createElement("img");
    image.src = link(site.logo);
    image.alt = text("name");
    place("name").replaceChildren(image);
  }
  for (const name of ["privacy_url", "imprint_url"]) {
    const anchor = /** @type {HTMLAnchorElement} */ (place(name));
    anchor.hidden = !link(site[name]);
    anchor.href = link(site[name]);
  }
  const contact = text("contact");
  if (contact) {
    place("contact").hidden = false;
    place("contact").textContent = contactLink(contact) ? "Contact: " : `Contact: ${contact}`;
    if (contactLink(contact)) {
      const anchor = document.createElement("a");
      anchor.href = contactLink(contact);
      anchor.textContent = contact;
      place("contact").append(anchor);
    }
  }
}

for (const service of services) show(service, "asking");
writeAddresses();
writeSite().catch(() => undefined); // the page stands without names of its own
void askAll();
document.addEventListener("visibilitychange", () => void askAll());
