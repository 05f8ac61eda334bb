"""Gaps of primary metrics between slices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from builders.decision_tables import binary_audit, multi_label_audit
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from auditor.checks.metric_gap import MetricGap
from auditor.checks.performance_gap import PerformanceGap
from auditor.records import AuditData, MetricComparison
from auditor.stages.judge import judge

MakeEvidence = Callable[..., AuditData]


def _binary(
    seed: int, *, loss: float, primary: tuple[str, ...], n: int = 900, size: int = 1
) -> AuditData:
    """Samples of three sites; at site C, the scores of positive samples are lower."""
    generator = np.random.default_rng(seed)
    unit = np.arange(n) // size
    site = generator.choice(["A", "B", "C"], n // size)[unit]
    truth = (generator.random(n // size) < 0.4)[unit]
    score = generator.normal(0, 1, n // size)[unit] + 2 * truth - loss * truth * (site == "C")
    clusters = None if size == 1 else unit.astype(np.int64)
    return binary_audit(
        truth,
        1 / (1 + np.exp(-score)),
        {"site": site.tolist()},
        threshold=0.6,
        clusters=clusters,
        primary=primary,
    )


def test_metric_gap_sensitivity_is_that_of_slice_and_rest() -> None:
    audit = _binary(1, loss=1.0, primary=("sensitivity", "specificity"))
    claims = MetricGap().examine(audit).claims
    assert len(claims) == 6  # three sites, two metrics
    (claim,) = [one for one in claims if str(one.slice) == "site = C" and "Sens" in one.title]
    assert audit.decisions is not None
    truth, called = audit.decisions.truth, audit.decisions.called
    own = (audit.predictions["site"] == "C").to_numpy()
    rates = [called[truth & rows].mean() for rows in (own, ~own)]
    part = claim.part(MetricComparison)
    assert part is not None
    assert (part.own.value, part.rest.value) == pytest.approx(tuple(rates))
    assert claim.effect is not None
    assert claim.effect.value == pytest.approx(rates[1] - rates[0])
    assert claim.effect.unit == "points"
    assert claim.p_value is not None
    assert claim.p_value < 1e-4
    assert claim.question == "value"
    assert claim.support == (truth & own).sum()
    assert claim.title == (
        f"Sensitivity is {100 * rates[0]:.0f} % for samples with site = C, "
        f"{100 * (rates[1] - rates[0]):.0f} points lower than for the rest"
    )


def test_metric_gap_auroc_is_found_and_written_as_decimals() -> None:
    audit = _binary(2, loss=1.5, primary=("auroc",))
    found = judge({"metric-gap": MetricGap()}, audit).findings
    assert [str(one.slice) for one in found] == ["site = C"]
    assert audit.decisions is not None
    own = (audit.predictions["site"] == "C").to_numpy()
    values = [
        roc_auc_score(audit.decisions.truth[rows], audit.decisions.score[rows])
        for rows in (own, ~own)
    ]
    assert found[0].effect is not None
    assert found[0].effect.value == pytest.approx(values[1] - values[0])
    assert found[0].effect.unit == "score"
    assert found[0].title.startswith("AUROC is 0.")
    assert found[0].limits == "Other differences between slice and rest are not held fixed."


@pytest.mark.parametrize("primary", [(), ("accuracy",), ("error-rate", "accuracy")])
def test_metric_gap_error_rates_are_left_to_performance_gap(primary: tuple[str, ...]) -> None:
    audit = _binary(3, loss=1.5, primary=primary)
    found = MetricGap().examine(audit)
    assert (found.claims, found.skipped) == ((), ())
    assert any(str(one.slice) == "site = C" for one in PerformanceGap().examine(audit))


def test_metric_gap_single_label_sensitivity_is_left_to_performance_gap(
    make_evidence: MakeEvidence,
) -> None:
    label = ["a", "b"] * 100
    audit = make_evidence(label, label, {"site": ["A"] * 100 + ["B"] * 100}, classes=("a", "b"))
    found = MetricGap().examine(replace(audit, primary_metrics=("sensitivity", "ppv")))
    assert [one.reason for one in found.skipped] == [
        "sensitivity: not tested here: performance-gap compares error rates within each label"
    ]
    assert {one.question for one in found.claims} == {"value within label"}
    assert len(found.claims) == 4  # two sites, two classes


@pytest.mark.parametrize("name", ["calibration-error", "calibration-slope", "overconfidence"])
def test_metric_gap_metric_without_a_valid_test_is_skipped(name: str) -> None:
    found = MetricGap().examine(_binary(4, loss=0, primary=(name,)))
    assert not found.claims
    assert "not tested: " in found.skipped[0].reason


def test_metric_gap_lower_brier_score_is_better() -> None:
    audit = _binary(5, loss=1.5, primary=("brier",))
    (claim,) = [one for one in MetricGap().examine(audit) if str(one.slice) == "site = C"]
    part = claim.part(MetricComparison)
    assert part is not None
    assert part.own.value > part.rest.value
    assert claim.effect is not None
    assert claim.effect.value == pytest.approx(part.own.value - part.rest.value)
    assert "higher than for the rest" in claim.title
    assert "depends on how frequent the positive class is" in claim.limits


def test_metric_gap_selection_rate_is_tested_in_both_directions() -> None:
    audit = _binary(6, loss=3.0, primary=("selection-rate",))
    claims = {str(one.slice): one for one in MetricGap().examine(audit)}
    for one in claims.values():
        assert one.effect is not None
        assert one.effect.value >= 0
    lower, higher = claims["site = C"], claims["site = A"]
    assert "lower than" in lower.title
    assert "higher than" in higher.title
    assert lower.p_value is not None
    assert lower.p_value < 1e-6


def test_metric_gap_slice_with_few_positives_is_untestable() -> None:
    generator = np.random.default_rng(7)
    truth = generator.random(400) < 0.5
    site = np.where(np.arange(400) < 100, "C", "A")
    truth[:100] = np.arange(100) < 8
    audit = binary_audit(
        truth,
        generator.random(400),
        {"site": site.tolist()},
        primary=("sensitivity", "auroc"),
    )
    reasons = {one.untestable for one in MetricGap().examine(audit)}
    assert reasons == {
        "sensitivity rests on 8 samples in the slice of the 30 that are needed",
        "sensitivity rests on 8 samples in the rest of the 30 that are needed",
        "8 positive samples in the slice of the 10 that are needed",
        "8 positive samples in the rest of the 10 that are needed",
    }


def test_metric_gap_few_clusters_are_untestable() -> None:
    audit = _binary(8, loss=0, primary=("selection-rate",), n=900, size=150)
    reasons = [one.untestable for one in MetricGap().examine(audit)]
    assert all(reasons)
    assert "from 5 clusters by patient on each side" in " ".join(map(str, reasons))


def test_metric_gap_multi_label_tests_the_mean_and_ranks_of_each_label() -> None:
    generator = np.random.default_rng(9)
    site = generator.choice(["A", "B"], 600)
    truth = generator.random((600, 2)) < 0.4
    worse: NDArray[np.float64] = 1.5 * ((site == "B")[:, None] & truth)
    score = 1 / (1 + np.exp(-(generator.normal(0, 1, (600, 2)) + 2 * truth - worse)))
    audit = multi_label_audit(
        truth,
        score,
        {"site": site.tolist()},
        labels=("cat", "dog"),
        threshold=0.6,
        primary=("sensitivity", "auroc"),
    )
    claims = MetricGap().examine(audit).claims
    parts = [one.part(MetricComparison) for one in claims if str(one.slice) == "site = B"]
    assert [(one.metric, one.class_name) for one in parts if one is not None] == [
        ("sensitivity", None), ("auroc", None), ("auroc", "cat"), ("auroc", "dog"),
    ]  # fmt: skip
    assert all(one.p_value is not None and one.p_value < 1e-4 for one in claims if "B" in one.title)


def test_metric_gap_equal_samples_in_clusters_do_not_count_as_many() -> None:
    single = _binary(10, loss=0.8, primary=("sensitivity",), n=240)
    repeated = _binary(10, loss=0.8, primary=("sensitivity",), n=960, size=4)
    p_values = [
        one.p_value
        for audit in (single, repeated, replace(repeated, clusters=None))
        for one in MetricGap().examine(audit)
        if str(one.slice) == "site = C"
    ]
    first, clustered, naive = p_values
    assert first is not None
    assert clustered is not None
    assert naive is not None
    assert clustered == pytest.approx(first, rel=0.7)
    assert naive < clustered / 5
