"""Acceptance criteria: met, missed or undecided, against SciPy's exact tests and intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from reference import rate_limits
from scipy.optimize import brentq
from scipy.stats import binomtest, fisher_exact

from auditor.checks.calibration_gap import CalibrationGap
from auditor.checks.class_gap import ClassGap
from auditor.config.criteria import Criterion
from auditor.errors import ConfigError
from auditor.judging.criteria import examine_criteria, with_missed_criteria
from auditor.records import AuditData, CriterionResult
from auditor.stages.judge import judge

MakeEvidence = Callable[..., AuditData]
CLASSES = ("a", "b", "c")


def audit_of(
    make_evidence: MakeEvidence, cells: dict[tuple[str, str], int], **changes: Any
) -> AuditData:
    """An audit with so many samples of each label and prediction."""
    label = [one for (one, _), n in cells.items() for _ in range(n)]
    predicted = [one for (_, one), n in cells.items() for _ in range(n)]
    site = ["A" if k % 2 else "B" for k in range(len(label))]
    return make_evidence(label, predicted, {"site": site}, classes=CLASSES, **changes)


def one(
    audit: AuditData, default: Any = None, criterion: dict[str, Any] | None = None
) -> list[CriterionResult]:
    configured = [] if criterion is None else [Criterion.model_validate(criterion)]
    found = examine_criteria(audit, 0, [] if default is None else [default], configured)
    return list(found.results)


def limit_of(tail: Callable[[float], float]) -> float:
    """The share between 0 and 1 at which a tail has 2.5 %; the end where it never has."""
    if (tail(1e-9) - 0.025) * (tail(1 - 1e-9) - 0.025) > 0:
        return 1.0
    return float(brentq(lambda p: tail(p) - 0.025, 1e-9, 1 - 1e-9))


@pytest.mark.parametrize(
    ("cells", "state"),
    [
        # Always the same class: exactly the baseline.
        ({("a", "a"): 40, ("b", "a"): 30, ("c", "a"): 30}, "missed"),
        ({("a", "a"): 40, ("b", "b"): 30, ("c", "c"): 30}, "met"),
        # Two classes exchanged.
        ({("a", "b"): 50, ("b", "a"): 50}, "missed"),
        # 52 of 100 against 50: nobody knows.
        ({("a", "a"): 30, ("a", "b"): 20, ("b", "b"): 22, ("b", "a"): 28}, "undecided"),
        # Of one label, nothing can be compared: no model is better than always predicting it.
        ({("a", "a"): 1}, "undecided"),
        ({("a", "a"): 90, ("a", "b"): 10}, "undecided"),
    ],
)
def test_baseline_criterion_compares_with_the_most_frequent_class(
    make_evidence: MakeEvidence, cells: dict[tuple[str, str], int], state: str
) -> None:
    (found,) = one(audit_of(make_evidence, cells), "baseline")
    assert found.state == state


def test_baseline_criterion_p_value_equals_the_exact_paired_test(
    make_evidence: MakeEvidence,
) -> None:
    cells = {("a", "a"): 45, ("a", "b"): 15, ("b", "b"): 25, ("b", "a"): 15}
    (found,) = one(audit_of(make_evidence, cells), "baseline")
    # Only the model is right on 25 samples of b, only the baseline on 15 samples of a.
    expected = binomtest(25, 40, 0.5, alternative="greater").pvalue
    assert found.p_value == pytest.approx(expected)
    assert found.threshold == 0.6


def test_recall_criterion_class_that_is_never_predicted_is_missed(
    make_evidence: MakeEvidence,
) -> None:
    cells = {("a", "a"): 100, ("b", "a"): 60, ("c", "c"): 80}
    found = one(audit_of(make_evidence, cells), "recall")
    assert [(each.class_name, each.state) for each in found] == [
        ("a", "met"),
        ("b", "missed"),
        ("c", "met"),
    ]


def test_recall_criterion_single_label_is_undecided(make_evidence: MakeEvidence) -> None:
    (found,) = one(audit_of(make_evidence, {("a", "a"): 200}), "recall")
    assert found.state == "undecided"


def test_recall_criterion_p_value_equals_fisher(make_evidence: MakeEvidence) -> None:
    cells = {("a", "a"): 12, ("a", "b"): 8, ("b", "a"): 9, ("b", "b"): 11}
    found = one(audit_of(make_evidence, cells), "recall")
    expected = fisher_exact([[12, 8], [9, 11]], alternative="greater").pvalue
    # Both classes have the same table, so Hochberg's adjusted value is the larger of equal ones.
    assert [each.p_value for each in found] == pytest.approx([expected, expected])
    assert {each.state for each in found} == {"undecided"}


@pytest.mark.parametrize(("n", "state"), [(0, "met"), (3, "missed")])
def test_finite_outputs_criterion_counts_nan(
    make_evidence: MakeEvidence, n: int, state: str
) -> None:
    audit = audit_of(make_evidence, {("a", "a"): 50})
    (found,) = examine_criteria(audit, n, ["finite-outputs"], []).results
    assert found.state == state


def test_confidence_criterion_overconfident_coin_is_missed(make_evidence: MakeEvidence) -> None:
    cells = {("a", "a"): 250, ("a", "b"): 250, ("b", "b"): 250, ("b", "a"): 250}
    (found,) = one(audit_of(make_evidence, cells, confidence=[0.99] * 1000), "confidence")
    assert found.state == "missed"
    assert found.estimate is not None
    assert found.estimate.value == pytest.approx(0.49)


@pytest.mark.parametrize(
    ("criterion", "state", "count", "total"),
    [
        ({"metric": "accuracy", "at_least": 0.85}, "met", 270, 300),
        ({"metric": "accuracy", "at_least": 0.9}, "undecided", 270, 300),
        ({"metric": "accuracy", "at_least": 0.95}, "missed", 270, 300),
        ({"metric": "recall", "class": "b", "at_least": 0.9}, "missed", 70, 100),
        ({"metric": "recall", "class": "a", "at_least": 0.9}, "met", 100, 100),
        ({"metric": "precision", "class": "a", "at_least": 0.7}, "undecided", 100, 130),
    ],
)
def test_configured_criterion_is_decided_by_the_bound_of_its_interval(
    make_evidence: MakeEvidence, criterion: dict[str, Any], state: str, count: int, total: int
) -> None:
    cells = {("a", "a"): 100, ("b", "b"): 70, ("b", "a"): 30, ("c", "c"): 100}
    (found,) = one(audit_of(make_evidence, cells), criterion=criterion)
    assert (found.state, found.support) == (state, total)
    assert found.estimate is not None
    limits = found.estimate.low, found.estimate.high
    assert limits == pytest.approx(rate_limits(count, total))


def test_configured_criterion_for_each_class_and_slice(make_evidence: MakeEvidence) -> None:
    cells = {("a", "a"): 100, ("b", "b"): 70, ("b", "a"): 30, ("c", "c"): 100}
    audit = audit_of(make_evidence, cells)
    found = one(
        audit,
        criterion={"metric": "recall", "class": "each", "at_least": 0.5, "slices": {"site": "A"}},
    )
    assert [(each.id, each.class_name, each.support) for each in found] == [
        ("C1", "a", 50),
        ("C2", "b", 50),
        ("C3", "c", 50),
    ]


def test_configured_criterion_on_unknown_value_is_refused(make_evidence: MakeEvidence) -> None:
    criterion = {"metric": "accuracy", "at_least": 0.5, "slices": {"site": "Z"}}
    with pytest.raises(ConfigError, match="expected one of A and B"):
        one(audit_of(make_evidence, {("a", "a"): 50, ("b", "b"): 50}), criterion=criterion)


def test_missed_criteria_become_alerts_in_front_of_the_findings(
    make_evidence: MakeEvidence,
) -> None:
    audit = audit_of(make_evidence, {("a", "a"): 100, ("b", "a"): 60, ("c", "a"): 80})
    criteria = examine_criteria(audit, 0, ["baseline", "recall"], []).results
    found = with_missed_criteria([], criteria)
    assert [(each.id, each.severity) for each in found] == [("F1", "alert"), ("F2", "alert")]
    assert "most frequent class" in found[0].title
    assert found[1].title == "2 classes are not recognised better than by chance: b and c"


def test_finding_about_the_number_of_a_missed_criterion_supports_its_alert(
    make_evidence: MakeEvidence,
) -> None:
    cells = {("a", "a"): 250, ("a", "b"): 250, ("b", "b"): 250, ("b", "a"): 250}
    audit = audit_of(make_evidence, cells, confidence=[0.99] * 1000)
    findings = judge({"calibration-gap": CalibrationGap()}, audit).findings
    criteria = examine_criteria(audit, 0, ["confidence"], []).results
    (found,) = with_missed_criteria(findings, criteria)
    assert found.title == "The mean confidence is 49 points above the accuracy"
    assert [each.check for each in found.supporting] == ["calibration-gap"]


def test_class_gaps_of_missed_recall_criteria_support_their_alert(
    make_evidence: MakeEvidence,
) -> None:
    cells = {("a", "a"): 100, ("b", "b"): 90, ("b", "a"): 10, ("c", "a"): 80}
    audit = audit_of(make_evidence, cells)
    findings = judge({"class-gap": ClassGap()}, audit).findings
    assert [each.slice.label for each in findings] == ["c"]
    criteria = examine_criteria(audit, 0, ["recall"], []).results
    (found,) = with_missed_criteria(findings, criteria)
    assert [each.check for each in found.supporting] == ["class-gap"]


def test_useless_models_meet_the_default_criteria_at_most_once_in_a_hundred(
    make_evidence: MakeEvidence,
) -> None:
    """300 models that ignore the image: every one misses or leaves open a default criterion."""
    passed = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        n = int(rng.choice([40, 200, 1000]))
        share = rng.dirichlet([2, 2, 2])
        label: Sequence[str] = rng.choice(CLASSES, n, p=share).tolist()
        predicted = rng.choice(CLASSES, n, p=rng.dirichlet([1, 1, 1])).tolist()
        audit = make_evidence(label, predicted, {}, classes=CLASSES, confidence=[0.4] * n)
        criteria = examine_criteria(audit, 0, ["baseline", "recall", "confidence"], []).results
        passed += all(each.state == "met" for each in criteria)
    assert passed == 0
