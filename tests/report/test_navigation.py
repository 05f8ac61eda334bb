"""Links of a report lead to their places, and nothing overflows, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from builders.browser_visits import CHROMIUM, Visit
from builders.synthetic_run import Plan, build_run
from builders.varied_runs import NAMES

from auditor.report import gallery
from auditor.report.renderers.html import HtmlReport
from auditor.report.view.report_view import build_view
from auditor.run_folder import RunFolder

pytest.importorskip("playwright.sync_api")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]


def rendered(folder: Path, failures: int) -> Path:
    """A report with so many failures."""
    plan = Plan(samples=max(300, 2 * failures), side=24, drawn=6, failures=failures)
    run = build_run(folder, plan)
    view = build_view(run)
    assert len(view.failures) == failures
    return HtmlReport().render(view, run.path)


@pytest.fixture(scope="module")
def of_failures(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Reports by their number of failures; each is made once."""
    folder = tmp_path_factory.mktemp("failures")
    return cache(lambda failures: rendered(folder / str(failures), failures))


@pytest.mark.parametrize(
    ("failures", "width", "motion"),
    [
        (0, 390, "no-preference"),
        (1, 1280, "reduce"),
        (300, 390, "reduce"),
        (300, 1280, "no-preference"),
    ],
)  # `test_matrix` has the other widths
def test_every_section_is_reached_from_both_ends_and_directly(
    browser: Any, of_failures: Callable[[int], Path], failures: int, width: int, motion: str
) -> None:
    path = of_failures(failures)
    size = {"width": width, "height": 900}
    visit = Visit(browser, path, viewport=size, reduced_motion=motion)
    visit.page.wait_for_function("document.documentElement.classList.contains('ready')")
    links = visit.page.evaluate("[...document.querySelectorAll('.bar a')].map((one) => one.hash)")
    assert len(links) == 12
    missed = []
    for place, address in enumerate(links):
        start = "0" if place % 2 else "document.documentElement.scrollHeight"
        visit.page.evaluate(f"scrollTo({{top: {start}, behavior: 'instant'}})")
        visit.page.evaluate(f"document.querySelector('.bar a[href=\"{address}\"]').click()")
        if not visit.is_at(address):
            missed.append(address)
    visit.close()
    for address in ("#slices", "#limits", "#glossary"):
        visit = Visit(browser, path, address, viewport=size, reduced_motion=motion)
        if not visit.is_at(address):
            missed.append(f"directly {address}")
        visit.close()
    assert missed == []


def test_sections_are_reached_where_the_failures_have_pages(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery, "GALLERY_LIMIT", 40)
    monkeypatch.setattr(gallery, "FIRST_PAGE", 20)
    path = rendered(tmp_path / "run", 60)
    visit = Visit(browser, path, "#maps")
    assert visit.is_at("#maps")
    visit.page.click(".bar a[href='#failures']")
    assert visit.is_at("#failures")
    visit.close()


@pytest.mark.parametrize("width", [390, 768, 1280, 1920])
def test_nothing_overflows_is_clipped_or_breaks_a_word(
    browser: Any, named_report: Path, report: Path, width: int
) -> None:
    for path in (report, named_report):
        visit = Visit(browser, path, viewport={"width": width, "height": 900})
        visit.open_details()
        assert visit.layout_faults() == []
        visit.close()


@pytest.fixture(scope="module")
def report(run_folder: RunFolder) -> Path:
    return HtmlReport().render(build_view(run_folder), run_folder.path)


@pytest.fixture(scope="module")
def named_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Names in several scripts, of emoji, and of 300 characters."""
    hebrew, arabic, chinese, emoji, one_word, words = NAMES.values()
    plan = Plan(
        samples=300,
        side=32,
        name=f"{hebrew} {emoji}",
        classes=(hebrew, one_word),
        attributes=(chinese, arabic),
        levels=((hebrew, emoji), (arabic, one_word, words)),
    )
    run = build_run(tmp_path_factory.mktemp("names") / "run", plan)
    return HtmlReport().render(build_view(run), run.path)
