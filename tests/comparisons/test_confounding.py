"""What is left of a gap when other attributes are held fixed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from statsmodels.stats.contingency_tables import StratifiedTable

from auditor.checks.performance_gap import PerformanceGap
from auditor.records import AuditData, Claim, HeldFixed

MakeEvidence = Callable[..., AuditData]
CLASSES = ("no", "yes")


def _held(claim: Claim) -> HeldFixed:
    held = claim.part(HeldFixed)
    assert held is not None
    return held


def _examined(
    make_evidence: MakeEvidence,
    rng: np.random.Generator,
    attributes: dict[str, NDArray[np.str_]],
    rate: NDArray[np.float64],
) -> dict[str, Claim]:
    label = rng.choice(CLASSES, len(rate))
    other = np.where(label == "no", "yes", "no")
    predicted = np.where(rng.random(len(rate)) < rate, other, label)
    audit = make_evidence(label, predicted, attributes, classes=CLASSES)
    return {str(one.slice): one for one in PerformanceGap().examine(audit)}


def test_confounding_gap_explained_by_age_names_age(make_evidence: MakeEvidence) -> None:
    # A classifier that fails on children; the images of one group are mostly of children.
    rng = np.random.default_rng(0)
    group = rng.choice(["a", "b"], 3000)
    age = np.where(rng.random(3000) < np.where(group == "b", 0.7, 0.1), "child", "adult")
    rate = np.where(age == "child", 0.35, 0.05)
    claims = _examined(make_evidence, rng, {"group": group, "age": age}, rate)
    accused, cause = claims["group = b"], claims["age = child"]
    assert accused.explained_by == ("age",)
    assert accused.title.endswith("; age explains it")
    (sentence,) = _held(accused).sentences
    assert sentence.startswith("With age held fixed, the gap falls from 18 points to ")
    assert sentence.endswith(", within the limit: it explains the gap.")
    assert _held(accused).gaps[0].state == "explains"
    jointly = _held(accused).jointly
    assert jointly is not None
    assert jointly.low < 0 < jointly.high
    assert cause.explained_by == ()
    assert "With group held fixed, the gap remains" in " ".join(_held(cause).sentences)
    jointly = _held(cause).jointly
    assert jointly is not None
    assert jointly.value == pytest.approx(0.3, abs=0.06)


def test_confounding_reversed_gap_is_reported_as_reversed(make_evidence: MakeEvidence) -> None:
    rng = np.random.default_rng(5)
    clinic = rng.choice(["a", "b"], 4000)
    severe = np.where(rng.random(4000) < np.where(clinic == "b", 0.85, 0.15), "yes", "no")
    rate = np.where(severe == "yes", 0.5, 0.15) - 0.1 * (clinic == "b")
    claims = _examined(make_evidence, rng, {"clinic": clinic, "severe": severe}, rate)
    accused = claims["clinic = b"]
    assert accused.effect is not None
    assert accused.effect.value > 0.05
    assert "With severe held fixed, the gap reverses: −" in " ".join(_held(accused).sentences)


def test_confounding_inseparable_attributes_explain_each_other(make_evidence: MakeEvidence) -> None:
    rng = np.random.default_rng(6)
    scanner = rng.choice(["a", "b"], 2000)
    ward = np.where(rng.random(2000) < 0.995, scanner, np.where(scanner == "a", "b", "a"))
    claims = _examined(
        make_evidence, rng, {"scanner": scanner, "ward": ward}, np.where(scanner == "b", 0.3, 0.05)
    )
    assert claims["scanner = b"].explained_by == ("ward",)
    assert claims["ward = b"].explained_by == ("scanner",)
    assert claims["scanner = b"].title.endswith("; the data cannot separate it from ward")


def test_confounding_strata_are_label_times_attribute(make_evidence: MakeEvidence) -> None:
    rng = np.random.default_rng(8)
    one, two = rng.choice(["a", "b"], 1500), rng.choice(["x", "y", "z"], 1500)
    label = rng.choice(CLASSES, 1500)
    failure = rng.random(1500) < 0.1 + 0.1 * (one == "b") + 0.1 * (two == "z")
    predicted = np.where(failure, np.where(label == "no", "yes", "no"), label)
    audit = make_evidence(label, predicted, {"one": one, "two": two}, classes=CLASSES)
    (claim,) = [c for c in PerformanceGap().examine(audit) if str(c.slice) == "one = b"]
    tables = [
        np.array(
            [
                [int((failure & cell & (one == side)).sum()) for side in ("b", "a")],
                [int((~failure & cell & (one == side)).sum()) for side in ("b", "a")],
            ]
        )
        for truth in CLASSES
        for value in ("x", "y", "z")
        for cell in [(label == truth) & (two == value)]
    ]
    weight = [t[:, 0].sum() * t[:, 1].sum() / t.sum() for t in tables]
    gap = [t[0, 0] / t[:, 0].sum() - t[0, 1] / t[:, 1].sum() for t in tables]
    (held,) = _held(claim).gaps
    assert held.gap is not None
    assert held.gap.value == pytest.approx(np.average(gap, weights=weight))
    expected = StratifiedTable(tables).test_null_odds(correction=False).pvalue
    assert held.p_value == pytest.approx(expected, rel=0.2)
