from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from builders.compared_runs import SITE, compared_runs, finding, with_display_names
from builders.small_runs import predictions, small_run
from typer.testing import CliRunner

from auditor.cli import app
from auditor.comparison import compare, summary
from auditor.comparison.displayed import joint_names
from auditor.comparison.documents import markdown, page, write
from auditor.comparison.records import Comparison
from auditor.comparison.view import build_view
from auditor.errors import MissingDependencyError, OutputExistsError
from auditor.records import SliceKey
from auditor.records.display_names import DisplayNames


class _Page(HTMLParser):
    """Texts, images and addresses of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.alts: list[str] = []
        self.texts: list[str] = []
        self.tags: list[str] = []
        self.outside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attrs)
        self.alts += [values.get("alt") or ""] if tag == "img" else []
        for name in ("src", "href"):
            value = values.get(name) or "#"
            if not value.startswith(("#", "data:")):
                self.outside.append(value)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_page_shows_flipped_images_and_makes_no_request(tmp_path: Path) -> None:
    one, two = compared_runs(tmp_path, [10, 12], [20, 30, 31])
    found = compare(one, two)
    view = build_view(found, one, two)
    assert [len(each.panes) for each in view.broken.shown] == [2, 2, 2]  # image and one map
    assert [pane.title for pane in view.broken.shown[0].panes] == ["Image", "After: Grad-CAM"]
    assert view.fixed.shown[0].panes[1].title == "Before: Grad-CAM"
    assert (view.broken.total, view.fixed.total) == (3, 2)
    shown = _Page(page(view))
    assert len(shown.alts) == 10
    assert all(shown.alts)
    assert shown.outside == []
    assert "script" not in shown.tags
    assert "s0031" in shown.texts


def test_images_beyond_the_limit_are_listed_and_counted(tmp_path: Path) -> None:
    n = 600
    before = small_run(tmp_path / "a", predictions(n))
    after = small_run(tmp_path / "b", predictions(n, wrong=range(400)), images=60)
    view = build_view(compare(before, after), before, after)
    assert (len(view.broken.shown), len(view.broken.listed), view.broken.omitted) == (24, 200, 176)


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>\"'&\n\u202e🦊{{ 7*7 }}" + "x" * 300
    label = predictions(80)["label"].replace({"broken": hostile})
    sides = []
    for name, wrong in (("a", [0]), ("b", [1])):
        table = predictions(80, wrong, site=[hostile, "B"] * 40)
        table["predicted"] = table["predicted"].replace({"broken": hostile})
        table["label"] = label
        table.loc[:3, "sample"] = [hostile + str(k) for k in range(4)]
        sides.append(
            small_run(
                tmp_path / name,
                table,
                classes=("intact", hostile),
                name=hostile,
                findings=[finding(key=SliceKey(attributes={"site": hostile}))],
            )
        )
    shown = _Page(page(build_view(compare(*sides), *sides)))
    assert "script" not in shown.tags
    assert "alert(1)" in "".join(shown.texts)
    assert "49" not in re.findall(r"🦊(..)", "".join(shown.texts))


def test_documents_replace_an_earlier_comparison_and_nothing_else(tmp_path: Path) -> None:
    one, two = compared_runs(tmp_path)
    found = compare(one, two)
    place = tmp_path / "out"
    first = write(found, one, two, place)
    assert first.missing is None
    assert write(found, one, two, place) == first
    assert {path.name for path in place.iterdir()} == {
        "comparison.json", "comparison.html", "comparison.pdf",
    }  # fmt: skip
    assert Comparison.model_validate_json((place / "comparison.json").read_bytes()) == found
    with pytest.raises(OutputExistsError, match="something else"):
        write(found, one, two, one.path)


def test_without_pango_the_other_documents_are_written_and_an_old_pdf_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_pdf(*_: object) -> None:
        raise MissingDependencyError("install Pango")

    one, two = compared_runs(tmp_path)
    place = tmp_path / "out"
    write(compare(one, two), one, two, place)
    monkeypatch.setattr("auditor.comparison.documents.write_pdf", write_pdf)
    written = write(compare(one, two), one, two, place)
    assert str(written.missing) == "install Pango"
    assert {path.name for path in place.iterdir()} == {"comparison.json", "comparison.html"}


def test_version_1_run_is_compared_with_itself(example_v1: Path, tmp_path: Path) -> None:
    out = ["--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, ["compare", str(example_v1), str(example_v1), *out])
    assert done.exit_code == 0, done.output
    assert "findings: 7 unchanged" in done.stdout


def test_exit_code_of_the_command_follows_the_outcome(tmp_path: Path) -> None:
    one, two = compared_runs(tmp_path, (), range(0, 200, 5))
    command = CliRunner()
    out = ["--out", str(tmp_path / "out"), "--format", "json"]
    done = command.invoke(app, ["compare", str(one.path), str(two.path), *out])
    assert done.exit_code == 1, done.output
    assert "Worse overall" in done.stdout
    assert json.loads((tmp_path / "out" / "comparison.json").read_text())["overall"]["broken"] == 40
    back = command.invoke(app, ["compare", str(two.path), str(one.path), *out])
    assert back.exit_code == 0, back.output
    assert "Better overall" in back.stdout
    loose = ["--max-rise", "0.5"]
    done = command.invoke(app, ["compare", str(one.path), str(two.path), *out, *loose])
    assert done.exit_code == 0
    assert "within the acceptable rise" in done.stdout
    done = command.invoke(app, ["compare", str(one.path), str(tmp_path), *out])
    assert done.exit_code == 2


def test_formats_are_chosen_and_documents_of_others_removed(tmp_path: Path) -> None:
    one, two = compared_runs(tmp_path, [10], [20])
    command, place = CliRunner(), tmp_path / "out"
    given = ["compare", str(one.path), str(two.path), "--out", str(place)]
    for formats, names in (
        (["--format", "json, markdown"], {"comparison.json", "comparison.md"}),
        (["--format", "html", "--format", "markdown"], {"comparison.html", "comparison.md"}),
    ):
        done = command.invoke(app, [*given, *formats])
        assert done.exit_code == 0, done.output
        assert {path.name for path in place.iterdir()} == names
    wrong = command.invoke(app, [*given, "--format", "markdwn"])
    assert wrong.exit_code == 2
    assert "did you mean 'markdown'?" in wrong.output


def test_documents_use_display_names_and_json_the_names_of_the_data(tmp_path: Path) -> None:
    shown = {
        "classes": {"intact": "sound cell", "broken": "cracked cell"},
        "attributes": {"site": "factory"},
        "values": {"site": {"A": "Ulm"}},
    }
    later = {"classes": {"intact": "good cell"}, "values": {"site": {"A": "Ulm"}}}
    key = SliceKey(attributes={"site": "A"})
    table = predictions(200, range(0, 200, 4), site=SITE)
    one = with_display_names(small_run(tmp_path / "a", table, findings=[finding(key=key)]), shown)
    two = with_display_names(small_run(tmp_path / "b", predictions(200, [1], site=SITE)), later)
    found = compare(one, two)
    write(found, one, two, tmp_path / "out", ["json", "html", "markdown"])
    html, text = (
        (tmp_path / "out" / name).read_text() for name in ("comparison.html", "comparison.md")
    )
    for document in (html, text, summary(found)):
        assert "factory Ulm" in document
        assert "site A" not in document
    # Where both runs have a name, the later one counts.
    assert "| good cell | 100 |" in text
    assert "| cracked cell | 100 |" in text
    assert "for good cell" in "".join(_Page(html).alts)
    assert "factory <b>Ulm</b>" in html
    assert "intact" not in html.partition('id="differences"')[0]
    stored = Comparison.model_validate_json((tmp_path / "out" / "comparison.json").read_bytes())
    assert stored == found
    assert {one.name for one in stored.classes} == {"intact", "broken"}


def test_joint_names_shown_alike_are_those_of_the_later_run() -> None:
    one = DisplayNames(classes={"a": "cat"}, attributes={"x": "site"})
    two = DisplayNames(classes={"b": "cat"}, attributes={"y": "line"})
    assert joint_names(one, two) == DisplayNames(
        classes={"b": "cat"}, attributes={"x": "site", "y": "line"}
    )


def test_markdown_of_hostile_names_stays_text(tmp_path: Path) -> None:
    hostile = "<b>|`x`|"
    table = predictions(80, [0], site=[hostile, "B"] * 40)
    one, two = (small_run(tmp_path / name, table, name=hostile) for name in ("a", "b"))
    text = markdown(build_view(compare(one, two), one, two))
    assert "<b>" not in text
    assert r"&lt;b&gt;\|\`x\`\|" in text
