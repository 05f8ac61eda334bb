"""Metrics and curves against scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from builders.decision_tables import binary_audit, multi_label_audit
from fairlearn.metrics import true_positive_rate
from numpy.typing import NDArray
from sklearn import metrics as sklearn

from auditor.comparisons.chosen_metrics import ChosenMetrics, choose_metrics
from auditor.config import MetricsSection
from auditor.records import AuditData, MetricValue, SliceKey
from auditor.stages.measure import Measurements, measure_metrics

MakeEvidence = Callable[..., AuditData]


def _scores(seed: int, n: int) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    generator = np.random.default_rng(seed)
    truth = generator.random(n) < 0.4
    return truth, np.clip(generator.normal(0.35 + 0.3 * truth, 0.2), 0.001, 0.999)


def _value(
    found: Measurements, metric: str, attributes: dict[str, str], class_name: str | None = None
) -> MetricValue:
    (one,) = [
        each
        for each in found.metrics
        if (each.metric, each.class_name) == (metric, class_name)
        and each.slice == SliceKey(attributes=attributes)
    ]
    return one


def _number(one: MetricValue) -> float:
    assert one.estimate is not None
    assert one.estimate.low <= one.estimate.value <= one.estimate.high
    return one.estimate.value


@pytest.fixture(scope="module")
def binary() -> Measurements:
    truth, score = _scores(1, 600)
    site = ["A", "B"] * 300
    audit = binary_audit(truth, score, {"site": site}, threshold=0.45)
    return measure_metrics(audit, choose_metrics(MetricsSection(), "binary", 2))


@pytest.mark.parametrize("site", [None, "A", "B"])
def test_measure_binary_values_are_those_of_scikit_learn(
    binary: Measurements, site: str | None
) -> None:
    truth, score = _scores(1, 600)
    chosen = slice(None) if site is None else slice("AB".index(site), None, 2)
    truth, score, called = truth[chosen], score[chosen], score[chosen] >= 0.45
    key = {} if site is None else {"site": site}
    expected = {
        "sensitivity": sklearn.recall_score(truth, called),
        "specificity": sklearn.recall_score(~truth, ~called),
        "ppv": sklearn.precision_score(truth, called),
        "npv": sklearn.precision_score(~truth, ~called),
        "f1": sklearn.f1_score(truth, called),
        "auroc": sklearn.roc_auc_score(truth, score),
        "average-precision": sklearn.average_precision_score(truth, score),
        "brier": sklearn.brier_score_loss(truth, score),
        "selection-rate": called.mean(),
    }
    for name, number in expected.items():
        assert _number(_value(binary, name, key)) == pytest.approx(number), name
    assert _value(binary, "sensitivity", key).support == truth.sum()
    assert _value(binary, "sensitivity", key).primary
    assert not _value(binary, "ppv", key).primary


def test_measure_binary_curves_have_their_operating_points(binary: Measurements) -> None:
    truth, score = _scores(1, 600)
    found = {(one.kind, one.role): one for one in binary.curves}
    assert set(found) == {
        (kind, role)
        for kind in ("roc", "precision-recall")
        for role in ("overall", "worst", "best")
    }
    for one in binary.curves:
        assert len(one.x) == len(one.y) <= 200
        assert list(one.x) == sorted(one.x)
        assert one.threshold == 0.45
    roc = found["roc", "overall"]
    called = score >= 0.45
    assert roc.operating_point == pytest.approx(
        (1 - sklearn.recall_score(~truth, ~called), sklearn.recall_score(truth, called))
    )
    assert roc.area is not None
    assert roc.area.value == pytest.approx(sklearn.roc_auc_score(truth, score))
    assert (roc.n_positives, roc.n_negatives) == (truth.sum(), (~truth).sum())
    assert roc.operating_point is not None
    # The operating point lies on the curve, up to the thinning.
    assert np.interp(roc.operating_point[0], roc.x, roc.y) == pytest.approx(
        roc.operating_point[1], abs=0.02
    )


def test_measure_worst_and_best_slice_follow_the_primary_metric(binary: Measurements) -> None:
    sensitivity = {site: _number(_value(binary, "sensitivity", {"site": site})) for site in "AB"}
    worst = min(sensitivity, key=lambda site: sensitivity[site])
    chosen = {one.role: one for one in binary.curves if one.kind == "roc"}
    assert chosen["worst"].slice.attributes == {"site": worst}
    assert chosen["best"].slice.attributes == {"site": "A" if worst == "B" else "B"}
    assert chosen["worst"].chosen_by == "sensitivity"


def test_measure_slice_without_positives_is_not_defined() -> None:
    truth, score = _scores(2, 400)
    site = np.where(np.arange(400) < 40, "C", "A")
    truth[:40] = False
    audit = binary_audit(truth, score, {"site": site.tolist()})
    found = measure_metrics(audit, choose_metrics(MetricsSection(), "binary", 2))
    for name in ("sensitivity", "auroc", "average-precision"):
        one = _value(found, name, {"site": "C"})
        assert one.estimate is None
        assert one.reason == "not defined: no positive samples"
    # Fairlearn has a number there, as docs/reading.md says.
    assert true_positive_rate(truth[:40], score[:40] >= 0.5) == 0
    assert {one.role for one in found.curves} == {"overall"}


def test_measure_multi_label_is_the_mean_over_labels_and_each_label() -> None:
    generator = np.random.default_rng(3)
    truth = generator.random((300, 3)) < (0.5, 0.3, 0.2)
    score = np.clip(generator.normal(0.35 + 0.3 * truth, 0.2), 0.001, 0.999)
    labels = ("cat", "dog", "hat")
    audit = multi_label_audit(truth, score, {"site": ["A", "B", "B"] * 100}, labels=labels)
    found = measure_metrics(audit, choose_metrics(MetricsSection(), "multi-label", 6))
    called, of_b = score >= 0.5, np.arange(300) % 3 > 0
    for rows, key in ((np.ones(300, dtype=bool), {}), (of_b, {"site": "B"})):
        own, said = truth[rows], called[rows]
        recalls = sklearn.recall_score(own, said, average=None)
        assert _number(_value(found, "sensitivity", key)) == pytest.approx(recalls.mean())
        assert _number(_value(found, "f1", key)) == pytest.approx(
            sklearn.f1_score(own, said, average="macro")
        )
        assert _number(_value(found, "auroc", key)) == pytest.approx(
            sklearn.roc_auc_score(own, score[rows], average="macro")
        )
        for label, recall in zip(labels, recalls, strict=True):
            assert _number(_value(found, "sensitivity", key, label)) == pytest.approx(recall)
    assert {one.class_name for one in found.metrics if one.metric == "npv"} == {None}
    assert [one.class_name for one in found.curves if one.role == "overall"] == [
        "cat", "cat", "dog", "dog", "hat", "hat",
    ]  # fmt: skip
    assert _value(found, "brier", {}).n_clusters == 300


def test_measure_single_label_has_no_curves_but_a_reliability_diagram(
    make_evidence: MakeEvidence,
) -> None:
    generator = np.random.default_rng(4)
    probability = generator.dirichlet([1, 1, 1], 500)
    classes = ("a", "b", "c")
    label = [classes[k] for k in generator.integers(0, 3, 500)]
    predicted = [classes[k] for k in probability.argmax(1)]
    audit = replace(
        make_evidence(
            label,
            predicted,
            {"site": ["A", "B"] * 250},
            classes=classes,
            confidence=probability.max(1).tolist(),
        ),
        probabilities=probability.astype(np.float32),
    )
    found = measure_metrics(audit, choose_metrics(MetricsSection(), "single-label", 3))
    assert found.curves == []
    assert _number(_value(found, "balanced-accuracy", {"site": "A"})) == pytest.approx(
        sklearn.balanced_accuracy_score(label[::2], predicted[::2])
    )
    assert found.reliability is not None
    assert found.reliability.probability == "predicted class"
    correct = np.array(label) == np.array(predicted)
    sure = probability.max(1)
    for one in found.reliability.bins:
        inside = np.floor(sure * 10) == np.floor(one.confidence * 10)
        assert one.support == inside.sum()
        assert one.observed.value == pytest.approx(correct[inside].mean())


def test_measure_metric_of_one_class_is_measured_for_every_class(
    make_evidence: MakeEvidence,
) -> None:
    label, predicted = ["a", "b", "c"] * 100, ["a", "b", "b"] * 100
    audit = make_evidence(
        label, predicted, {"site": ["A"] * 150 + ["B"] * 150}, classes=("a", "b", "c")
    )
    chosen = ChosenMetrics(("sensitivity",), ("sensitivity", "accuracy"))
    found = measure_metrics(audit, chosen)
    recalls = {name: _number(_value(found, "sensitivity", {}, name)) for name in "abc"}
    assert recalls == {"a": 1.0, "b": 1.0, "c": 0.0}
    assert _number(_value(found, "sensitivity", {"site": "B"}, "c")) == 0
    assert len([one for one in found.metrics if one.metric == "accuracy"]) == 3


def test_measure_intervals_of_clustered_samples_are_wider() -> None:
    truth, score = _scores(5, 200)
    clusters = np.repeat(np.arange(40, dtype=np.int64), 10)
    truth, score = np.repeat(truth[:40], 10), np.repeat(score[:40], 10)
    widths = []
    for known in (None, clusters):
        audit = binary_audit(truth, score, {}, clusters=known)
        found = measure_metrics(audit, ChosenMetrics(("sensitivity",), ("sensitivity", "auroc")))
        for name in ("sensitivity", "auroc"):
            one = _value(found, name, {})
            assert one.estimate is not None
            widths.append(one.estimate.high - one.estimate.low)
            assert (one.n_clusters is None) is (known is None)
    # Ten equal samples per cluster: the variance is ten times as large.
    assert widths[2] > 2 * widths[0]
    assert widths[3] > 2 * widths[1]
