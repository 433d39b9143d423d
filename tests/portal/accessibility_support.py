"""What is looked for in any page: names of controls, contrast of texts, order of headings, references that lead somewhere."""

from __future__ import annotations

from playwright.sync_api import Page

# Controls that a screen reader would announce without a name.
NAMELESS = """() => [...document.querySelectorAll("button, a[href], input, select, textarea, [role=tab]")]
  .filter((element) => element.offsetParent)
  .filter((element) => !(element.getAttribute("aria-label") || element.innerText?.trim() || element.labels?.[0]?.innerText.trim()))
  .map((element) => element.outerHTML.slice(0, 120))"""
# WCAG contrast of text against the nearest opaque background.
PALE = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const pale = [];
  for (const element of document.querySelectorAll("p, a, span, b, h1, h2, h3, th, td, dt, dd, label, button, li, legend, summary")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.offsetParent || element.closest(".map, .visually-hidden, :disabled")) continue;
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) pale.push(`${ratio.toFixed(2)} ${element.outerHTML.slice(0, 100)}`);
  }
  return pale;
}"""
# Ids that are there twice, references to ids that are not there, headings that skip a level, a page without language or title.
BROKEN = """() => {
  const found = [];
  const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
  for (const id of new Set(ids)) if (ids.filter((other) => other === id).length > 1) found.push(`twice: ${id}`);
  for (const name of ["for", "aria-describedby", "aria-labelledby", "aria-controls"])
    for (const element of document.querySelectorAll(`[${name}]`))
      for (const id of element.getAttribute(name).split(/\\s+/))
        if (!document.getElementById(id)) found.push(`${name} leads nowhere: ${id}`);
  let level = 0;
  for (const heading of document.querySelectorAll("h1, h2, h3, h4")) {
    const own = Number(heading.tagName[1]);
    if (own > level + 1) found.push(`h${level} is followed by h${own}: ${heading.innerText}`);
    level = own;
  }
  if (document.querySelectorAll("h1").length !== 1) found.push("not one h1");
  if (document.querySelectorAll("main").length !== 1) found.push("not one main");
  if (!document.documentElement.lang || !document.title) found.push("no language or no title");
  for (const image of document.querySelectorAll("img")) if (!image.hasAttribute("alt")) found.push(`no alt: ${image.src}`);
  return found;
}"""
# Lines and controls that stick out of the window, as on a telephone.
WIDE = """() => [...document.querySelectorAll("body *")]
  .filter((element) => element.offsetParent && !element.closest(".skip, .visually-hidden"))
  .filter((element) => element.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5)
  .map((element) => element.outerHTML.slice(0, 100))"""
# What a finger has to hit: 24 pixels high or standing alone in its line of text (WCAG 2.5.8).
SMALL = """() => [...document.querySelectorAll("button, a[href], input, select, textarea")]
  .filter((element) => element.offsetParent && !element.closest(".skip"))
  .filter((element) => element.getBoundingClientRect().height < 24 && getComputedStyle(element).display !== "inline")
  .map((element) => element.outerHTML.slice(0, 100))"""


def complaints_about(page: Page) -> list[str]:
    """Everything that these checks find in a page as it is now."""
    return [f"{name}: {found}" for name, check in CHECKS.items() for found in page.evaluate(check)]


CHECKS = {"nameless": NAMELESS, "pale": PALE, "broken": BROKEN, "wide": WIDE, "small": SMALL}
