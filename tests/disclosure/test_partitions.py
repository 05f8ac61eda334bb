"""Counts of one sensitive attribute in several divisions do not differ by a few samples."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders.small_runs import small_run
from numpy.typing import NDArray

from auditor.checks.error_trend import ErrorTrend
from auditor.checks.label_association import LabelAssociation
from auditor.checks.value_differences import ValueDifferences
from auditor.config import SliceSection
from auditor.disclosure.result import disclosed
from auditor.records import AuditData, AuditResult, Contingency, Curve, ValueSpread
from auditor.records.evidence import EvidencePart
from auditor.stages.judge import judge
from auditor.stages.slicing import slice_samples

LEAST = 10
CLASSES = ("x", "y")
Mask = NDArray[np.bool_]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> AuditResult:
    """A finished result, into which the tests put their slices."""
    table = pd.DataFrame(
        {
            "sample": ["s0", "s1"],
            "path": ["s0.png", "s1.png"],
            "label": ["cat", "dog"],
            "predicted": ["cat", "cat"],
            "status": ["ok", "ok"],
            "confidence": [0.9, 0.6],
            "loss": [0.1, 1.0],
            "p:cat": [0.9, 0.6],
            "p:dog": [0.1, 0.4],
        }
    )
    run = small_run(Path(tmp_path_factory.mktemp("plain")) / "run", table, classes=("cat", "dog"))
    return run.read_result()


def _audit(frame: pd.DataFrame, edges: Sequence[float], min_support: int) -> AuditData:
    usable = frame.assign(
        sample=[f"s{k}" for k in range(len(frame))],
        path="",
        confidence=0.9,
        loss=0.1,
        failure=frame["label"] != frame["predicted"],
        label=pd.Categorical(frame["label"], CLASSES),
        predicted=pd.Categorical(frame["predicted"], CLASSES),
    )
    given = {"age": tuple(edges)} if edges else {}
    section = SliceSection(min_support=min_support, edges=given)
    cut = slice_samples(usable, None, CLASSES, ("age", "site"), section)
    audit = cut.audit_data(CLASSES, alpha=0.05, min_support=min_support, seed=0)
    return replace(audit, declared=replace(audit.declared, sensitive=("age",)))


def _result(plain: AuditResult, audit: AuditData) -> AuditResult:
    checks = {
        "error-trend": ErrorTrend(),
        "label-association": LabelAssociation(),
        "value-differences": ValueDifferences(),
    }
    found = judge(checks, audit)
    labels = audit.predictions["label"].value_counts()
    config = plain.provenance.config | {
        "about": {"sensitive": ["age"]},
        "report": {"min_cell": LEAST},
    }
    raw = plain.model_copy(
        update={
            "slices": found.slices,
            "findings": found.findings,
            "tested": found.tested,
            "error_curves": found.error_curves,
            "skipped": found.skipped,
            "summary": plain.summary.model_copy(
                update={
                    "n_evaluated": len(audit.predictions),
                    "n_failures": int(audit.predictions["failure"].sum()),
                }
            ),
            "classes": [
                plain.classes[0].model_copy(
                    update={"name": name, "support": int(labels[name]), "recall": None}
                )
                for name in CLASSES
            ],
        }
    )
    text = raw.model_dump(mode="json")
    text["provenance"]["config"] = config
    return AuditResult.model_validate(text)


def _ages(n_by_age: Mapping[int, int]) -> NDArray[np.int64]:
    return np.repeat(list(n_by_age), list(n_by_age.values()))


def test_band_and_slice_that_differ_by_one_person_are_not_both_shown(plain: AuditResult) -> None:
    # 32 samples are under 29, one of them 28. Quantiles of 160 samples cut elsewhere than 29 and 60.
    age = _ages({20: 31, 28: 1, 33: 31, 45: 20, 55: 13, 62: 31, 75: 33})
    label = np.where(np.arange(160) % 2, "x", "y")
    predicted = np.where(np.arange(160) % 9 == 0, "x", label)
    frame = pd.DataFrame({"age": age, "site": "A", "label": label, "predicted": predicted})
    frame.loc[::3, "site"] = "B"
    random = np.random.default_rng(0)
    frame["age"] = frame["age"] + random.integers(0, 3, 160) * (frame["age"] > 30)
    result = _result(plain, _audit(frame, (29, 60), 30))
    (curve,) = result.error_curves
    assert {one.name for one in curve.points} - {"under 29", "29–59", "60 and over"}
    shown = disclosed(result).result
    assert shown.error_curves == []
    assert 32 in [one.support for one in shown.slices if one.attributes == {"age": "under 29"}]
    titles = [one.title for one in shown.findings if one.check == "error-trend"]
    titles += [one.title for one in shown.tested if one.check == "error-trend"]
    assert titles
    assert set(titles) <= {"The error rate rises with age", "The error rate falls with age"}


def test_trend_title_of_an_earlier_version_is_not_shown(plain: AuditResult) -> None:
    age = np.repeat(np.arange(20, 84), 5)
    label = np.where(np.arange(320) % 2, "x", "y")
    predicted = np.where(np.arange(320) % 7 == 0, "x", label)
    frame = pd.DataFrame({"age": age, "site": "A", "label": label, "predicted": predicted})
    result = _result(plain, _audit(frame, (29, 60), 30))
    (curve,) = result.error_curves
    old = curve.model_copy(
        update={"points": (curve.points[0].model_copy(update={"name": "20–28"}), *curve.points[1:])}
    )
    tested = [
        one.model_copy(
            update={"title": "The error rate rises with age: from 8.5 % (20–28) to 14 %"}
        )
        for one in result.tested
        if one.check == "error-trend"
    ]
    assert tested
    changed = result.model_copy(update={"error_curves": [old], "tested": tested})
    assert "20–28" not in disclosed(changed).result.model_dump_json()


def test_curve_whose_bands_are_the_slices_is_shown_without_its_smooth_fit(
    plain: AuditResult,
) -> None:
    # Three different numbers are three slices and three bands, of 60 samples each.
    age = np.repeat([1, 2, 3], 60)
    label = np.where(np.arange(180) % 2, "x", "y")
    predicted = np.where(np.arange(180) % 5 == 0, "x", label)
    frame = pd.DataFrame({"age": age, "site": "A", "label": label, "predicted": predicted})
    audit = _audit(frame.assign(age=frame["age"].astype(float)), (), 30)
    claims = ErrorTrend().examine(audit).claims
    result = _result(plain, audit)
    curves = [part for one in claims if (part := one.part(Curve)) is not None]
    shown = disclosed(result.model_copy(update={"error_curves": curves})).result.error_curves
    assert [[(one.name, one.support) for one in curve.points] for curve in shown] == [
        [("1", 60), ("2", 60), ("3", 60)]
    ]
    assert shown[0].smooth == ()


def test_published_counts_of_random_tables_do_not_differ_by_a_small_cell(
    plain: AuditResult,
) -> None:
    """All counts by age, and differences of any two that lie within each other."""
    random = np.random.default_rng(11)
    n_shown = n_compared = 0
    for _ in range(12):
        n = int(random.integers(90, 260))
        age = np.clip(random.normal(50, 18, n).round(), 1, 99).astype(int)
        label = random.choice(CLASSES, n)
        failed = random.random(n) < 0.15 + 0.15 * (age > 60)
        predicted = np.where(failed, np.where(label == "x", "y", "x"), label)
        site = random.choice(["A", "B", "C"], n, p=[0.6, 0.35, 0.05])
        frame = pd.DataFrame({"age": age, "site": site, "label": label, "predicted": predicted})
        edges = tuple(sorted(random.choice(np.arange(20, 80), 2, replace=False).tolist()))
        audit = _audit(frame, edges if random.random() < 0.6 else (), 20)
        shown = disclosed(_result(plain, audit)).result
        counts = list(_published(shown, frame))
        n_shown += len(counts)
        known = [mask for mask, _ in counts]
        for mask, published in counts:
            assert mask.sum() == published
            assert published >= LEAST
        # Readers know the totals of what is not sensitive.
        everyone = np.ones(n, dtype=bool)
        labels = [(frame["label"] == one).to_numpy() for one in CLASSES]
        sites = [(frame["site"] == one).to_numpy() for one in "ABC"]
        known += [everyone, *labels, *sites]
        for one, _ in counts:
            for other in known:
                if (one & ~other).any():
                    continue
                rest = int((other & ~one).sum())
                n_compared += rest > 0
                assert rest == 0 or rest >= LEAST, (one.sum(), other.sum())
    assert n_shown > 100
    assert n_compared > 200


def _published(result: AuditResult, frame: pd.DataFrame) -> Iterator[tuple[Mask, int]]:
    """Every published count by age, and who is counted."""
    for one in result.slices:
        if "age" in one.attributes:
            site, label = one.attributes.get("site"), one.label
            yield _cell(frame, one.attributes["age"], site=site, label=label), one.support
    for curve in result.error_curves:
        yield from _of_evidence(curve, frame)
    for found in result.findings:
        for part in found.evidence:
            yield from _of_evidence(part, frame)


def _of_evidence(part: EvidencePart, frame: pd.DataFrame) -> Iterator[tuple[Mask, int]]:
    if isinstance(part, Curve) and part.x_name == "age":
        for point in part.points:
            yield _cell(frame, point.name), point.support
    elif isinstance(part, ValueSpread) and part.attribute == "age":
        for value in part.values:  # noqa: PD011 (not of pandas)
            yield _cell(frame, value.value), value.support
    elif isinstance(part, Contingency) and part.attribute == "age":
        for label, row in zip(part.labels, part.counts, strict=True):
            for name, number in zip(part.values, row, strict=True):
                yield _cell(frame, name, label=label), number


def _cell(frame: pd.DataFrame, band: str, **others: str | None) -> Mask:
    """Who is in a band of integers, and has the given values."""
    numbers = [int(one) for one in re.findall(r"\d+", band)]
    inside = (frame["age"] >= numbers[0]) & (frame["age"] <= numbers[-1])
    if band.startswith("under"):
        inside = frame["age"] < numbers[0]
    elif band.endswith("and over"):
        inside = frame["age"] >= numbers[0]
    for name, value in others.items():
        inside &= True if value is None else frame[name] == value
    return inside.to_numpy()
