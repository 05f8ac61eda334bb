"""Visits of a report in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(
    (
        found
        for one in ("chromium", "chromium-browser", "google-chrome")
        if (found := shutil.which(one))
    ),
    None,
)
"""Path of the browser; None where there is none."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, for the tests that need it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


LAYOUT_FAULTS = """() => {
  const faults = [];
  const name = (one) => `${one.tagName.toLowerCase()}.${one.className.baseVal ?? one.className} in ${
    (one.closest('section, header, article, dialog, footer') || document.body).id || 'page'}`;
  const shown = (one) => one.checkVisibility({ visibilityProperty: true });
  const short = (text) => text.trim().replace(/\\s+/g, ' ').slice(0, 60);
  if (document.documentElement.scrollWidth > innerWidth) faults.push('the page is wider than the window');
  for (const one of document.querySelectorAll('main *')) {
    if (!shown(one) || one.closest('.visually-hidden, svg, .bar, option')) continue;
    const box = one.getBoundingClientRect();
    const inScroll = one.closest('.scroll, pre, .stack-frame');
    if (!inScroll && box.width && box.right > innerWidth + 1) faults.push(`beyond the window: ${name(one)}`);
    const style = getComputedStyle(one);
    const clips = style.overflowX === 'hidden' && one.scrollWidth > one.clientWidth + 1;
    if (clips) faults.push(`clipped: ${name(one)} ${short(one.textContent)}`);
  }
  for (const text of document.querySelectorAll('main svg text')) {
    if (!shown(text)) continue;
    const box = text.getBoundingClientRect();
    const frame = text.closest('svg').getBoundingClientRect();
    const clips = box.left < frame.left - 1 || box.right > frame.right + 1;
    if (clips) faults.push(`clipped in a chart: ${short(text.textContent)}`);
  }
  // A word of usual length is never broken, unless at a hyphen or another place made for it.
  const WORD = /(?<![\\p{L}\\p{N}_.\\/-])[A-Za-z]{2,13}(?![\\p{L}\\p{N}_.\\/-])/gu;
  const walker = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    const apart = 'svg, script, option, select, .visually-hidden, .mono, code, pre';
    if (!parent || parent.closest(apart) || !shown(parent)) continue;
    for (const found of node.data.matchAll(WORD)) {
      range.setStart(node, found.index);
      range.setEnd(node, found.index + found[0].length);
      const rows = new Set([...range.getClientRects()].map((one) => Math.round(one.top)));
      if (rows.size > 1) faults.push(`broken word: ${found[0]} in ${name(parent)}`);
    }
  }
  return [...new Set(faults)];
}"""
"""A script that returns what is clipped, overflows, or breaks a word, in words."""

_BAR = 72
"""Height in pixels that links leave free at the top: 4.5 rem."""
_TOP = """(address) => {
  const goal = document.getElementById(address.slice(1));
  const margin = parseFloat(getComputedStyle(goal).scrollMarginTop);
  const end = scrollY + innerHeight >= document.documentElement.scrollHeight - 2;
  return [goal.getBoundingClientRect().top - margin, end];
}"""
_AT_REST = """() => new Promise((done) => {
  let last = -1, still = 0;
  const look = () => {
    still = scrollY === last ? still + 1 : 0;
    last = scrollY;
    if (still > 8) done(); else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})"""

_AXE = """async () => {
  // Contrast takes most of the time: of parts with the same elements, classes and styles, four count.
  const seen = {};
  const style = (one) => one.tagName + ['class', 'style', 'fill'].map((name) => one.getAttribute(name));
  const nested = (one) => style(one.parentElement) + style(one);
  for (const one of document.querySelectorAll('tr, li, article, figure, details, svg, b, dl > div')) {
    if (one.parentElement.closest('[data-alike]')) continue;
    let above = '';
    for (let outer = one.parentElement; outer; outer = outer.parentElement) above += style(outer);
    const shape = above + [...new Set([one, ...one.querySelectorAll('*')].map(nested))].sort();
    seen[shape] = (seen[shape] ?? 0) + 1;
    if (seen[shape] > 4) one.dataset.alike = '';
  }
  const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
  const found = [
    await axe.run(document, {runOnly: tags, rules: {'color-contrast': {enabled: false}}}),
    await axe.run({exclude: [['[data-alike]']]}, {runOnly: ['color-contrast']}),
  ];
  return found.flatMap((all) => all.violations.map((one) => one.id + ' ' + one.nodes[0].html));
}"""
"""A script that returns what axe finds against WCAG 2.2, level AA."""


class Visit:
    """A page with its console messages and requests."""

    def __init__(self, browser: Any, path: Path, fragment: str = "", **context: Any) -> None:
        settings = {"viewport": {"width": 1280, "height": 900}} | context
        self.page = browser.new_context(**settings).new_page()
        self.messages: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.messages.append(message.text))
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri() + fragment)

    def cards(self) -> int:
        """How many failures are shown."""
        return int(self.page.locator(".card:visible").count())

    def address(self) -> str:
        """Asked of the page itself: the driver learns of a changed address a moment later."""
        return str(self.page.evaluate("location.href"))

    def open_details(self) -> None:
        """Opens everything that is folded."""
        self.page.evaluate(
            "for (const one of document.querySelectorAll('details')) one.open = true"
        )

    def layout_faults(self) -> list[str]:
        """What is clipped, overflows, or breaks a word."""
        found: list[str] = self.page.evaluate(LAYOUT_FAULTS)
        return found

    def accessibility_faults(self) -> list[str]:
        """What axe finds against WCAG 2.2, level AA; needs ``bypass_csp=True``."""
        source = files("axe_playwright_python").joinpath("axe.min.js")
        self.page.add_script_tag(content=source.read_text(encoding="utf-8"))
        found: list[str] = self.page.evaluate(_AXE)
        return found

    def is_at(self, address: str) -> bool:
        """Whether the page has come to rest where the address is, or at its end."""
        self.page.evaluate(_AT_REST)
        top, at_end = self.page.evaluate(_TOP, address)
        return abs(top - _BAR) <= 2 or (bool(at_end) and top > _BAR)

    def close(self) -> None:
        """Closes the page."""
        self.page.context.close()
