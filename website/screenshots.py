"""Images of the report in ``reports/example``, for the documentation: ``python -m website.screenshots``."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "reports" / "example" / "report.html"
IMAGES = ROOT / "docs" / "images"

_WIDTH = 960
_COLOURS = 128
_MARGIN = 16

SHOTS: dict[str, tuple[str, int]] = {
    "finding": ("#findings article.finding >> nth=0", 900),
    "intervention": ("#findings article.finding >> nth=0 >> section.intervention >> nth=0", 700),
    "maps": ("#findings article.finding >> nth=0 >> .sample-row >> nth=0", 400),
    "slices": ("#slices", 720),
    "failures": ("#failures", 740),
    "trust": ("#maps", 720),
}
"""Name → selector of a part of the report, and its largest height in pixels."""


def main() -> None:
    """Writes all images."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": _WIDTH, "height": 900})
        page.goto(REPORT.as_uri())
        page.wait_for_timeout(500)
        _save(page.screenshot(), ROOT / "docs" / "report.png")
        page.add_style_tag(content="header.bar, nav { display: none !important; }")
        page.set_viewport_size(
            {"width": _WIDTH, "height": 4000}
        )  # loads images that are shown later
        for name, (selector, height) in SHOTS.items():
            _save(_part(page, selector, height), IMAGES / f"{name}.png")
        browser.close()


def _part(page: Any, selector: str, height: int) -> bytes:
    """The upper part of an element, with a margin."""
    part = page.locator(selector)
    part.scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    box = part.bounding_box()
    top = box["y"] + page.evaluate("scrollY")
    clip = {
        "x": max(box["x"] - _MARGIN, 0),
        "y": top - _MARGIN,
        "width": box["width"] + 2 * _MARGIN,
        "height": min(box["height"], height) + 2 * _MARGIN,
    }
    return bytes(page.screenshot(clip=clip, full_page=True))


def _save(screenshot: bytes, path: Path) -> None:
    """Writes a small PNG: a report has few colours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.open(io.BytesIO(screenshot)).convert("RGB")
    image.quantize(_COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main()
