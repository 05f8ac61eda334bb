"""Criteria of binary and multi-label tasks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from builders.table_evidence import MakeEvidence
from numpy.typing import NDArray
from sklearn.metrics import recall_score

from auditor.config.criteria import Criterion
from auditor.judging.criteria import examine_criteria
from auditor.records import AuditData, Clusters
from auditor.records.decisions import Decisions

LABELS = ("cat", "hat")
CLASSES = ("cat", "not cat", "hat", "not hat")


def multi_label(
    make_evidence: MakeEvidence, truth: NDArray[np.bool_], called: NDArray[np.bool_]
) -> AuditData:
    """Two decisions a sample; samples alternate between two sites.

    Args:
        make_evidence: the fixture.
        truth: (n, 2) whether a sample has the label.
        called: (n, 2) whether the model says so.
    """
    n = len(truth)
    of_row = np.tile([0, 1], n)
    label, predicted = (
        [CLASSES[2 * which + (not one)] for which, one in zip(of_row, each.ravel(), strict=True)]
        for each in (truth, called)
    )
    site = np.repeat(np.where(np.arange(n) % 2 == 0, "A", "B"), 2).tolist()
    audit = make_evidence(label, predicted, {"site": site}, classes=CLASSES)
    of_sample = np.repeat(np.arange(n), 2)
    decisions = Decisions(
        names=LABELS,
        of_row=of_row,
        truth=truth.ravel(),
        called=called.ravel(),
        score=np.where(called.ravel(), 0.9, 0.1),
        thresholds=np.full(2, 0.5),
        of_sample=of_sample,
    )
    clusters = Clusters("sample", of_sample)
    return replace(audit, task="multi-label", decisions=decisions, clusters=clusters)


def drawn(n: int = 400, right: float = 0.95) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Labels of 20 % and 50 % of the samples, and predictions that are mostly right."""
    rng = np.random.default_rng(0)
    truth = rng.random((n, 2)) < [0.2, 0.5]
    return truth, np.asarray(truth == (rng.random((n, 2)) < right))


def states(audit: AuditData, *defaults: Any) -> dict[str, str]:
    return {one.name: one.state for one in examine_criteria(audit, 0, defaults, []).results}


def test_default_criteria_compare_the_two_classes_of_each_label(
    make_evidence: MakeEvidence,
) -> None:
    truth, called = drawn()
    good = states(multi_label(make_evidence, truth, called), "baseline", "recall")
    # An accuracy above that of the most frequent class is not asked of decisions at a threshold.
    assert good == {f"sensitivity of {name} above chance": "met" for name in LABELS}
    # Never "cat": "not cat" is predicted for all samples, with and without a cat.
    called[:, 0] = False
    never = states(multi_label(make_evidence, truth, called), "recall")
    assert never["sensitivity of cat above chance"] == "missed"
    assert never["sensitivity of hat above chance"] == "met"


def test_labels_that_no_sample_has_leave_the_criterion_undecided(
    make_evidence: MakeEvidence,
) -> None:
    truth = np.zeros((60, 2), dtype=bool)
    found = states(multi_label(make_evidence, truth, truth.copy()), "recall")
    assert found == {"sensitivity of every label above chance": "undecided"}


def test_chance_is_the_rate_among_decisions_about_the_same_label(
    make_evidence: MakeEvidence,
) -> None:
    truth, called = drawn()
    audit = multi_label(make_evidence, truth, called)
    (cat, *_) = examine_criteria(audit, 0, ["recall"], []).results
    assert cat.threshold == pytest.approx(called[~truth[:, 0], 0].mean())


def test_sensitivity_of_each_label_and_their_mean_equal_scikit_learn(
    make_evidence: MakeEvidence,
) -> None:
    truth, called = drawn()
    audit = multi_label(make_evidence, truth, called)
    criteria = [
        Criterion(metric="sensitivity", at_least=0.5, class_name=name) for name in ("each", None)
    ]
    cat, hat, mean = examine_criteria(audit, 0, [], criteria).results
    expected = recall_score(truth, called, average=None)
    assert [one.class_name for one in (cat, hat, mean)] == ["cat", "hat", None]
    for one, value in zip((cat, hat, mean), (*expected, expected.mean()), strict=True):
        assert one.estimate is not None
        assert one.estimate.value == pytest.approx(value)
        assert one.state == "met"


def test_slice_of_a_multi_label_task_needs_enough_samples_and_not_rows(
    make_evidence: MakeEvidence,
) -> None:
    truth, called = drawn(50)
    audit = multi_label(make_evidence, truth, called)
    criterion = Criterion(metric="accuracy", at_least=0.5, slices="every")
    found = examine_criteria(audit, 0, [], [criterion])
    # 25 samples and 50 decisions in each site.
    assert "site = A: 25 of 50 samples" in found.skipped[0].reason
    assert [one.state for one in found.results] == ["undecided"]


def test_criterion_of_a_binary_task_is_about_the_positive_class(
    make_evidence: MakeEvidence,
) -> None:
    truth, called = (each[:, 1] for each in drawn())
    names = np.array(["fine", "defect"])
    audit = make_evidence(
        names[truth.astype(int)].tolist(),
        names[called.astype(int)].tolist(),
        {"site": ["A", "B"] * 200},
        classes=("fine", "defect"),
    )
    zeros = np.zeros(400, dtype=np.int64)
    score = np.where(called, 0.9, 0.1)
    decisions = Decisions(("defect",), zeros, truth, called, score, np.array([0.5]))
    criteria = [
        Criterion(metric="sensitivity", at_least=0.8, slices="every"),
        Criterion(metric="specificity_gap", at_most=0.2),
    ]
    found = examine_criteria(
        replace(audit, task="binary", decisions=decisions), 0, [], criteria
    ).results
    site_a = np.arange(400) % 2 == 0
    assert found[0].estimate is not None
    assert found[0].estimate.value == pytest.approx(called[truth & site_a].mean())
    assert found[2].estimate is not None
    assert found[2].estimate.value == pytest.approx(
        (~called[~truth & site_a]).mean() - (~called[~truth & ~site_a]).mean()
    )
    assert [one.state for one in found] == ["met", "met", "met"]
