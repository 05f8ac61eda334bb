"""The page in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from builders.browser_visits import CHROMIUM, Visit
from builders.synthetic_run import Plan, build_run

from auditor.report import gallery
from auditor.report.renderers.html import HtmlReport
from auditor.report.view.report_view import build_view
from auditor.run_folder import RunFolder

pytest.importorskip("playwright.sync_api")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]


@pytest.fixture(scope="module")
def report(run_folder: RunFolder) -> Path:
    return HtmlReport().render(build_view(run_folder), run_folder.path)


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


def test_viewer_shows_probabilities_position_zoom_and_findings(browser: Any, report: Path) -> None:
    visit = Visit(browser, report)
    n = visit.cards()
    card = visit.page.locator(".card[data-finding]").first
    place = card.evaluate("(one) => [...one.parentElement.children].indexOf(one) + 1")
    stated = card.evaluate("(one) => Number(one.dataset.confidence)")
    card.locator(".open").click()
    assert visit.page.inner_text("#viewer-place") == f"{place} of {n}"
    shown = visit.page.locator(".probability").all_inner_texts()
    assert len(shown) == 2
    assert "(predicted)" in shown[0]
    assert f"{100 * stated:.1f}" in shown[0]
    width = "document.querySelector('#viewer-stack').getBoundingClientRect().width"
    before = visit.page.evaluate(width)
    visit.page.keyboard.press("+")
    visit.page.keyboard.press("+")
    assert visit.page.evaluate(width) == pytest.approx(2 * before, rel=0.05)  # without a scroll bar
    visit.page.keyboard.press("-")
    visit.page.keyboard.press("-")
    link = visit.page.locator("#viewer-facts a").first
    anchor = link.get_attribute("href")
    link.click()
    visit.page.wait_for_function(f"location.hash === '{anchor}'")
    assert not visit.page.locator("#viewer").is_visible()
    assert visit.messages == []
    visit.close()


def test_selected_failures_are_exported_as_csv(browser: Any, report: Path, tmp_path: Path) -> None:
    visit = Visit(browser, report)
    assert visit.page.locator("#pick-export").is_disabled()
    visit.page.locator(".card .pick input").first.check()
    visit.page.locator(".card .open").nth(2).click()
    visit.page.keyboard.press("s")
    assert visit.page.get_attribute("#viewer-pick", "aria-pressed") == "true"
    visit.page.keyboard.press("Escape")
    assert visit.page.inner_text("#picked-count") == "2 selected"
    with visit.page.expect_download() as download:
        visit.page.click("#pick-export")
    path = tmp_path / "failures.csv"
    download.value.save_as(path)
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.reader(stream))
    names = visit.page.locator(".card .sample").all_inner_texts()
    assert rows[0] == ["sample", "label", "predicted", "confidence", "cell", "line"]
    assert [row[0] for row in rows[1:]] == [names[0], names[2]]
    assert all(len(row) == 6 for row in rows)
    assert [one for one in visit.requests if not one.startswith(("data:", "blob:"))] == [
        report.as_uri()
    ]
    visit.close()


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


@pytest.mark.parametrize(  # colours depend on the scheme and layout on the width, not on both together
    ("width", "scheme"), [(390, "dark"), (1280, "light"), (1920, "dark")]
)
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
    for enlarged in (False, True):
        if enlarged:
            visit.page.locator(".card .open").first.click()
        assert visit.accessibility_faults() == []
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
