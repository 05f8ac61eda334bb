"""Runs of schema version 1 are read as if they were of the present version."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from auditor.cli import app
from auditor.records import (
    AuditResult,
    ClaimRecord,
    Contingency,
    Finding,
    HeldFixed,
    Intervention,
    MapShift,
    Quantities,
    SampleGroups,
    SliceComparison,
    Table,
)
from auditor.records.version_1 import upgrade
from auditor.run_folder import RunFolder
from auditor.selftest import of_run
from auditor.verification import verify

Raw = dict[str, Any]


@pytest.fixture(scope="module")
def raw(example_v1: Path) -> Raw:
    loaded: Raw = json.loads((example_v1 / "audit.json").read_text(encoding="utf-8"))
    assert loaded["schema_version"] == 1
    return loaded


@pytest.fixture(scope="module")
def result(example_v1: Path) -> AuditResult:
    return RunFolder.open(example_v1).read_result()


def claims(raw: Raw, result: AuditResult) -> Iterator[tuple[Raw, Raw, ClaimRecord]]:
    """Each claim of version 1, its evidence, and what became of it."""
    for old, new in zip(raw["findings"], result.findings, strict=True):
        pieces = old["evidence"]["pieces"]
        yield old, {key: one for key, one in old["evidence"].items() if key != "pieces"}, new
        for piece, supporting in zip(pieces, new.supporting, strict=True):
            yield piece, piece, supporting


def test_claims_of_the_example_keep_their_fields(raw: Raw, result: AuditResult) -> None:
    n = 0
    for old, _, new in claims(raw, result):
        n += 1
        for name in ("check", "title", "severity", "verdict", "p_value", "q_value", "support"):
            assert getattr(new, name) == old[name]
        assert new.slice.model_dump() == old["slice"]
        assert (new.action, new.limits) == (old["action"], old["limits"])
        assert new.effect is not None
        assert new.effect.model_dump(exclude={"unit"}) == old["effect"]
        if "limit" in old:
            assert new.limit == old["limit"]
    assert n == 41  # 7 findings, of which two have 23 and 11 further claims


def test_findings_of_the_example_keep_their_samples(raw: Raw, result: AuditResult) -> None:
    assert [(one.id, one.samples) for one in result.findings] == [
        (one["id"], one["samples"]) for one in raw["findings"]
    ]


def test_statements_of_the_example_keep_their_sentences(raw: Raw, result: AuditResult) -> None:
    for old, _, new in claims(raw, result):
        held = [part.sentences for part in new.evidence if isinstance(part, HeldFixed)]
        text = " ".join((*new.statement, *(one for sentences in held for one in sentences)))
        appended = isinstance(new, Finding) and new.supporting
        assert Counter(text.split()) <= Counter(old["statement"].split())
        if not appended:
            assert Counter(text.split()) == Counter(old["statement"].split())
    first = result.findings[0]
    assert first.statement[0].startswith("Of 536 samples with mark = present, 19 % are called 8")
    assert first.statement[1:] == ["The gap is 15 points (95 % interval 11–18 points)."]


def leaves(value: Any) -> Iterator[Any]:
    """All numbers and texts in nested lists and dictionaries."""
    if isinstance(value, dict):
        for one in value.values():
            yield from leaves(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from leaves(one)
    elif isinstance(value, bool):
        yield "yes" if value else "no"
    elif value is not None:
        yield value


_NOT_EVIDENCE = frozenset(
    {
        *("check", "title", "slice", "effect", "limit", "p_value", "q_value", "support"),
        *("severity", "verdict", "statement", "action", "limits"),
    }
)


def test_no_evidence_of_the_example_is_lost(raw: Raw, result: AuditResult) -> None:
    for _, evidence, new in claims(raw, result):
        own = {key: one for key, one in evidence.items() if key not in _NOT_EVIDENCE}
        own.pop("outside_of_box", None)  # stays a boolean
        dumped = [part.model_dump() for part in new.evidence]
        found = list(leaves(dumped))
        texts = " ".join(str(one) for one in found)
        for value in leaves(own):
            assert value in found or str(value) in texts, (new.title, value)


def test_evidence_of_the_example_is_typed(raw: Raw, result: AuditResult) -> None:
    by_check = {
        new.check: [type(part) for part in new.evidence] for _, _, new in claims(raw, result)
    }
    assert by_check["label-association"] == [Contingency, Table]
    assert by_check["region-reliance"] == [Intervention, Quantities]
    assert by_check["attention-shift"] == [MapShift, Quantities]
    assert by_check["image-properties"] == [SliceComparison, HeldFixed, Quantities]


def test_held_fixed_table_of_the_example_keeps_its_numbers(raw: Raw, result: AuditResult) -> None:
    old = raw["findings"][0]["evidence"]
    held = next(one for one in result.findings[0].evidence if isinstance(one, HeldFixed))
    assert [one.model_dump() for one in held.gaps] == [
        {
            "attribute": one["attribute"],
            "gap": one["gap"],
            "p_value": one["p_value"],
            "state": one["state"],
            "effective_samples": one["worth"],
        }
        for one in old["held_fixed"]
    ]
    assert held.jointly is not None
    assert held.jointly.model_dump() == old["regression"]
    assert held.sentences[0].startswith("It remains with stroke held fixed")


def test_interventions_of_the_example_keep_their_numbers(raw: Raw, result: AuditResult) -> None:
    found = {
        new.check: (old, part)
        for old, _, new in claims(raw, result)
        for part in new.evidence
        if isinstance(part, Intervention)
    }
    old, swap = found["region-reliance"]
    assert swap.method == "swap-region"
    assert swap.region is not None
    assert list(swap.region.box) == old["box"]
    assert [(one.value.model_dump(), one.unit) for one in swap.effects] == [(old["fall"], "points")]
    assert swap.effects[0].control.model_dump() == old["fall_elsewhere"]
    assert swap.flipped_to == old["turned_to"] == "8"
    old, cover = found["failure-regions"]
    assert (cover.method, cover.variant) == ("cover-region", "blurred")
    assert [(one.value.model_dump(), one.control.model_dump()) for one in cover.effects] == [
        (old["mended"], old["mended_elsewhere"]),
        (old["turned"], old["turned_by_plain_pictures"]),
    ]
    old, style = found["appearance-reliance"]
    assert (style.method, style.region, style.variant) == ("transfer-style", None, "finest detail")
    assert [(one.value.model_dump(), one.control.model_dump()) for one in style.effects] == [
        (old["fall"], old["gap_of_unchanged_pictures"]),
        (old["fall_with_looks_of_other_labels"], old["gap_of_unchanged_pictures"]),
    ]


def test_account_of_the_example_is_kept(raw: Raw, result: AuditResult) -> None:
    assert result.tests is not None
    assert result.tests.model_dump() == raw["tests"]
    assert result.max_gap == raw["provenance"]["config"]["checks"]["performance-gap"]["max_gap"]
    assert result.explanations.units[0].images == raw["explanations"]["units"][0]["pictures"]


def test_version_1_result_is_not_changed_by_the_upgrade(raw: Raw) -> None:
    before = json.dumps(raw)
    upgrade(raw)
    assert json.dumps(raw) == before


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("error-rate gap", "points"),
        ("over-confidence", "points"),
        ("over-confidence gap", "points"),
        ("gap in recall", "points"),
        ("fall of accuracy when the region is swapped", "points"),
        ("failures mended, less those mended by covering other places", "points"),
        ("share of surplus copies", "share"),
        ("Cramér's V", "score"),
        ("a measure of a third party", "score"),
    ],
)
def test_effect_without_unit_gets_one_by_its_name(raw: Raw, name: str, unit: str) -> None:
    effect = {"name": name, "value": 0.2, "low": 0.1, "high": 0.3}
    changed = raw | {"findings": [raw["findings"][2] | {"effect": effect}]}
    (found,) = upgrade(changed)["findings"]
    assert found["effect"]["unit"] == unit


def finding_with(raw: Raw, evidence: Raw) -> Finding:
    changed = raw | {"findings": [raw["findings"][2] | {"evidence": evidence}]}
    return AuditResult.model_validate(upgrade(changed)).findings[0]


def test_copies_of_version_1_become_groups(raw: Raw) -> None:
    copies = [[{"sample": "a", "label": "x"}, {"sample": "b", "label": "y"}]]
    groups, numbers = finding_with(raw, {"groups": copies, "near": 1}).evidence
    assert isinstance(groups, SampleGroups)
    assert [(one.sample, one.label) for one in groups.groups[0].members] == [("a", "x"), ("b", "y")]
    assert isinstance(numbers, Quantities)
    assert [(one.name, one.value, one.unit) for one in numbers.items] == [("near", 1.0, "count")]


def test_unknown_evidence_of_version_1_becomes_quantities_and_tables(raw: Raw) -> None:
    estimate = {"value": 0.5, "low": 0.4, "high": 0.6}
    found = finding_with(
        raw,
        {
            "made_up": 0.25,
            "by_name": {"one": estimate, "two": None},
            "flag": True,
            "rows": [{"a": 1, "b": "x"}, {"a": 2, "c": [3, "y"]}],
            "grid": [[1, 2], [3]],
            "words": ["p", "q"],
            "mixed": {"k": "v"},
            "nothing": [],
        },
    )
    numbers, texts, *tables = found.evidence
    assert isinstance(numbers, Quantities)
    assert [(one.name, one.unit) for one in numbers.items] == [("made up", "score")]
    assert isinstance(texts, Table)
    assert texts.rows == (("flag", "yes"),)
    assert [(one.title, one.columns, one.rows) for one in tables if isinstance(one, Table)] == [
        ("by name", ("", ""), (("one", "value 0.5, low 0.4, high 0.6"), ("two", None))),
        ("rows", ("a", "b", "c"), ((1.0, "x", None), (2.0, None, "3, y"))),
        ("grid", ("", ""), ((1.0, 2.0), (3.0, None))),
        ("words", ("",), (("p",), ("q",))),
        ("mixed", ("", ""), (("k", "v"),)),
    ]


def test_result_without_account_of_the_tests_is_read(raw: Raw) -> None:
    bare = {key: one for key, one in raw.items() if key not in {"tests", "data_faults"}}
    result = AuditResult.model_validate(upgrade(bare))
    assert result.tests is None
    assert result.data_faults is None


def test_version_1_run_is_verified(example_v1: Path) -> None:
    assert verify(example_v1).ok


def test_version_1_run_is_self_tested_with_its_own_checks(example_v1: Path) -> None:
    tables = of_run(RunFolder.open(example_v1))
    assert tables.cut.attributes == ("mark", "stroke")
    assert "performance-gap" in tables.checks


def test_version_1_run_is_rendered_by_the_command(example_v1: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(example_v1, run)
    done = CliRunner().invoke(app, ["render", str(run), "--format", "html,markdown,csv"])
    assert done.exit_code == 0, done.output
    assert "15 points more" in (run / "report.html").read_text(encoding="utf-8")
    assert verify(run).ok
