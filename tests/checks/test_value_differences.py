"""Values against the best one and against a reference; extremes as fairlearn prints them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from fairlearn.metrics import MetricFrame
from sklearn.metrics import zero_one_loss

from auditor.checks.performance_gap import PerformanceGap
from auditor.checks.value_differences import ValueDifferences
from auditor.records import AuditData, Claim, Declarations, ValueSpread
from auditor.stages.judge import judge

MakeEvidence = Callable[..., AuditData]
CLASSES = ("cat", "dog")


def _audit(make_evidence: MakeEvidence, failures: dict[str, tuple[int, int]]) -> AuditData:
    """Sites with (samples, failures), all of one label but one sample."""
    label, predicted, site = ["dog"], ["dog"], [next(iter(failures))]
    for name, (n, failed) in failures.items():
        label += ["cat"] * n
        predicted += ["dog"] * failed + ["cat"] * (n - failed)
        site += [name] * n
    return make_evidence(label, predicted, {"site": site}, classes=CLASSES)


def _named(claims: tuple[Claim, ...], value: str, start: str = "") -> list[Claim]:
    return [
        one
        for one in claims
        if one.slice.attributes == {"site": value} and one.title.startswith(start)
    ]


def _against_best(check: ValueDifferences, audit: AuditData, value: str) -> Claim:
    claims = [one for one in check.examine(audit) if one.joint == "site: best"]
    (found,) = _named(tuple(claims), value)
    return found


def test_value_differences_privileged_minority_is_named_first(make_evidence: MakeEvidence) -> None:
    # Each of the four sites at 23 % is within 5 points of all others together.
    audit = _audit(make_evidence, {"A": (1000, 50), **dict.fromkeys("BCDE", (1000, 230))})
    checks = {"performance-gap": PerformanceGap(), "value-differences": ValueDifferences()}
    (finding,) = judge(checks, audit).findings
    assert finding.title == "Only site = A has a low error rate: 5 %, against 23 % of the rest"
    assert (finding.severity, finding.verdict) == ("alert", "supported")
    assert finding.effect is not None
    assert finding.effect.value == pytest.approx(0.18, abs=1e-3)
    named = {one.slice.attributes["site"] for one in finding.supporting if one.severity == "alert"}
    assert named == set("BCDE")


def test_value_differences_one_worse_value_praises_no_other(make_evidence: MakeEvidence) -> None:
    audit = _audit(make_evidence, {"A": (500, 50), "B": (500, 52), "C": (500, 150)})
    claims = ValueDifferences().examine(audit).claims
    reported = {
        str(one.slice)
        for one in claims
        if one.effect is not None and one.effect.value > one.limit and (one.p_value or 0) < 0.05
    }
    assert reported == {"site = C"}
    assert not any(one.title.startswith("Only") for one in claims)


def test_value_differences_two_privileged_values_are_named_together(
    make_evidence: MakeEvidence,
) -> None:
    sites = {"A": (500, 25), "B": (500, 26), **dict.fromkeys("CDEF", (500, 150))}
    claims = ValueDifferences().examine(_audit(make_evidence, sites)).claims
    (claim,) = _named(claims, "A", "Only")
    # Without A: 26 + 4 · 150 failures in 2,500 samples.
    assert claim.title == (
        "Only site = A and B have a low error rate: 5 % with A, against 25 % of the rest"
    )


def test_value_differences_reference_gap_is_that_of_the_two_values(
    make_evidence: MakeEvidence,
) -> None:
    audit = _audit(make_evidence, {"A": (400, 40), "B": (400, 100), "C": (400, 20)})
    audit = replace(audit, declared=Declarations(reference_values={"site": "A"}))
    claims = [one for one in ValueDifferences().examine(audit).claims if "reference" in one.title]
    assert [one.slice.attributes["site"] for one in claims] == ["B", "C"]
    assert {one.joint for one in claims} == {"site: reference"}
    worse, better = claims
    assert worse.effect is not None
    assert worse.effect.value == pytest.approx(100 / 400 - 40 / 400, abs=1e-3)
    assert better.effect is not None
    assert better.effect.value < 0
    assert (worse.p_value or 1) < 1e-6
    assert (better.p_value or 0) > 0.5


def test_value_differences_small_reference_is_skipped(make_evidence: MakeEvidence) -> None:
    audit = _audit(make_evidence, {"A": (10, 1), "B": (400, 100), "C": (400, 20)})
    audit = replace(audit, declared=Declarations(reference_values={"site": "A"}))
    (skipped,) = ValueDifferences().examine(audit).skipped
    assert "reference value A has fewer than 30 samples" in skipped.reason


def test_value_differences_two_values_are_left_to_performance_gap(
    make_evidence: MakeEvidence,
) -> None:
    audit = _audit(make_evidence, {"A": (400, 40), "B": (400, 100)})
    assert ValueDifferences().examine(audit).claims == ()


def test_value_differences_relative_limit_finds_rare_failures(make_evidence: MakeEvidence) -> None:
    # 1 % against 5.5 % is within the limit of 5 points, but 5.5 times as many.
    audit = _audit(make_evidence, {"A": (2000, 20), "B": (2000, 20), "C": (2000, 110)})
    claim = _against_best(ValueDifferences(), audit, "C")
    assert claim.effect is not None
    assert (claim.effect.unit, claim.limit) == ("ratio", 2.0)
    assert claim.effect.value == pytest.approx(5.5, rel=0.01)
    assert claim.effect.low > 2
    absolute = _against_best(ValueDifferences(max_ratio=None), audit, "C")
    assert absolute.effect is not None
    assert (absolute.effect.unit, absolute.limit) == ("points", 0.05)


def test_value_differences_spread_equals_fairlearn(make_evidence: MakeEvidence) -> None:
    rng = np.random.default_rng(0)
    site = rng.choice(list("ABCD"), 2000)
    label = np.full(2000, "cat")
    predicted = np.where(rng.random(2000) < 0.1 + 0.05 * (site == "C"), "dog", "cat")
    audit = make_evidence(label, predicted, {"site": site}, classes=CLASSES)
    (spread,) = [
        part
        for one in ValueDifferences().examine(audit).claims
        for part in one.evidence
        if isinstance(part, ValueSpread)
    ]
    frame = MetricFrame(
        metrics=zero_one_loss, y_true=label, y_pred=predicted, sensitive_features=site
    )
    assert spread.largest_difference.value == pytest.approx(frame.difference())
    assert spread.smallest_ratio is not None
    assert spread.smallest_ratio.value == pytest.approx(frame.ratio())
    assert spread.largest_difference.low <= 0.05 <= spread.largest_difference.high
    rates = {one.value: one.error_rate.value for one in spread.values if one.error_rate}
    assert rates == pytest.approx(frame.by_group.to_dict())
