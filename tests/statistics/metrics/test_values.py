"""Values of metrics on random tables, against scikit-learn, fairlearn and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from fairlearn import metrics as fairlearn
from scipy.special import expit, logit
from sklearn import metrics as sk

from auditor.statistics import calibration, overconfidence
from auditor.statistics.metrics import METRICS, BinaryCases, ClassCases, measure, metric_named

SEEDS = range(5)


def decisions(seed: int, n: int = 150, *, ties: bool = True) -> BinaryCases:
    generator = np.random.default_rng(seed)
    truth = generator.random(n) < 0.35
    score = expit(generator.normal(0, 1.2, n) + 1.2 * truth - 0.8)
    score = np.round(score, 1 if ties else 12).clip(0.01, 0.99)
    return BinaryCases(truth, score >= 0.45, score)


def predictions(seed: int, n: int = 200) -> ClassCases:
    generator = np.random.default_rng(seed)
    probabilities = np.round(generator.dirichlet(np.ones(4), n), 1)
    probabilities /= probabilities.sum(1, keepdims=True)
    label = np.minimum((probabilities.cumsum(1) < generator.random((n, 1))).sum(1), 3)
    predicted = probabilities.argmax(1)
    return ClassCases(label, predicted, 4, probabilities, probabilities.max(1))


def value(name: str, cases: BinaryCases | ClassCases) -> float:
    return measure(name, cases, np.arange(len(cases))).value


@pytest.mark.parametrize("seed", SEEDS)
def test_decisions_equal_scikit_learn(seed: int) -> None:
    cases = decisions(seed)
    truth, called, score = cases.truth, cases.called, cases.score
    expected = {
        "accuracy": sk.accuracy_score(truth, called),
        "error-rate": sk.zero_one_loss(truth, called),
        "balanced-accuracy": sk.balanced_accuracy_score(truth, called),
        "macro-f1": sk.f1_score(truth, called, average="macro"),
        "sensitivity": sk.recall_score(truth, called),
        "specificity": sk.recall_score(~truth, ~called),
        "ppv": sk.precision_score(truth, called),
        "npv": sk.precision_score(~truth, ~called),
        "f1": sk.f1_score(truth, called),
        "auroc": sk.roc_auc_score(truth, score),
        "average-precision": sk.average_precision_score(truth, score),
        "brier": sk.brier_score_loss(truth, score),
    }
    assert {name: value(name, cases) for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_decisions_equal_fairlearn(seed: int) -> None:
    cases = decisions(seed)
    pair = cases.truth.astype(int), cases.called.astype(int)
    assert value("selection-rate", cases) == pytest.approx(fairlearn.selection_rate(*pair))
    assert value("sensitivity", cases) == pytest.approx(fairlearn.true_positive_rate(*pair))
    assert value("specificity", cases) == pytest.approx(fairlearn.true_negative_rate(*pair))


@pytest.mark.parametrize("seed", SEEDS)
def test_predictions_equal_scikit_learn(seed: int) -> None:
    cases = predictions(seed)
    label, predicted, p = cases.label, cases.predicted, cases.probabilities
    one_hot = np.eye(4)[label]
    expected = {
        "accuracy": sk.accuracy_score(label, predicted),
        "balanced-accuracy": sk.balanced_accuracy_score(label, predicted),
        "macro-f1": sk.f1_score(label, predicted, average="macro"),
        "top-1": sk.top_k_accuracy_score(label, p, k=1),
        "top-2": sk.top_k_accuracy_score(label, p, k=2),
        "top-3": sk.top_k_accuracy_score(label, p, k=3),
        "auroc": sk.roc_auc_score(label, p, multi_class="ovr"),
        "average-precision": sk.average_precision_score(one_hot, p, average="macro"),
        "brier": sk.brier_score_loss(label, p, scale_by_half=True),
    }
    assert {name: value(name, cases) for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_metrics_of_one_class_equal_scikit_learn(seed: int) -> None:
    cases = predictions(seed)
    recall = sk.recall_score(cases.label, cases.predicted, average=None)
    precision = sk.precision_score(cases.label, cases.predicted, average=None)
    for k in range(4):
        assert value("recall", cases.of_class(k)) == pytest.approx(recall[k])
        assert value("precision", cases.of_class(k)) == pytest.approx(precision[k])


@pytest.mark.parametrize("seed", SEEDS)
def test_calibration_slope_and_intercept_equal_statsmodels(seed: int) -> None:
    cases = decisions(seed, ties=False)
    assert cases.score is not None
    odds, truth = logit(cases.score), cases.truth.astype(float)
    slope = sm.Logit(truth, sm.add_constant(odds)).fit(disp=False).params[1]
    in_the_large = sm.GLM(
        truth, np.ones(len(truth)), family=sm.families.Binomial(), offset=odds
    ).fit()
    assert value("calibration-slope", cases) == pytest.approx(slope, rel=1e-6)
    assert value("calibration-intercept", cases) == pytest.approx(
        in_the_large.params[0], rel=1e-6, abs=1e-8
    )


def test_calibration_of_predictions_is_that_of_their_confidence() -> None:
    cases = predictions(0)
    found = calibration(cases.confidence, cases.correct)
    assert value("calibration-error", cases) == found.error.value
    expected = overconfidence(cases.confidence, cases.correct).difference.value
    assert value("overconfidence", cases) == pytest.approx(expected)


def test_calibration_error_of_decisions_is_that_of_their_scores() -> None:
    cases = decisions(0)
    assert cases.score is not None
    found = calibration(cases.score, cases.truth)
    assert value("calibration-error", cases) == found.error.value


def test_overconfidence_of_decisions_is_about_what_is_said() -> None:
    # Said: yes with 0.8 (right), no with 0.6 (wrong). Mean confidence 0.7, accuracy 0.5.
    cases = BinaryCases(np.array([True, True]), np.array([True, False]), np.array([0.8, 0.4]))
    assert value("overconfidence", cases) == pytest.approx(0.2)


def test_balanced_accuracy_leaves_out_classes_without_labels() -> None:
    label, predicted = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1])
    cases = ClassCases(label, predicted, 4, None, np.ones(4))
    assert value("balanced-accuracy", cases) == pytest.approx(0.75)
    # F1 of the classes 0, 1 and 2: 2/3, 1 and 0.
    assert value("macro-f1", cases) == pytest.approx(5 / 9)


def test_names_accept_underscores_and_synonyms() -> None:
    assert metric_named("error_rate") is METRICS["error-rate"]
    assert metric_named("Recall") is METRICS["sensitivity"]
    assert metric_named("precision") is METRICS["ppv"]
    assert metric_named("top_3").title == "top-3 accuracy"
    assert metric_named("top-5") is METRICS["top-5"]


@pytest.mark.parametrize("name", ["sensitvity", "top-0", "top-", "speed"])
def test_unknown_name_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match="expected the name of a metric"):
        metric_named(name)


def test_near_name_is_suggested() -> None:
    with pytest.raises(ValueError, match="did you mean 'sensitivity'"):
        metric_named("sensitvity")


def test_metric_of_one_class_refuses_predictions_of_several() -> None:
    with pytest.raises(ValueError, match="expected decisions for sensitivity"):
        value("sensitivity", predictions(0))
    with pytest.raises(ValueError, match="expected predictions of several classes for top-2"):
        value("top-2", decisions(0))


@pytest.mark.parametrize("name", ["auroc", "average-precision", "brier", "calibration-slope"])
def test_metric_of_scores_refuses_decisions_without_scores(name: str) -> None:
    known = decisions(0)
    with pytest.raises(ValueError, match="expected cases with scores"):
        value(name, BinaryCases(known.truth, known.called))


def test_cases_refuse_bad_input() -> None:
    yes = np.array([True, False])
    with pytest.raises(ValueError, match="one-dimensional arrays of one length"):
        BinaryCases(yes, yes[:1])
    for bad in (1.2, -0.1, np.nan):
        with pytest.raises(ValueError, match="expected probabilities in"):
            BinaryCases(yes, yes, np.array([0.5, bad]))
    with pytest.raises(ValueError, match="expected probabilities of shape"):
        ClassCases(np.array([0]), np.array([0]), 2, np.ones((1, 3)) / 3, np.ones(1))
