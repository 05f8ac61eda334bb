"""``AuditResult``: its tables, its copies, and how a notebook shows it."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders.small_runs import predictions, small_run
from builders.synthetic_run import build_run

import auditor
from auditor import AuditResult
from auditor.errors import ConfigError, DataError, OutputExistsError
from auditor.records import Effect, Finding, SliceKey
from auditor.run_folder import RunFolder
from auditor.verification import verify

HOSTILE = "<script>alert(1)</script>\"'&"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A finished run of 640 drawn images."""
    return build_run(tmp_path_factory.mktemp("runs") / "run")


def finding(title: str, samples: list[str]) -> Finding:
    return Finding(
        id="F1",
        check="performance-gap",
        kind="outcome",
        title=title,
        severity="alert",
        verdict="supported",
        slice=SliceKey(attributes={"site": "A"}),
        effect=Effect(value=0.2, low=0.1, high=0.3, name="error-rate gap", unit="points"),
        p_value=0.001,
        q_value=0.01,
        support=40,
        statement=["It was observed."],
        action="Collect more.",
        limits="It is a gap.",
        samples=samples,
    )


def test_load_has_the_content_of_the_file_and_the_folder(run: RunFolder) -> None:
    result = AuditResult.load(str(run.path))
    assert result.model_dump_json() == run.read_result().model_dump_json()
    assert result.folder == run.path
    assert isinstance(result, auditor.AuditResult)


@pytest.mark.parametrize("run", [Path("nowhere"), "nowhere", 3, None], ids=repr)
def test_load_of_something_else_raises(run: object) -> None:
    with pytest.raises(DataError, match=r"expected the (path of the )?folder of a finished run"):
        AuditResult.load(run)  # type: ignore[arg-type]


def test_frame_predictions_is_the_file_by_sample(run: RunFolder) -> None:
    table = AuditResult.load(run.path).frame("predictions")
    stored = pd.read_parquet(run.path / "predictions.parquet")
    pd.testing.assert_frame_equal(table.reset_index(), stored)


def test_frame_failures_are_the_misclassified_samples_by_loss(tmp_path: Path) -> None:
    table = predictions(10, [2, 7, 5])
    table.loc[3, ["predicted", "confidence", "loss", "status"]] = [None, None, None, "missing"]
    result = AuditResult.load(small_run(tmp_path / "run", table).path)
    # The loss of failure k is 2.3 + k / 1000; a sample that was not evaluated is no failure.
    assert result.failures.index.tolist() == ["s0007", "s0005", "s0002"]
    assert len(result.predictions) == 10


def test_frame_findings_has_one_row_each(tmp_path: Path) -> None:
    store = small_run(tmp_path / "run", predictions(20, [2]), findings=[finding("a", ["s0002"])])
    (row,) = AuditResult.load(store.path).frame("findings").reset_index().to_dict("records")
    assert row == {
        "id": "F1",
        "severity": "alert",
        "verdict": "supported",
        "check": "performance-gap",
        "kind": "outcome",
        "title": "a",
        "slice": "site = A",
        "effect": "error-rate gap",
        "unit": "points",
        "value": 0.2,
        "low": 0.1,
        "high": 0.3,
        "p_value": 0.001,
        "q_value": 0.01,
        "support": 40,
        "samples": ("s0002",),
        "action": "Collect more.",
    }


def test_frame_slices_has_the_numbers_of_the_result(run: RunFolder) -> None:
    result = AuditResult.load(run.path)
    table = result.frame("slices")
    assert len(table) == len(result.slices)
    for row, one in zip(table.to_dict("records"), result.slices, strict=True):
        assert row["attributes"] == one.attributes
        assert (row["support"], row["n_failures"]) == (one.support, one.n_failures)
        if one.gap is None:
            assert np.isnan(row["gap"])
        else:
            assert (row["gap_low"], row["gap_high"]) == (one.gap.low, one.gap.high)


def test_frame_without_findings_has_its_columns(tmp_path: Path) -> None:
    result = AuditResult.load(small_run(tmp_path / "run", predictions(20)).path)
    assert "severity" in result.frame("findings").columns
    assert "gap" in result.frame("slices").columns
    assert result.failures.empty


def test_frame_of_another_name_raises(run: RunFolder) -> None:
    with pytest.raises(DataError, match=r"expected 'findings', 'slices', .*; got 'sample'"):
        AuditResult.load(run.path).frame("sample")  # type: ignore[arg-type]


def test_render_writes_documents_and_the_run_stays_intact(run: RunFolder, tmp_path: Path) -> None:
    result = AuditResult.load(AuditResult.load(run.path).save(tmp_path / "copy"))
    written = result.render(["json", "csv"])
    assert written
    assert all(path.exists() and path.is_relative_to(tmp_path) for path in written)
    assert [path.suffix for path in result.render("markdown")] == [".md"]
    assert verify(result.folder).ok
    with pytest.raises(ConfigError, match="got 'docx'"):
        result.render(["docx"])


def test_save_copies_the_run(run: RunFolder, tmp_path: Path) -> None:
    result = AuditResult.load(run.path)
    copy = AuditResult.load(result.save(tmp_path / "deep" / "copy"))
    assert copy.folder == tmp_path / "deep" / "copy"
    assert verify(copy.folder).seal == verify(run.path).seal
    with pytest.raises(OutputExistsError, match="contains a finished run"):
        result.save(copy.folder)
    result.save(copy.folder, overwrite=True)
    with pytest.raises(OutputExistsError, match="expected a folder outside of the run"):
        result.save(run.path, overwrite=True)
    with pytest.raises(OutputExistsError, match="expected a folder outside of finished runs"):
        result.save(run.path / "inside")


def test_result_of_a_removed_run_says_how_to_read_it_again(tmp_path: Path) -> None:
    store = small_run(tmp_path / "run", predictions(20, [2]), findings=[finding("a", ["s0002"])])
    result = AuditResult.load(store.path)
    shutil.rmtree(store.path)
    for call in (lambda: result.predictions, result.render, lambda: result.save(tmp_path / "x")):
        with pytest.raises(DataError, match="moved or removed: read it again with `AuditResult"):
            call()
    assert "<img" not in result._repr_html_()
    assert len(result.frame("findings")) == 1


def test_result_that_was_not_read_from_a_folder_has_its_own_tables(run: RunFolder) -> None:
    result = AuditResult.model_validate_json((run.path / "audit.json").read_text())
    assert len(result.frame("findings")) == len(result.findings)
    assert "Does not pass" in result._repr_html_()
    assert "Run folder" not in result._repr_html_()
    with pytest.raises(DataError, match=r"was not: use `AuditResult\.load`"):
        result.render()


class Tags(HTMLParser):
    """Collects the tags and the addresses."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href"}]


def test_repr_html_escapes_and_needs_nothing_else(tmp_path: Path) -> None:
    store = small_run(
        tmp_path / "run",
        predictions(20, [2]),
        findings=[finding(HOSTILE, ["s0001", "s0002"])],
        name=HOSTILE,
    )
    shown = AuditResult.load(store.path)._repr_html_()
    found = Tags(shown)
    assert "script" not in found.tags
    assert "&lt;script&gt;" in shown
    # The first sample with maps, as image and Grad-CAM.
    assert len(found.addresses) == 2
    assert all(one.startswith("data:image/jpeg;base64,") for one in found.addresses)
    assert 'alt="Image of s0002"' in shown
    assert not re.search(r"https?:|@import|url\(", shown)


def test_repr_html_shows_the_outcome_and_the_most_severe_findings_first(run: RunFolder) -> None:
    result = AuditResult.load(run.path)
    shown = result._repr_html_()
    assert "Does not pass" in shown
    levels = re.findall(r'class="level (\w+)"', shown)
    assert len(levels) == min(12, len(result.findings))
    assert levels == sorted(levels, key=["alert", "warning", "note"].index)
    assert result.findings[0].id in shown
