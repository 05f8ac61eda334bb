from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from builders.small_runs import predictions, small_run

from auditor import resources
from auditor.report import documents
from auditor.report.fonts import fallback_families, missing_fonts_text
from auditor.report.pdf_document import require_weasyprint, write_pdf
from auditor.report.svg_text import texts_as_runs

pikepdf = pytest.importorskip("pikepdf")
NO_FONT = "\U000f5555"
"""A character for private use, which no font has."""


@pytest.mark.parametrize(
    ("characters", "packages", "named"),
    [
        ("世界", "`apt install fonts-noto-cjk`", "世 (U+4E16), 界 (U+754C)."),
        ("🦊", "`apt install fonts-noto-color-emoji`", "🦊 (U+1F98A)."),
        ("ሀ", "`apt install fonts-noto-core`", "ሀ (U+1200)."),
        ("ሀ한🦊", "`apt install fonts-noto-cjk fonts-noto-color-emoji fonts-noto-core`", "3 char"),
        ("一二三四五六", "`apt install fonts-noto-cjk`", "六 (U+516D), …."),
    ],
)
def test_missing_characters_are_named_with_the_package_to_install(
    characters: str, packages: str, named: str
) -> None:
    text = missing_fonts_text(characters + characters)
    assert packages in text
    assert named in text


def test_nothing_is_said_where_no_character_is_missing() -> None:
    assert missing_fonts_text("") == ""


def test_note_names_the_document_and_the_character(tmp_path: Path) -> None:
    run = small_run(tmp_path / "run", predictions(60), name=f"cells {NO_FONT}")
    written = documents.write(run, ["pdf", "json"])
    assert [path.name for path in written.paths] == ["report.pdf", "report.json"]
    (note,) = written.notes
    assert note.startswith("report.pdf: no installed font has 1 character of this report")
    assert "(U+F5555)" in note


def test_fallback_families_are_those_of_the_style_tokens() -> None:
    families = fallback_families()
    assert {"Noto Sans CJK SC", "Noto Sans Arabic", "Noto Sans Hebrew"} <= set(families)


def test_pdf_names_no_emoji_font_which_would_take_over_the_digits() -> None:
    style = (resources.folder("templates") / "pdf" / "fonts.css").read_text("utf-8")
    family = style[style.index("--sans:") :]
    assert "var(--fallbacks" in family
    assert not any("emoji" in name.lower() for name in (family, *fallback_families()))


def _glyphs(content: Any, resources_of_page: Any) -> str:
    """The glyphs that a page or a form of it draws, as hexadecimal digits in their order."""
    drawn = ""
    for operands, operator in pikepdf.parse_content_stream(content):
        if str(operator) == "TJ":
            texts = [one for one in operands[0] if isinstance(one, pikepdf.String)]
            drawn += "".join(bytes(one).hex() for one in texts)
        elif str(operator) == "Do":
            form = resources_of_page.XObject[str(operands[0])]
            if form.Subtype == "/Form":
                drawn += _glyphs(form, form.get("/Resources", resources_of_page))
    return drawn


def _drawn(body: str, path: Path, files: dict[str, tuple[bytes, str]] | None = None) -> str:
    page = f"<html lang='en'><title>t</title><style>* {{ font: 12px sans-serif }}</style>{body}"
    write_pdf(page, path, "t", files)
    with pikepdf.open(path) as document:
        (only,) = document.pages
        return _glyphs(only, only.Resources)


@pytest.mark.parametrize("text", ["שלום עולם", "site = שלום 3", "مرحبا", "plain"])
def test_label_of_a_chart_is_drawn_like_the_same_text_of_a_paragraph(
    text: str, tmp_path: Path
) -> None:
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="200" height="40"><text x="150" y="20" '
        f'style="font: 12px sans-serif; text-anchor: end">{text}</text></svg>'
    )
    chart = _drawn(
        "<img alt='a' src='run:chart'>",
        tmp_path / "chart.pdf",
        {"run:chart": (svg.encode(), "image/svg+xml")},
    )
    assert chart
    assert chart == _drawn(f"<p>{text}</p>", tmp_path / "text.pdf")


def test_weasyprint_is_as_before_after_an_exception() -> None:
    svg = require_weasyprint().svg
    before = svg.Node.text
    with texts_as_runs(svg):
        assert svg.Node.text is not before
    with suppress(KeyError), texts_as_runs(svg):
        raise KeyError
    assert svg.Node.text is before
