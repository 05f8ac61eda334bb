from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from builders.small_runs import CLASSES, predictions, small_run
from scipy.stats import binom
from statsmodels.stats.contingency_tables import mcnemar as independent_mcnemar
from statsmodels.stats.multitest import multipletests
from typer.testing import CliRunner

from auditor.cli import app
from auditor.comparison import compare
from auditor.comparison.compare import _changes
from auditor.comparison.documents import page, write
from auditor.comparison.pairing import Cut, Pairs
from auditor.comparison.records import Comparison, Pairing
from auditor.comparison.view import build_view, headline, name_of, signed
from auditor.errors import DataError, MissingDependencyError, OutputExistsError
from auditor.records import Effect, Finding, Severity, Skipped, SliceKey, Verdict
from auditor.run_folder import RunFolder

EXAMPLE = Path(__file__).parents[1] / "reports" / "example"
SITE = ["A", "A", "B", "B"] * 50


def runs(
    place: Path, wrong_before: Any = (), wrong_after: Any = (), **after: Any
) -> tuple[RunFolder, RunFolder]:
    return (
        small_run(
            place / "a", predictions(200, wrong_before, site=SITE), attributes=["site"], weights="a"
        ),
        small_run(
            place / "b",
            predictions(200, wrong_after, **({"site": SITE} | after)),
            attributes=["site"],
            weights="b",
        ),
    )


def finding(
    check: str = "performance-gap",
    severity: Severity = "warning",
    verdict: Verdict = "supported",
    key: SliceKey = SliceKey(attributes={"site": "A"}),  # noqa: B008 - frozen
    name: str = "F1",
) -> Finding:
    return Finding(
        id=name, check=check, title=f"{check} of {key}", severity=severity, verdict=verdict,
        slice=key, effect=Effect(name="gap", value=0.2, low=0.1, high=0.3), p_value=0.001,
        q_value=0.01, support=100, samples=[], statement="", action="", limits="",
    )  # fmt: skip


def test_changes_are_those_of_an_independent_mcnemar_test(tmp_path: Path) -> None:
    # site A (positions 0, 1, 4, 5, …): 16 broken, 3 fixed, 5 wrong in both; site B: 2 fixed.
    a = [k for k in range(200) if SITE[k] == "A"]
    b = [k for k in range(200) if SITE[k] == "B"]
    broken, fixed, both = a[:16], [*a[16:19], *b[:2]], a[19:24]
    found = compare(*runs(tmp_path, fixed + both, broken + both))
    assert (found.overall.broken, found.overall.fixed) == (16, 5)
    assert found.overall.change.value == pytest.approx((21 - 10) / 200)
    assert found.before.paired_accuracy.value == pytest.approx(0.95)
    assert found.after.paired_accuracy.value == pytest.approx(0.895)
    by_name = {name_of(one.slice): one for one in (found.overall, *found.slices)}
    assert set(by_name) == {
        "all samples", "label sound", "label broken", "site A", "site B", "site A · sound",
        "site A · broken", "site B · sound", "site B · broken",
    }  # fmt: skip
    site = by_name["site A"]
    assert (site.support, site.failures_before, site.failures_after) == (100, 8, 21)
    assert (site.broken, site.fixed, site.direction) == (16, 3, "worse")
    # Mid-p: the exact p-value less the probability of the table that was seen; 1 where both agree.
    for one in by_name.values():
        turned = one.broken + one.fixed
        exact = float(independent_mcnemar([[0, one.broken], [one.fixed, 0]], exact=True).pvalue)
        expected = 1.0 if one.broken == one.fixed else exact - binom.pmf(one.broken, turned, 0.5)
        assert one.p_value == pytest.approx(expected)
    names = list(by_name)
    adjusted = multipletests([by_name[name].p_value for name in names], method="fdr_bh")[1]
    assert [by_name[name].q_value for name in names] == pytest.approx(list(adjusted))
    assert found.rules.n_tests == 9
    assert {name_of(one.slice) for one in found.blocking} == {
        name for name, q in zip(names, adjusted, strict=True)
        if q <= 0.05 and by_name[name].change.value > 0
    }  # fmt: skip


def test_a_rise_that_was_called_acceptable_does_not_block(tmp_path: Path) -> None:
    one, two = runs(tmp_path, (), range(0, 200, 5))
    assert {name_of(each.slice) for each in compare(one, two, max_rise=0.19).blocking} >= {
        "all samples", "site A",
    }  # fmt: skip
    mild = compare(one, two, max_rise=0.2)
    assert mild.overall.direction == "worse"
    assert not mild.overall.blocks


def test_the_same_run_twice_says_that_nothing_turned(tmp_path: Path) -> None:
    one, _ = runs(tmp_path, range(10))
    found = compare(one, one)
    assert (found.broken, found.fixed, found.moved, found.differences) == ([], [], 0, [])
    assert not found.blocking
    told = headline(found)
    assert told.text == "No sample changed sides"
    assert "can't be ruled out" in told.reason
    assert found.remarks == ["Both runs audited the same weights."]


def test_the_example_run_compared_with_itself_is_sliced_by_its_own_attributes_only() -> None:
    run = RunFolder.open(EXAMPLE)
    found = compare(run, run)
    configured = run.read_result().provenance.config["data"]["attributes"]
    assert configured == ["mark", "stroke"]
    names = {name for one in found.slices for name in one.slice.attributes}
    assert names == set(configured)
    # 10 labels, 2 values each of mark and of stroke, each value within 10 labels, and the 2 by 2
    # intersections: 10 + (2 + 2) + (20 + 20) + 4 = 58. All of them hold at least 30 samples and are
    # tested, and so are all samples together.
    assert len(found.slices) == 58
    assert found.rules.n_tests == 59


def test_a_turned_sample_is_described_by_its_attributes_only(tmp_path: Path) -> None:
    found = compare(*runs(tmp_path, (), [0]))
    (turned,) = found.broken
    assert turned.attributes == {"site": "A"}
    assert found.pairing.other_attributes == 0


def test_other_measurements_of_the_same_images_are_no_other_attributes(tmp_path: Path) -> None:
    # Another release of the auditor may measure slightly different values.
    brightness = {"image.brightness": np.linspace(0.1, 0.9, 200)}
    assert compare(*runs(tmp_path, **brightness)).pairing.other_attributes == 0


def test_models_that_differ_by_chance_are_seldom_called_worse() -> None:
    rng = np.random.default_rng(11)
    n, blocked = 400, 0
    account = Pairing(
        n_paired=n, only_before=0, only_after=0, other_label=0, other_image=0,
        unusable_before=0, unusable_after=0, other_attributes=0, images_compared=True,
    )  # fmt: skip
    cuts = tuple(
        Cut(SliceKey(attributes={"site": str(k)}), np.arange(k, n, 8, dtype=np.int64))
        for k in range(8)
    )
    label = pd.Series(["x"] * n)
    for _ in range(400):
        sides = [
            pd.DataFrame({"label": label, "predicted": np.where(rng.random(n) < 0.2, "y", "x")})
            for _ in range(2)
        ]
        found = _changes(Pairs(sides[0], sides[1], cuts, account), 0.05, 20, 0.0)
        blocked += any(one.blocks for one in found)
    assert blocked <= 20  # half of the 5 % are for the worse: 10 expected, 20 at the outermost


def test_only_the_same_samples_are_compared_and_the_others_are_counted(tmp_path: Path) -> None:
    before = predictions(200, site=SITE)
    after = predictions(205, wrong=range(20), site=[*SITE, *"AAAAA"])
    after.loc[0, "label"] = "broken"  # relabelled
    after.loc[1, "sha256"] = "f" * 64  # another image
    after.loc[2, ["status", "predicted"]] = ["truncated", None]
    before.loc[3, ["status", "predicted"]] = ["missing", None]
    after.loc[4, "site"] = "B"
    after = after.drop(index=[5, 6]).sample(frac=1, random_state=3)
    found = compare(
        small_run(tmp_path / "a", before, attributes=["site"]),
        small_run(tmp_path / "b", after, attributes=["site"]),
    )
    assert found.pairing == Pairing(
        n_paired=194, only_before=2, only_after=5, other_label=1, other_image=1,
        unusable_before=1, unusable_after=1, other_attributes=1, images_compared=True,
    )  # fmt: skip
    assert {one.sample for one in found.broken} == {f"s{k:04d}" for k in (4, *range(7, 20))}
    (site,) = [one for one in found.slices if name_of(one.slice) == "site A"]
    # Positions 0, 1, 5 of site A are left out; 4 counts under its earlier value.
    assert (site.support, site.broken) == (97, len([k for k in (4, *range(7, 20)) if k % 4 < 2]))
    assert any("prediction in the earlier run only" in one for one in found.remarks)


def test_slices_too_small_are_not_tested_and_numbers_are_cut_as_the_earlier_run_did(
    tmp_path: Path,
) -> None:
    age = np.arange(200.0)
    before = predictions(200, age=age)
    after = predictions(60, age=age[:60])
    found = compare(
        small_run(tmp_path / "a", before, attributes=["age"]),
        small_run(tmp_path / "b", after, attributes=["age"]),
    )
    by_name = {name_of(one.slice): one for one in found.slices}
    assert by_name["age under 50"].support == 50
    assert by_name["age 50–99"].support == 10
    assert by_name["age 50–99"].direction == "untested"
    assert by_name["age 50–99"].p_value is None
    assert "age 100–149" not in by_name


def test_turned_samples_are_ranked_and_moved_ones_counted(tmp_path: Path) -> None:
    classes = ("x", "y", "z")
    before = pd.DataFrame(
        {
            "sample": list("abcde"), "path": list("abcde"), "label": ["x"] * 5,
            "predicted": list("xyyxx"), "confidence": 0.6, "loss": [0.1, 2.0, 3.0, 0.1, 0.1],
            "status": "ok", "sha256": "0",
        }
    )  # fmt: skip
    after = before.assign(predicted=list("yxzzx"), loss=[1.0, 0.1, 3.0, 4.0, 0.1])
    found = compare(
        small_run(tmp_path / "a", before, classes=classes),
        small_run(tmp_path / "b", after, classes=classes),
    )
    assert [one.sample for one in found.broken] == ["d", "a"]
    assert [one.sample for one in found.fixed] == ["b"]
    assert found.moved == 1
    row = next(one for one in found.classes if one.name == "x")
    assert row.recall_before is not None
    assert row.recall_after is not None
    assert (row.recall_before.value, row.recall_after.value) == (0.6, 0.4)
    assert row.precision_after is not None
    assert row.precision_after.value == 1.0


def test_findings_are_matched_by_check_and_slice_whatever_their_ids(tmp_path: Path) -> None:
    b = SliceKey(attributes={"site": "B"})
    table = predictions(60)
    before = small_run(
        tmp_path / "a", table,
        findings=[
            finding(name="F1", severity="alert"),
            finding(name="F2", key=b, severity="note"),
            finding("representation", name="F3"),
            finding("confusion-pairs", name="F4", key=SliceKey(label="sound", predicted="broken")),
            finding("label-association", name="F5"),
        ],
    )  # fmt: skip
    after = small_run(
        tmp_path / "b", table,
        findings=[
            finding("performance-gap", name="F1", key=b, severity="alert"),
            finding("label-association", name="F2", verdict="untestable"),
            finding(name="F3", severity="note"),
            finding("confusion-pairs", name="F4", key=SliceKey(label="broken", predicted="sound")),
        ],
        skipped=[Skipped(check="representation", reason="switched off in the configuration")],
    )  # fmt: skip
    found = compare(before, after).findings
    told = [
        (
            one.status,
            one.check,
            one.before.id if one.before else "",
            one.after.id if one.after else "",
        )
        for one in found
    ]
    assert told == [
        ("new", "confusion-pairs", "", "F4"),
        ("graver", "performance-gap", "F2", "F1"),
        ("stayed", "label-association", "F5", "F2"),
        ("milder", "performance-gap", "F1", "F3"),
        ("gone", "representation", "F3", ""),
        ("gone", "confusion-pairs", "F4", ""),
    ]
    cautions = {(one.status, one.check): one.caution for one in found}
    assert cautions["gone", "confusion-pairs"] is None
    assert "switched off" in str(cautions["gone", "representation"])
    assert cautions["stayed", "label-association"] == "the later run could not test it"


def test_what_differs_between_the_runs_is_told_by_its_place(tmp_path: Path) -> None:
    found = compare(*runs(tmp_path))
    assert [(one.place, one.before, one.after) for one in found.differences] == [
        ("model.sha256", "a" * 64, "b" * 64)
    ]


def test_an_altered_run_is_compared_but_told(tmp_path: Path) -> None:
    one, two = runs(tmp_path)
    path = two.path / "predictions.parquet"
    pd.read_parquet(path).assign(confidence=1.0).to_parquet(path)
    (remark,) = compare(one, two).remarks
    assert remark.startswith("The later run is not as the audit left it")


def test_runs_that_can_not_be_compared_are_refused(tmp_path: Path) -> None:
    one, _ = runs(tmp_path)
    other = predictions(40).replace({"broken": "cracked"})
    with pytest.raises(DataError, match="only before: broken; only after: cracked"):
        compare(one, small_run(tmp_path / "c", other, classes=("sound", "cracked")))
    strangers = predictions(40)
    strangers["sample"] = [f"t{k}" for k in range(40)]
    with pytest.raises(DataError, match="0 have the same id"):
        compare(one, small_run(tmp_path / "d", strangers))
    twice = pd.concat([predictions(40), predictions(1)])
    with pytest.raises(DataError, match="'s0000' is there more than once"):
        compare(one, small_run(tmp_path / "e", twice))
    turned = small_run(tmp_path / "f", predictions(200), classes=CLASSES[::-1])
    assert compare(one, turned).overall.broken == 0  # the same classes in another order


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


def test_the_page_shows_turned_images_and_reaches_nowhere(tmp_path: Path) -> None:
    one, two = runs(tmp_path, [10, 12], [20, 30, 31])
    found = compare(one, two)
    view = build_view(found, one, two)
    assert [len(each.panes) for each in view.broken.shown] == [2, 2, 2]  # image and one map
    assert view.broken.shown[0].panes[1].title == "After: Grad-CAM"
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


def test_hostile_names_are_harmless(tmp_path: Path) -> None:
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
                tmp_path / name, table, classes=("sound", hostile), attributes=["site"],
                name=hostile, findings=[finding(key=SliceKey(attributes={"site": hostile}))],
            )
        )  # fmt: skip
    shown = _Page(page(build_view(compare(*sides), *sides)))
    assert "script" not in shown.tags
    assert "alert(1)" in "".join(shown.texts)
    assert "49" not in re.findall(r"🦊(..)", "".join(shown.texts))


def test_the_documents_replace_an_earlier_comparison_and_nothing_else(tmp_path: Path) -> None:
    one, two = runs(tmp_path)
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


def test_without_pango_the_other_documents_are_written_and_no_old_pdf_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def typeset(*_: object) -> None:
        raise MissingDependencyError("install Pango")

    one, two = runs(tmp_path)
    place = tmp_path / "out"
    write(compare(one, two), one, two, place)
    monkeypatch.setattr("auditor.comparison.documents.typeset", typeset)
    written = write(compare(one, two), one, two, place)
    assert str(written.missing) == "install Pango"
    assert {path.name for path in place.iterdir()} == {"comparison.json", "comparison.html"}


def test_the_command_says_by_its_exit_code_whether_it_got_worse(tmp_path: Path) -> None:
    one, two = runs(tmp_path, (), range(0, 200, 5))
    command = CliRunner()
    out = ["--out", str(tmp_path / "out")]
    done = command.invoke(app, ["compare", str(one.path), str(two.path), *out])
    assert done.exit_code == 1, done.output
    assert "Worse on the whole" in done.stdout
    assert json.loads((tmp_path / "out" / "comparison.json").read_text())["overall"]["broken"] == 40
    back = command.invoke(app, ["compare", str(two.path), str(one.path), *out])
    assert back.exit_code == 0, back.output
    assert "Better on the whole" in back.stdout
    loose = ["--max-rise", "0.5"]
    done = command.invoke(app, ["compare", str(one.path), str(two.path), *out, *loose])
    assert done.exit_code == 0
    assert "within what was called acceptable" in done.stdout
    done = command.invoke(app, ["compare", str(one.path), str(tmp_path), *out])
    assert done.exit_code == 2


@pytest.mark.parametrize(
    ("change", "text"),
    [(0.0, "0"), (0.0004, "0"), (-0.005, "−0.5"), (0.025, "+2.5"), (0.0996, "+10"), (-0.4, "−40")],
)
def test_changes_are_written_with_their_sign(change: float, text: str) -> None:
    assert signed(change) == text
