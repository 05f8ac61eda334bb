"""Influences and variances of metrics, against plain rewrites, weights and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn import metrics as sk

from auditor.statistics.metrics import (
    METRICS,
    BinaryCases,
    ClassCases,
    correlation,
    mean_of,
    measure,
    variance,
)
from auditor.statistics.metrics.widening import freedom_of, pair_correlation

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

OF_DECISIONS = [name for name in METRICS if name != "top-5"]


def decisions(seed: int, n: int = 120) -> tuple[BinaryCases, Integers]:
    """Decisions with ties, in 30 clusters of uneven sizes."""
    generator = np.random.default_rng(seed)
    cluster = generator.integers(0, 30, n) ** 2 // 30
    truth = generator.random(n) < 0.4
    shared = generator.normal(0, 0.6, 30)[cluster]
    score = expit(generator.normal(0, 1, n) + shared + 1.2 * truth - 0.6)
    score = np.round(score, 2).clip(0.01, 0.99)
    return BinaryCases(truth, score >= 0.45, score), cluster


def delong(positive: Floats, negative: Floats) -> float:
    """DeLong's variance from the m × n table of comparisons."""
    table = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    return float(
        table.mean(1).var(ddof=1) / len(positive) + table.mean(0).var(ddof=1) / len(negative)
    )


@pytest.mark.parametrize("seed", range(5))
def test_variance_of_auroc_is_delongs(seed: int) -> None:
    cases, _ = decisions(seed)
    assert cases.score is not None
    expected = delong(cases.score[cases.truth], cases.score[~cases.truth])
    assert variance(measure("auroc", cases, np.arange(120)), None) == pytest.approx(expected)


def test_correlation_of_two_aurocs_is_delongs() -> None:
    # Covariance of two scores of the same samples: the placement values' own covariances.
    cases, _ = decisions(0)
    assert cases.score is not None
    generator = np.random.default_rng(1)
    other = BinaryCases(
        cases.truth, cases.called, np.clip(cases.score + generator.normal(0, 0.2, 120), 0, 1)
    )
    placed = []
    for one in (cases, other):
        assert one.score is not None
        positive, negative = one.score[one.truth], one.score[~one.truth]
        table = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
        placed.append((table.mean(1), table.mean(0)))
    m, n = len(placed[0][0]), len(placed[0][1])
    covariance = (
        np.cov(placed[0][0], placed[1][0])[0, 1] / m + np.cov(placed[0][1], placed[1][1])[0, 1] / n
    )
    first, second = (measure("auroc", one, np.arange(120)) for one in (cases, other))
    expected = covariance / np.sqrt(variance(first, None) * variance(second, None))
    assert correlation(first, second, None) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "score"),
    [
        ("average-precision", sk.average_precision_score),
        ("auroc", sk.roc_auc_score),
        ("brier", sk.brier_score_loss),
    ],
)
def test_influence_of_scores_is_the_derivative_by_weight(name: str, score: object) -> None:
    assert callable(score)
    cases, _ = decisions(2)
    found = measure(name, cases, np.arange(120)).influence
    for j in range(0, 120, 7):
        weight = np.ones(120)
        weight[j] += 1e-4
        moved = score(cases.truth, cases.score, sample_weight=weight)
        derivative = (moved - score(cases.truth, cases.score)) / 1e-4
        # Means of groups carry a factor for their lost degree of freedom, at most 1.02 here.
        assert found[j] == pytest.approx(derivative, rel=0.02, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "average"), [("f1", "binary"), ("macro-f1", "macro"), ("balanced-accuracy", "")]
)
def test_influence_of_decisions_is_the_derivative_by_weight(name: str, average: str) -> None:
    cases, _ = decisions(3)
    found = measure(name, cases, np.arange(120)).influence

    def score(weight: Floats) -> float:
        if not average:
            return float(
                sk.balanced_accuracy_score(cases.truth, cases.called, sample_weight=weight)
            )
        return float(sk.f1_score(cases.truth, cases.called, average=average, sample_weight=weight))

    for j in range(0, 120, 7):
        weight = np.ones(120)
        weight[j] += 1e-4
        derivative = (score(weight) - score(np.ones(120))) / 1e-4
        assert found[j] == pytest.approx(derivative, rel=0.02, abs=1e-5)


@pytest.mark.parametrize(
    "name", ["accuracy", "sensitivity", "ppv", "f1", "auroc", "average-precision", "macro-f1"]
)
def test_variance_with_clusters_is_close_to_the_jackknife(name: str) -> None:
    cases, cluster = decisions(4, 900)
    cluster = cluster + 30 * (np.arange(900) % 6)
    rows = np.arange(900)
    names = np.unique(cluster)
    left_out = np.array(
        [measure(name, cases, rows[cluster != one]).value for one in names], dtype=np.float64
    )
    jackknife = (len(names) - 1) / len(names) * ((left_out - left_out.mean()) ** 2).sum()
    assert variance(measure(name, cases, rows), cluster) == pytest.approx(jackknife, rel=0.06)


def test_variance_of_a_mean_with_clusters_is_exactly_the_jackknife() -> None:
    # By hand: clusters 0,0,1 and 1,1 (two clusters): means without each are 1 and 1/3; jackknife
    # variance (G - 1)/G Σ (estimate - mean of estimates)² = 1/2 · 2 · (1/3)² = 1/9.
    truth = np.array([False, False, True, True, True])
    cases = BinaryCases(np.ones(5, dtype=bool), truth)
    found = measure("sensitivity", cases, np.arange(5))
    # The formula centres at the estimate 3/5 instead: 1/2 · (0.4² + (3/5 - 1/3)²).
    expected = 0.5 * (0.4**2 + (3 / 5 - 1 / 3) ** 2)
    assert variance(found, np.array([0, 0, 0, 1, 1])) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["calibration-slope", "calibration-intercept"])
def test_calibration_variance_with_even_clusters_is_close_to_statsmodels(name: str) -> None:
    generator = np.random.default_rng(5)
    cluster = np.repeat(np.arange(400), 5)
    odds = generator.normal(0, 1.5, 2000)
    truth = generator.random(2000) < expit(odds + generator.normal(0, 0.8, 400)[cluster])
    cases = BinaryCases(truth, odds > 0, expit(odds))
    assert cases.score is not None
    known = logit(cases.score)
    design = sm.add_constant(known) if name == "calibration-slope" else np.ones(2000)
    offset = None if name == "calibration-slope" else known
    fit = sm.GLM(truth.astype(float), design, family=sm.families.Binomial(), offset=offset).fit(
        cov_type="cluster", cov_kwds={"groups": cluster}
    )
    found = measure(name, cases, np.arange(2000))
    assert found.value == pytest.approx(fit.params[-1], rel=1e-6)
    assert np.sqrt(variance(found, cluster)) == pytest.approx(fit.bse[-1], rel=0.01)


@pytest.mark.parametrize("name", OF_DECISIONS)
def test_influence_is_zero_outside_of_the_slice_and_adds_up_to_about_zero(name: str) -> None:
    cases, _ = decisions(6)
    rows = np.arange(10, 90)
    found = measure(name, cases, rows)
    assert np.all(found.influence[90:] == 0)
    assert np.all(found.influence[:10] == 0)
    assert abs(found.influence.sum()) < 0.1 * np.abs(found.influence).sum()


@pytest.mark.parametrize("name", OF_DECISIONS)
def test_metric_of_a_slice_equals_that_of_its_samples_alone(name: str) -> None:
    cases, _ = decisions(7)
    rows = np.arange(20, 110)
    inside, alone = measure(name, cases, rows), measure(name, cases.taken(rows), np.arange(90))
    assert inside.value == pytest.approx(alone.value)
    assert inside.support == alone.support
    assert inside.influence[rows] == pytest.approx(alone.influence)


def test_mean_over_classes_averages_values_and_influences() -> None:
    generator = np.random.default_rng(8)
    label, predicted = generator.integers(0, 3, (2, 100))
    cases = ClassCases(label, predicted, 4, None, np.ones(100))
    rows = np.arange(100)
    parts = [measure("sensitivity", cases.of_class(k), rows) for k in range(4)]
    mean = mean_of(parts, 100)
    assert mean.value == pytest.approx(measure("balanced-accuracy", cases, rows).value)
    assert mean.influence == pytest.approx(sum(one.influence for one in parts[:3]) / 3)
    assert mean.support == 100


def test_pair_correlation_by_hand() -> None:
    # Clusters (1, 1), (0, 0), (1, 0), (0, 1): rate 1/2, residual sums 1, -1, 0, 0, leverage 1/4.
    # Products: 1 / (3/4) - 1/2, twice, and 0 - 1/2, twice: 2 · 5/6 - 1 = 2/3. Expected: 1/4 · 8 = 2.
    success = np.array([1, 1, 0, 0, 1, 0, 0, 1], dtype=bool)
    found, n_clusters = pair_correlation(success, np.repeat(np.arange(4), 2))
    assert found == pytest.approx(1 / 3)
    assert n_clusters == pytest.approx(4)


def test_degrees_of_freedom_of_equal_squares_are_the_number_less_one() -> None:
    assert freedom_of(np.array([1.0, -1.0, 1.0, -1.0])) == pytest.approx(3)


def test_degrees_of_freedom_of_one_dominant_term_are_few() -> None:
    # Squares 100, 1, 1, …: twice the squared sum over their squared deviations, 2 · 109² / 8821.9.
    terms = np.array([10.0] + [1.0] * 9)
    assert freedom_of(terms) == pytest.approx(2 * 109**2 / (10_009 - 109**2 / 10))
