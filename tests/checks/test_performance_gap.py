"""Gaps against statsmodels and scipy, and the questions that pairs of values answer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from reference import mid_p_gap
from scipy.stats import hypergeom
from statsmodels.stats.contingency_tables import StratifiedTable

from auditor.checks.performance_gap import PerformanceGap
from auditor.records import AuditData, Claim, SliceComparison
from auditor.stages.judge import judge

MakeEvidence = Callable[..., AuditData]
CLASSES = ("functional", "defective")


def _rows(cells: list[tuple[str, str, int, int]]) -> tuple[list[str], list[str], list[str]]:
    """Label, prediction and value of cells (value, label, samples, failures)."""
    label, predicted, value = [], [], []
    for name, truth, n, failures in cells:
        other = CLASSES[1 - CLASSES.index(truth)]
        label += [truth] * n
        predicted += [other] * failures + [truth] * (n - failures)
        value += [name] * n
    return label, predicted, value


def _claim(audit: AuditData, name: str) -> Claim:
    (found,) = [one for one in PerformanceGap().examine(audit) if str(one.slice) == name]
    return found


def test_performance_gap_without_attributes_says_that_no_groups_were_compared(
    make_evidence: MakeEvidence,
) -> None:
    label, predicted, _ = _rows([("mono", "functional", 40, 4)])
    audit = make_evidence(label, predicted, {}, classes=CLASSES)
    examined = judge({"performance-gap": PerformanceGap()}, audit)
    assert not examined.findings
    assert "no groups were compared" in examined.skipped[0].reason


@pytest.fixture
def solar(make_evidence: MakeEvidence) -> AuditData:
    label, predicted, cell_type = _rows(
        [
            ("mono", "functional", 312, 225),
            ("poly", "functional", 400, 12),
            ("mono", "defective", 250, 10),
            ("poly", "defective", 160, 136),
        ]
    )
    return make_evidence(label, predicted, {"cell_type": cell_type}, classes=CLASSES)


def test_performance_gap_value_within_label_states_the_planted_gap(solar: AuditData) -> None:
    claim = _claim(solar, "cell_type = mono, label = functional")
    assert claim.effect is not None
    assert claim.effect.value == pytest.approx(225 / 312 - 12 / 400)
    assert (claim.effect.low, claim.effect.high) == pytest.approx(
        mid_p_gap((225, 312), (12, 400)), abs=1e-6
    )
    compared = claim.part(SliceComparison)
    assert compared is not None
    # A gap is excluded by the upper limit that is printed.
    assert compared.excluded_gap == claim.effect.high
    law = hypergeom(712, 237, 312)
    assert claim.p_value == pytest.approx(law.sf(225) + law.pmf(225) / 2, rel=1e-6)
    assert " ".join(claim.statement) == (
        "Of 312 functional samples with cell_type = mono, 72 % are predicted as defective (95 % interval "
        "67–77 %); of the other functional samples, 3 % are misclassified. The gap is 69 points "
        "(95 % interval 64–74 points)."
    )
    assert len(claim.samples) == 12
    assert claim.samples[0] == "s224"  # the failure with the highest loss of that slice
    assert claim.weight == pytest.approx((225 / 312 - 0.03) * 312)


def test_performance_gap_harder_classes_are_compared_within_labels(
    make_evidence: MakeEvidence,
) -> None:
    # Value b holds mostly the harder label; within each label a and b fail alike.
    label, predicted, value = _rows(
        [
            ("a", "functional", 1000, 50),
            ("b", "functional", 200, 10),
            ("a", "defective", 200, 80),
            ("b", "defective", 1000, 400),
        ]
    )
    claim = _claim(make_evidence(label, predicted, {"v": value}, classes=CLASSES), "v = b")
    tables = [np.array([[10, 190], [50, 950]]), np.array([[400, 600], [80, 120]])]
    expected = StratifiedTable(tables).test_null_odds(correction=False).pvalue
    assert claim.effect is not None
    assert claim.effect.value == pytest.approx(0, abs=1e-12)
    assert expected == pytest.approx(1, abs=1e-9)
    assert claim.p_value == pytest.approx(0.5, abs=1e-9)  # one-sided, where there is no gap at all


def test_performance_gap_small_slice_is_not_tested_and_has_a_detectable_gap(
    make_evidence: MakeEvidence,
) -> None:
    label, predicted, value = _rows([("a", "functional", 400, 20), ("rare", "functional", 12, 1)])
    label, predicted, value = [*label, "defective"], [*predicted, "defective"], [*value, "a"]
    audit = make_evidence(label, predicted, {"v": value}, classes=CLASSES)
    claim = _claim(audit, "v = rare")
    assert claim.p_value is None
    assert claim.untestable == "12 samples of the 30 that are needed"
    judgement = judge({"performance-gap": PerformanceGap()}, audit)
    (record,) = [one for one in judgement.slices if one.attributes == {"v": "rare"}][:1]
    # By the exact test, 3 failures of 12 are needed: P(X >= 3) = 0.81 with a rate of 0.33.
    assert record.detectable_gap == pytest.approx(0.33 - 0.05, abs=0.05)
    assert "rare (12 samples of the 30 that are needed)" in judgement.skipped[0].reason


@pytest.mark.parametrize(("interaction", "found"), [(0.0, False), (0.4, True)])
def test_performance_gap_pair_is_found_only_beyond_its_values(
    make_evidence: MakeEvidence, interaction: float, found: bool
) -> None:
    rng = np.random.default_rng(5)
    n = 2000
    first, second = rng.choice(["a", "b"], n), rng.choice(["x", "y"], n)
    label = rng.choice(CLASSES, n)
    # Value a adds failures, and value x adds failures; the pair has those of both.
    rate = 0.05 + 0.25 * (first == "a") + 0.2 * (second == "x")
    rate += interaction * ((first == "a") & (second == "x"))
    other = np.where(label == CLASSES[0], CLASSES[1], CLASSES[0])
    predicted = np.where(rng.random(n) < rate, other, label)
    audit = make_evidence(label, predicted, {"one": first, "two": second}, classes=CLASSES)
    pair = _claim(audit, "one = a, two = x")
    value = _claim(audit, "one = a")
    assert pair.p_value is not None
    assert value.p_value is not None
    assert value.p_value < 1e-20
    assert (pair.p_value < 1e-6) is found
    comparison = pair.part(SliceComparison)
    assert comparison is not None
    assert comparison.gap is not None
    assert comparison.gap.value > 0.2


def test_performance_gap_pair_equal_to_a_value_is_not_tested(make_evidence: MakeEvidence) -> None:
    label = ["functional", "defective"] * 200
    value = ["a"] * 200 + ["b"] * 200
    same = ["x"] * 200 + ["y"] * 200
    audit = make_evidence(label, label, {"one": value, "two": same}, classes=CLASSES)
    examination = PerformanceGap().examine(audit)
    assert not any(len(one.slice.attributes) == 2 for one in examination)
    assert "cannot separate" in examination.skipped[0].reason
