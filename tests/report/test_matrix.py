"""Reports of every size, in every kind of window, in a real browser.

Each report and each window has several properties. `CHOSEN` covers nearly all pairs of the properties of
a report, and the windows rotate so that each report meets all of them once; ``make exhaustive`` tests
all combinations.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest
from builders.browser_visits import CHROMIUM, Visit
from builders.varied_runs import NAMES, Size, varied_run

from auditor.report import gallery
from auditor.report.renderers.html import HtmlReport
from auditor.report.view.report_view import build_view

pytest.importorskip("playwright.sync_api")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]

WIDTHS = (390, 768, 1280, 1920)
SCHEMES = ("light", "dark", "print")
MOTIONS = ("no-preference", "reduce")
MANY = 60
"""Stands for 20,000 failures where a page has at most 50."""
SEVERAL = 150
"""Stands for 1000 classes: lists and filters show at most 60 of them."""
SOME = 12
"""Stands for 40 attributes: no list shows that many in another way."""
CHOSEN = (
    Size(0, 2, SOME, "mixed"),
    Size(0, SEVERAL, 0, "ordinary"),
    Size(1, SEVERAL, 0, "mixed"),
    Size(1, 2, 0, "ordinary"),
    Size(500, 2, 0, "mixed"),
    Size(MANY, 2, SOME, "ordinary"),
)
ALL = tuple(
    Size(*one) for one in product((0, 1, 500, 20_000), (2, 1000), (0, 40), ("ordinary", *NAMES))
)


def rendered(folder: Path, size: Size) -> Path:
    run = varied_run(folder / "run", size)
    view = build_view(run)
    assert len(view.failures) == size.failures
    return HtmlReport().render(view, run.path)


def use(visit: Visit, width: int, scheme: str, motion: str) -> None:
    """Changes the window."""
    visit.page.set_viewport_size({"width": width, "height": 900})
    printed = scheme == "print"
    visit.page.emulate_media(
        media="print" if printed else "screen",
        color_scheme="light" if printed else scheme,
        reduced_motion=motion,
    )


def missed_anchors(visit: Visit, some: slice) -> list[str]:
    """Links of the bar that do not lead to their section, from both ends of the page."""
    links = visit.page.evaluate("[...document.querySelectorAll('.bar a')].map((one) => one.hash)")
    missed = []
    for place, address in enumerate(links[some]):
        start = "0" if place % 2 else "document.documentElement.scrollHeight"
        visit.page.evaluate(f"scrollTo({{top: {start}, behavior: 'instant'}})")
        visit.page.evaluate(f"document.querySelector('.bar a[href=\"{address}\"]').click()")
        if not visit.is_at(address):
            missed.append(f"not reached: {address}")
    return missed


def opened(browser: Any, path: Path) -> Visit:
    pytest.importorskip("axe_playwright_python")
    visit = Visit(browser, path, bypass_csp=True)
    visit.page.wait_for_function("document.documentElement.classList.contains('ready')")
    visit.open_details()
    return visit


def outside(visit: Visit, path: Path) -> list[str]:
    """Requests to anything but the report, and messages in the console."""
    others = [one for one in visit.requests if not one.startswith("data:")]
    return [*others[1:], *visit.messages] if others[:1] == [path.as_uri()] else others


@pytest.mark.parametrize("k", range(len(CHOSEN)), ids=[str(one) for one in CHOSEN])
def test_report_of_any_size_is_whole_in_any_window(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, k: int
) -> None:
    if CHOSEN[k].failures == MANY:
        monkeypatch.setattr(gallery, "GALLERY_LIMIT", 50)
        monkeypatch.setattr(gallery, "FIRST_PAGE", 20)
    path = rendered(tmp_path, CHOSEN[k])
    visit = opened(browser, path)
    faults: dict[Any, list[str]] = {}
    for j, width in enumerate(WIDTHS):
        window = width, SCHEMES[(j + k) % 3], MOTIONS[(j // 2 + k) % 2]
        use(visit, *window)
        found = visit.layout_faults()
        if window[1] != "print":
            found += missed_anchors(visit, slice((j + k) % 5, None, 5))
        faults[window] = found
    window = WIDTHS[k % 4], SCHEMES[k // 2 % 2], MOTIONS[k % 2]
    use(visit, *window)
    faults[window] = [*faults.get(window, []), *visit.accessibility_faults()]
    faults["all"] = outside(visit, path)
    visit.close()
    assert {window: found for window, found in faults.items() if found} == {}


@pytest.mark.exhaustive
@pytest.mark.parametrize("size", ALL, ids=map(str, ALL))
def test_every_report_is_whole_in_every_window(browser: Any, tmp_path: Path, size: Size) -> None:
    path = rendered(tmp_path, size)
    visit = opened(browser, path)
    faults: dict[Any, list[str]] = {}
    for width, scheme, motion in product(WIDTHS, SCHEMES, MOTIONS):
        use(visit, width, scheme, motion)
        found = visit.layout_faults()
        if scheme == "light":  # colours move nothing
            found += missed_anchors(visit, slice(None))
        if scheme != "print" and motion == "reduce":  # axe does not look at motion
            found += visit.accessibility_faults()
        faults[width, scheme, motion] = found
    faults["all"] = outside(visit, path)
    visit.close()
    assert {window: found for window, found in faults.items() if found} == {}
