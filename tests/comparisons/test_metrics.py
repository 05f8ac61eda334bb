"""Metrics of slices from audited data: classes, labels, clusters and reasons."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn import metrics as sk

from auditor.comparisons.metrics import AuditMetrics, metric_gap_of, metric_of
from auditor.records import AuditData, Clusters
from auditor.records.decisions import Decisions
from auditor.statistics import proportion


def _audit(
    label: NDArray[np.integer],
    predicted: NDArray[np.integer],
    classes: tuple[str, ...],
    probabilities: np.ndarray | None = None,
    decisions: Decisions | None = None,
    cluster: np.ndarray | None = None,
) -> AuditData:
    table = pd.DataFrame(
        {
            "label": pd.Categorical.from_codes(label, categories=pd.Index(classes)),
            "predicted": pd.Categorical.from_codes(predicted, categories=pd.Index(classes)),
            "confidence": np.full(len(label), 0.9)
            if probabilities is None
            else probabilities.max(1),
            "failure": label != predicted,
        }
    )
    return AuditData(
        table,
        classes,
        (),
        (),
        None,
        0.05,
        30,
        0,
        probabilities=probabilities,
        clusters=None if cluster is None else Clusters("patient", cluster),
        decisions=decisions,
    )


def _single_label(n: int = 200, *, kept: bool = True) -> AuditData:
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet(np.ones(3), n).astype(np.float32)
    label = (probabilities.cumsum(1) < generator.random((n, 1))).sum(1).clip(0, 2)
    predicted = probabilities.argmax(1)
    return _audit(label, predicted, ("a", "b", "c"), probabilities if kept else None)


def _binary(n: int = 200, cluster: np.ndarray | None = None) -> AuditData:
    generator = np.random.default_rng(1)
    truth = generator.random(n) < 0.4
    score = np.clip(0.3 + 0.3 * truth + generator.normal(0, 0.2, n), 0.01, 0.99)
    called = score >= 0.5
    decisions = Decisions(
        ("defect",), np.zeros(n, dtype=np.int64), truth, called, score, np.array([0.5])
    )
    return _audit(
        truth.astype(int), called.astype(int), ("fine", "defect"), None, decisions, cluster
    )


def _multi_label(n: int = 100) -> AuditData:
    """Three decisions a sample; no sample has a dog."""
    generator = np.random.default_rng(2)
    truth = generator.random((n, 3)) < [0.3, 0.5, 0.0]
    score = np.clip(0.3 + 0.3 * truth + generator.normal(0, 0.2, (n, 3)), 0.01, 0.99)
    called = score >= 0.5
    names = ("cat", "hat", "dog")
    of_row = np.tile(np.arange(3), n)
    decisions = Decisions(
        names, of_row, truth.ravel(), called.ravel(), score.ravel(), np.full(3, 0.5)
    )
    classes = ("cat", "no cat", "hat", "no hat", "dog", "no dog")
    label, predicted = 2 * of_row + ~truth.ravel(), 2 * of_row + ~called.ravel()
    return _audit(label, predicted, classes, None, decisions, np.repeat(np.arange(n), 3))


def _rows(audit: AuditData) -> np.ndarray:
    return np.arange(len(audit.predictions))


def _value(audit: AuditData, name: str, class_name: str | None = None) -> float:
    found = metric_of(audit, name, _rows(audit), class_name)
    assert found.value is not None, found.reason
    assert found.value.low <= found.value.value <= found.value.high
    return found.value.value


def test_metric_of_single_label_task_equals_scikit_learn() -> None:
    audit = _single_label()
    label, predicted = (
        audit.predictions[one].cat.codes.to_numpy() for one in ("label", "predicted")
    )
    p = audit.probabilities
    assert p is not None
    assert _value(audit, "accuracy") == pytest.approx(sk.accuracy_score(label, predicted))
    assert _value(audit, "macro_f1") == pytest.approx(
        sk.f1_score(label, predicted, average="macro")
    )
    assert _value(audit, "top-2") == pytest.approx(sk.top_k_accuracy_score(label, p, k=2))
    ovr = sk.roc_auc_score(label, p / p.sum(1, keepdims=True), multi_class="ovr")
    assert _value(audit, "auroc") == pytest.approx(ovr)
    assert _value(audit, "recall", "b") == pytest.approx(
        sk.recall_score(label, predicted, average=None)[1]
    )
    assert _value(audit, "auroc", "b") == pytest.approx(sk.roc_auc_score(label == 1, p[:, 1]))


def test_metric_of_binary_task_is_about_the_positive_class() -> None:
    audit = _binary()
    assert audit.decisions is not None
    truth, called = audit.decisions.truth, audit.decisions.called
    assert _value(audit, "sensitivity") == pytest.approx(sk.recall_score(truth, called))
    assert _value(audit, "sensitivity", "defect") == _value(audit, "sensitivity")
    assert _value(audit, "sensitivity", "fine") == pytest.approx(_value(audit, "specificity"))
    assert _value(audit, "average-precision", "fine") == pytest.approx(
        sk.average_precision_score(~truth, 1 - audit.decisions.score)
    )
    assert _value(audit, "brier", "fine") == pytest.approx(_value(audit, "brier"))


def test_metric_of_multi_label_task_is_the_mean_over_defined_labels() -> None:
    audit = _multi_label()
    of_labels = [_value(audit, "sensitivity", one) for one in ("cat", "hat")]
    assert _value(audit, "sensitivity") == pytest.approx(np.mean(of_labels))
    found = metric_of(audit, "sensitivity", _rows(audit), "dog")
    assert (found.value, found.reason) == (None, "not defined: no positive samples")
    assert _value(audit, "specificity", "dog") == pytest.approx(
        _value(audit, "sensitivity", "no dog")
    )
    failure = audit.predictions["failure"]
    assert _value(audit, "error_rate") == pytest.approx(failure.mean())
    cats = np.arange(0, 300, 3)
    assert metric_of(audit, "f1", cats) == metric_of(audit, "f1", cats, "cat")


def test_support_and_clusters_are_those_of_the_denominator() -> None:
    audit = _binary(200, np.repeat(np.arange(50), 4))
    assert audit.decisions is not None
    positives = np.flatnonzero(audit.decisions.truth)
    found = metric_of(audit, "sensitivity", _rows(audit))
    assert found.support == len(positives)
    assert found.n_clusters == len(np.unique(positives // 4))


def test_metric_of_a_slice_is_that_of_its_samples_alone() -> None:
    audit = _binary()
    assert audit.decisions is not None
    rows = np.arange(20, 90)
    found = metric_of(audit, "auroc", rows)
    assert found.value is not None
    assert found.value.value == pytest.approx(
        sk.roc_auc_score(audit.decisions.truth[rows], audit.decisions.score[rows])
    )


def test_interval_of_independent_share_is_that_of_a_proportion() -> None:
    audit = _binary()
    failures = int(audit.predictions["failure"].sum())
    expected = proportion(failures, 200)[()]
    found = metric_of(audit, "error-rate", _rows(audit)).value
    assert found is not None
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_gap_of_disjoint_slices_is_the_difference_of_their_values() -> None:
    audit = _binary()
    rows = _rows(audit)
    found = metric_gap_of(audit, "auroc", rows[:80], rows[80:])
    one, other = metric_of(audit, "auroc", rows[:80]), metric_of(audit, "auroc", rows[80:])
    assert found.value is not None
    assert one.value is not None
    assert other.value is not None
    assert found.value.value == pytest.approx(one.value.value - other.value.value)
    assert found.support == 200


def test_gap_of_a_slice_with_itself_is_zero_with_little_uncertainty() -> None:
    # The two values have the correlation 1; only the asymmetry of the limits is left.
    audit = _binary()
    rows = np.arange(100)
    found, one = metric_gap_of(audit, "ppv", rows, rows), metric_of(audit, "ppv", rows)
    assert found.value is not None
    assert one.value is not None
    assert found.value.value == 0
    assert found.value.high < 0.7 * (one.value.high - one.value.value)


def test_macro_gap_uses_only_classes_with_a_value_on_both_sides() -> None:
    audit = _multi_label()
    assert audit.decisions is not None
    rows = _rows(audit)
    is_cat = (audit.decisions.of_row == 0) & audit.decisions.truth
    one, other = rows[:150][~is_cat[:150]], rows[150:]
    found = metric_gap_of(audit, "sensitivity", one, other)
    hats = metric_gap_of(audit, "sensitivity", one, other, "hat")
    assert found.value is not None
    assert hats.value is not None
    assert found.value.value == pytest.approx(hats.value.value)


@pytest.mark.parametrize(
    ("name", "class_name", "reason"),
    [
        ("sensitivity", None, "not defined: sensitivity needs a class"),
        ("top-5", "a", "not defined: top-5 accuracy is not about one class"),
        ("auroc", None, "not measured: the probabilities of all classes were not kept"),
    ],
)
def test_metric_that_cannot_be_measured_has_a_reason(
    name: str, class_name: str | None, reason: str
) -> None:
    audit = _single_label(kept=False)
    found = metric_of(audit, name, _rows(audit), class_name)
    assert (found.value, found.reason) == (None, reason)


def test_undefined_metric_names_what_is_missing() -> None:
    audit = _binary()
    assert audit.decisions is not None
    truth, called = audit.decisions.truth, audit.decisions.called
    negatives, positives = np.flatnonzero(~truth), np.flatnonzero(truth)
    reasons = {
        ("sensitivity", tuple(negatives)): "no positive samples",
        ("auroc", tuple(positives)): "no negative samples",
        ("ppv", tuple(np.flatnonzero(~called))): "no samples called positive",
        ("npv", tuple(np.flatnonzero(called))): "no samples called negative",
        (
            "f1",
            tuple(np.flatnonzero(~called & ~truth)),
        ): "no positive samples and none called positive",
        ("accuracy", ()): "no samples",
        ("overconfidence", (3,)): "fewer than two samples",
    }
    measured = AuditMetrics(audit)
    for (name, rows), reason in reasons.items():
        found = measured.measured(name, np.array(rows, dtype=np.int64))
        assert (found.value, found.reason) == (None, f"not defined: {reason}")
    gap = measured.gap("sensitivity", positives, negatives)
    assert gap.reason == "not defined: no positive samples in the rest"


def test_separated_scores_have_no_calibration_slope() -> None:
    audit = _binary()
    assert audit.decisions is not None
    score = np.where(audit.decisions.truth, 0.8, 0.2)
    separated = replace(audit, decisions=replace(audit.decisions, score=score))
    found = metric_of(separated, "calibration-slope", _rows(audit))
    assert found.reason == "not defined: the scores separate positives from negatives"
    constant = replace(audit, decisions=replace(audit.decisions, score=np.full(200, 0.5)))
    found = metric_of(constant, "calibration-slope", _rows(audit))
    assert found.reason == "not defined: the scores do not vary"


def test_metric_without_class_of_the_task_is_not_defined_for_it() -> None:
    found = metric_of(_binary(), "top-5", np.arange(10))
    assert found.reason == "not defined for a binary task"


def test_unknown_class_is_an_error() -> None:
    for audit in (_binary(), _single_label()):
        with pytest.raises(ValueError, match="expected one of the classes"):
            metric_of(audit, "sensitivity", np.arange(10), "zebra")


def test_shared_clusters_widen_the_interval() -> None:
    generator = np.random.default_rng(3)
    cluster = np.repeat(np.arange(40), 5)
    right = generator.random(40)[cluster] > 0.3
    audit = _audit(np.zeros(200, dtype=int), (~right).astype(int), ("a", "b"), cluster=cluster)
    alone = replace(audit, clusters=None)
    rows = np.arange(200)
    wide, narrow = (
        metric_of(audit, "accuracy", rows).value,
        metric_of(alone, "accuracy", rows).value,
    )
    assert wide is not None
    assert narrow is not None
    assert wide.high - wide.low > 1.8 * (narrow.high - narrow.low)


def test_slice_without_failures_uses_the_correlation_of_all_samples() -> None:
    # Failures are independent of the clusters, so 60 right predictions in 20 clusters count as about 60.
    generator = np.random.default_rng(4)
    cluster = np.repeat(np.arange(200), 3)
    wrong = generator.random(600) < 0.2
    wrong[:60] = False
    audit = _audit(np.zeros(600, dtype=int), wrong.astype(int), ("a", "b"), cluster=cluster)
    found = metric_of(audit, "error-rate", np.arange(60)).value
    assert found is not None
    assert found.high < 1.5 * float(proportion(0, 60).high)
