"""The site is built without a warning, and loads nothing from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from builders.browser_visits import CHROMIUM, Visit

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow
in_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, in a new folder."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


class _Loaded(HTMLParser):
    """Addresses that a browser loads for a page without a click."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "link" and given.get("rel") not in {"canonical", "next", "prev"}:
            self.addresses.append(given.get("href", ""))
        elif tag != "a":
            self.addresses += [given[name] for name in ("src", "srcset", "data") if name in given]


def _pages(site: Path) -> Iterator[Path]:
    return (path for path in site.rglob("*.html"))


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    addresses = set()
    for path in _pages(site):
        parser = _Loaded()
        parser.feed(path.read_text(encoding="utf-8"))
        addresses |= {(path.name, one) for one in parser.addresses}
    assert len(addresses) > 50
    assert not [one for one in addresses if re.match(r"(https?:)?//", one[1])]


def test_styles_load_nothing_from_elsewhere(site: Path) -> None:
    styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    assert not re.findall(r"(?:url\(|@import )\s*[\"']?(?:https?:)?//[^)]*", styles)


@in_a_browser
def test_search_works_in_a_folder_without_a_server(site: Path, browser: Any) -> None:
    visit = Visit(browser, site / "index.html")
    visit.page.keyboard.press("/")
    visit.page.locator(".md-search__input").press_sequentially("calibration")
    visit.page.locator(".md-search-result__item").first.wait_for()
    assert visit.page.locator(".md-search-result__item").count() >= 3
    assert all(one.startswith(("file:", "data:", "blob:")) for one in visit.requests)
    assert not visit.messages
    visit.close()


@in_a_browser
def test_pages_fit_a_telephone(site: Path, browser: Any) -> None:
    visit = Visit(browser, site / "index.html", viewport={"width": 390, "height": 800})
    wide = []
    for path in sorted(_pages(site)):
        visit.page.goto(path.as_uri())
        if visit.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wide.append(path.name)
    assert not wide
    assert all(one.startswith(("file:", "data:", "blob:")) for one in visit.requests)
    visit.close()
