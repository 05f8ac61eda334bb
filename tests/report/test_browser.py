"""The page in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from builders.synthetic_run import Plan, build_run

from auditor.report import gallery
from auditor.report.renderers.html import HtmlReport
from auditor.report.view.report_view import build_view
from auditor.run_folder import RunFolder

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = next(
    (
        found
        for one in ("chromium", "chromium-browser", "google-chrome")
        if (found := shutil.which(one))
    ),
    None,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(run_folder: RunFolder) -> Path:
    return HtmlReport().render(build_view(run_folder), run_folder.path)


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
        return int(self.page.locator(".card:visible").count())

    def address(self) -> str:
        # Asked of the page itself: the driver learns of a changed address a moment later.
        return str(self.page.evaluate("location.href"))

    def close(self) -> None:
        self.page.context.close()


def test_page_loads_without_requests_or_messages(browser: Any, report: Path) -> None:
    visit = Visit(browser, report)
    visit.page.evaluate("for (const one of document.images) one.loading = 'eager'")
    visit.page.wait_for_function("[...document.images].every((one) => one.complete)")
    broken = visit.page.evaluate("[...document.images].filter((one) => !one.naturalWidth).length")
    assert broken == 0
    assert visit.messages == []
    assert [one for one in visit.requests if not one.startswith("data:")] == [report.as_uri()]
    visit.close()


def test_filters_count_failures_and_change_the_address(browser: Any, report: Path) -> None:
    visit = Visit(browser, report)
    everything = visit.cards()
    visit.page.select_option("[data-filter=label]", "0")
    some = visit.cards()
    assert 0 < some < everything
    assert visit.page.inner_text("#failure-count") == f"{some} of {everything} failures"
    address = visit.address()
    visit.close()
    again = Visit(browser, report, "#" + address.partition("#")[2])
    assert again.cards() == some
    again.page.click("#reset")
    assert again.cards() == everything
    again.close()


def test_cell_of_the_confusion_matrix_filters_its_images(browser: Any, report: Path) -> None:
    visit = Visit(browser, report)
    cell = visit.page.locator(".matrix a").first
    number = cell.evaluate("(link) => parseInt(link.firstChild.textContent)")
    cell.click()
    visit.page.wait_for_function("location.hash.startsWith('#where:')")
    assert visit.cards() == number
    visit.close()


def test_failure_is_enlarged_by_keyboard_and_by_address(browser: Any, report: Path) -> None:
    visit = Visit(browser, report)
    visit.page.locator(".card .open").first.focus()
    visit.page.keyboard.press("Enter")
    viewer = visit.page.locator("#viewer")
    assert viewer.is_visible()
    first = visit.address()
    assert "#sample-" in first
    visit.page.keyboard.press("ArrowRight")
    assert visit.address() != first
    visit.page.keyboard.press("ArrowLeft")
    assert visit.address() == first
    text = visit.page.inner_text("#viewer-alt")
    assert text.startswith("Grad-CAM for")
    assert "of it lies in" in text
    visit.page.keyboard.press("Escape")
    assert not viewer.is_visible()
    assert visit.page.evaluate("document.activeElement.classList.contains('open')")
    visit.close()
    again = Visit(browser, report, "#" + first.partition("#")[2])
    assert again.page.locator("#viewer").is_visible()
    assert again.messages == []
    again.close()


def test_slices_are_filtered_and_sorted(browser: Any, report: Path) -> None:
    visit = Visit(browser, report)
    visit.page.select_option("[data-slice=sort]", "gap")
    visit.page.select_option("[data-slice=type]", "1")
    rows = visit.page.locator("#slice-table tbody tr:visible")
    gaps = rows.evaluate_all("(all) => all.map((one) => Number(one.dataset.gap))")
    assert len(gaps) == 6
    assert gaps == sorted(gaps, reverse=True)
    visit.close()


def test_page_is_readable_without_javascript(browser: Any, report: Path) -> None:
    visit = Visit(browser, report, java_script_enabled=False)
    assert visit.page.locator(".finding").count() == 5
    assert visit.page.locator(".card").first.is_visible()
    assert visit.page.locator("#failure-filters").is_hidden()
    visit.page.click("label[for=map-image]")
    assert visit.page.locator(".card .pane-image").first.is_visible()
    assert visit.page.locator(".card .pane-cam-predicted").first.is_hidden()
    visit.close()


@pytest.mark.parametrize("width", [390, 1280, 1920])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_accessibility_violation(
    browser: Any, report: Path, width: int, scheme: str
) -> None:
    pytest.importorskip("axe_playwright_python")
    visit = Visit(
        browser,
        report,
        viewport={"width": width, "height": 900},
        color_scheme=scheme,
        bypass_csp=True,
    )
    assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    for enlarged in (False, True):
        if enlarged:
            visit.page.locator(".card .open").first.click()
        visit.page.add_script_tag(content=axe)
        found = visit.page.evaluate(
            "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']})"
            ".then((all) => all.violations.map((one) => one.id + ' ' + one.nodes[0].html))"
        )
        assert found == []
    visit.close()


@pytest.mark.parametrize("width", [390, 1280])
def test_hostile_names_do_not_break_the_page(
    browser: Any, hostile_run: RunFolder, width: int
) -> None:
    path = HtmlReport().render(build_view(hostile_run), hostile_run.path)
    visit = Visit(browser, path, viewport={"width": width, "height": 900})
    visit.page.locator(".card .open").first.click()
    assert visit.page.locator("#viewer").is_visible()
    assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert visit.messages == []
    visit.close()


def test_many_failures_are_divided_into_pages(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery, "GALLERY_LIMIT", 40)
    monkeypatch.setattr(gallery, "FIRST_PAGE", 10)
    monkeypatch.setattr(gallery, "FURTHER_PAGE", 30)
    run = build_run(tmp_path / "run", Plan(samples=500, side=32, drawn=10))
    view = build_view(run)
    path = HtmlReport().render(view, run.path)
    n = len(view.failures)
    assert len(list((run.path / "failures").iterdir())) == -(-(n - 10) // 30)
    visit = Visit(browser, path)
    assert visit.cards() == 10
    visit.page.select_option("[data-filter=label]", "1")
    here = visit.cards()
    places = visit.page.locator("#other-pages a")
    counts = [int(one.split("(")[1][:-1]) for one in places.all_inner_texts()]
    assert here + sum(counts) == sum(
        one.label == view.confusion.classes[1] for one in view.failures
    )
    places.first.click()
    visit.page.wait_for_url("**/failures/page-2.html*")
    assert visit.cards() == counts[0]
    assert visit.messages == []
    visit.close()
