"""Association, shares, dependence and fairness: against scipy, fairlearn and brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import (
    MetricFrame,
    demographic_parity_difference,
    demographic_parity_ratio,
    equal_opportunity_difference,
    equalized_odds_difference,
    false_positive_rate,
    true_positive_rate,
)
from numpy.typing import NDArray
from scipy.stats import binomtest, chi2_contingency, chisquare, fisher_exact
from scipy.stats.contingency import association as scipy_association
from sklearn.metrics import mutual_info_score

from auditor.statistics import (
    association,
    class_rates,
    collection_plan,
    conditional_dependence,
    confusions,
    cramers_v,
    fairness_distances,
    representation,
)

# --- association -------------------------------------------------------------------------------


def test_association_equals_scipy_up_to_the_bias_correction() -> None:
    table = np.array([[40, 22, 31], [18, 45, 27]])
    ours = association(table)
    assert ours.p_value == pytest.approx(chi2_contingency(table, correction=False).pvalue)
    # Bergsma (2013), written out from scipy's uncorrected V.
    n = table.sum()
    phi = scipy_association(table, method="cramer") ** 2 * 1 - 2 / (n - 1)
    rows, columns = 2 - 1 / (n - 1), 3 - 4 / (n - 1)
    assert ours.strength.value == pytest.approx(np.sqrt(phi / min(rows - 1, columns - 1)))
    assert ours.strength.low < ours.strength.value < ours.strength.high


def test_association_independent_columns_keep_the_level() -> None:
    generator = np.random.default_rng(0)
    p_values, strengths = [], []
    for _ in range(300):
        label, attribute = generator.random(400) < 0.1, generator.integers(0, 3, 400)
        table = np.array(
            [[np.sum((label == a) & (attribute == b)) for b in range(3)] for a in (0, 1)]
        )
        result = association(table)
        p_values.append(result.p_value)
        strengths.append(result.strength.value)
    assert np.mean(np.array(p_values) <= 0.05) <= 0.08
    assert np.median(strengths) < 0.05


def test_association_small_expected_counts_use_permutations() -> None:
    table = np.array([[3, 0], [1, 4]])
    ours = association(table, n_permutations=20000, seed=1)
    assert ours.method == "permutation"
    # In a 2 × 2 table the statistic orders as Fisher's two-sided test does here.
    assert ours.p_value == pytest.approx(fisher_exact(table).pvalue, abs=0.01)
    assert association(table, seed=5) == association(table, seed=5)


def test_association_identical_columns_has_strength_one() -> None:
    assert association(np.diag([50, 80, 20])).strength.value == pytest.approx(1.0)
    assert association(np.diag([50, 80, 20])).strength.high == 1.0


def test_association_single_value_is_untestable() -> None:
    for table in ([[5, 4, 9]], [[5, 0], [9, 0]], [[0, 0], [0, 0]]):
        result = association(table)
        assert result.method == "untestable"
        assert np.isnan(result.p_value)


@pytest.mark.parametrize("truth", [0.0, 0.3, 0.6])
def test_association_interval_covers(truth: float) -> None:
    generator = np.random.default_rng(4)
    law = np.full((3, 3), (1 - truth) / 9) + np.eye(3) * truth / 3  # Cramér's V is `truth`
    hits = 0
    for _ in range(400):
        strength = association(generator.multinomial(300, law.ravel()).reshape(3, 3)).strength
        hits += strength.low <= truth <= strength.high
    assert hits / 400 >= 0.92


# --- collection plan ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "table", [[[12, 4], [3, 11]], [[20, 5], [20, 15]], [[9, 1], [8, 12]], [[0, 6], [7, 1]]]
)
def test_collection_plan_is_nearly_the_shortest(table: list[list[int]]) -> None:
    counts, limit = np.array(table), 0.15
    plan = collection_plan(counts, limit)
    assert cramers_v(counts + plan) <= limit
    shortest = min(
        sum(extra)
        for extra in itertools.product(range(13), repeat=4)
        if sum(extra) <= plan.sum() and cramers_v(counts + np.array(extra).reshape(2, 2)) <= limit
    )
    assert plan.sum() <= shortest + 1


def test_collection_plan_large_table_fills_the_rare_cells() -> None:
    # Doctors are mostly men and nurses mostly women: the remedy is the other two cells.
    counts = np.array([[4000, 1000], [900, 4100]])
    plan = collection_plan(counts, 0.1)
    assert (plan[0, 0], plan[1, 1]) == (0, 0)
    assert plan[0, 1] > 0
    assert plan[1, 0] > 0
    assert 0.0995 < cramers_v(counts + plan) <= 0.1


def test_collection_plan_is_empty_if_not_needed_or_not_possible() -> None:
    assert collection_plan([[50, 50], [50, 50]], 0.1).sum() == 0
    assert collection_plan([[50, 40]], 0.1).sum() == 0
    assert collection_plan([[50, 0], [40, 0]], 0.1).sum() == 0
    with pytest.raises(ValueError, match="limit above 0"):
        collection_plan([[5, 1], [1, 5]], 0)


# --- shares ------------------------------------------------------------------------------------


def test_representation_equals_scipy_chi_squared_test() -> None:
    counts = [48, 35, 15, 22]
    assert representation(counts).p_value == pytest.approx(chisquare(counts).pvalue)
    weights = np.array([4, 3, 1, 2])
    theirs = chisquare(counts, weights / 10 * 120).pvalue
    assert representation(counts, weights).p_value == pytest.approx(theirs)


def test_representation_small_counts_equal_exact_binomial_test() -> None:
    ours = representation([1, 7], n_draws=20000)
    assert ours.method == "monte-carlo"
    assert ours.p_value == pytest.approx(binomtest(1, 8).pvalue, abs=0.01)


def test_representation_degenerate_input() -> None:
    assert representation([5, 3], [1, 0]).p_value == 0.0
    assert representation([5, 0], [1, 0]).p_value == 1.0
    assert np.isnan(representation([5]).p_value)
    assert np.isnan(representation([0, 0]).p_value)
    with pytest.raises(ValueError, match="weights"):
        representation([5, 3], [1, 2, 3])


def test_confusions_against_equal_shares_equal_binomial_test() -> None:
    matrix = np.array([[80, 9, 1, 2], [3, 60, 4, 3], [0, 0, 70, 0], [5, 5, 5, 40]])
    ours = confusions(matrix)
    theirs = binomtest(9, 12, 1 / 3, alternative="greater")
    assert ours.p_value[0, 1] == pytest.approx(theirs.pvalue)
    interval = theirs.proportion_ci(method="wilson")  # one-sided there; only the value is shared
    assert ours.share.low[0, 1] < ours.share.value[0, 1] == pytest.approx(9 / 12)
    assert interval.high == 1.0
    assert np.isnan(ours.p_value[2]).all()  # no failure, nothing to test
    assert np.isnan(np.diag(ours.share.value)).all()
    assert np.isnan(confusions([[5, 3], [2, 9]]).p_value).all()  # one wrong class: no choice


def test_confusions_of_other_labels_equal_a_count_by_hand() -> None:
    matrix = [[80, 12, 3, 1], [9, 70, 6, 5], [2, 1, 90, 5], [4, 3, 1, 60]]
    ours = confusions(matrix)
    # Label 0 predicted as 1: labels 2 and 3 have 8 + 8 failures, 1 + 3 of them predicted as 1.
    assert ours.n_others[0, 1] == 16
    assert ours.of_others[0, 1] == pytest.approx(4 / 16)
    # Label 3 predicted as 2: labels 0 and 1 have 16 + 20 failures, 3 + 6 of them predicted as 2.
    assert ours.of_others[3, 2] == pytest.approx(9 / 36)
    assert ours.expected == pytest.approx(1 / 3)
    assert np.isnan(confusions([[5, 3], [2, 9]]).of_others).all()


# --- dependence --------------------------------------------------------------------------------


def test_conditional_dependence_information_equals_scikit_learn() -> None:
    generator = np.random.default_rng(5)
    label, attribute, predicted = (generator.integers(0, k, 500) for k in (3, 2, 3))
    counts = np.zeros((3, 2, 3), dtype=int)
    np.add.at(counts, (label, attribute, predicted), 1)
    by_hand = sum(
        np.mean(label == one) * mutual_info_score(attribute[label == one], predicted[label == one])
        for one in range(3)
    )
    ours = conditional_dependence(counts)
    assert ours.information == pytest.approx(by_hand)
    assert abs(ours.excess) < 0.01


def test_conditional_dependence_p_value_equals_permuted_rows() -> None:
    counts = np.array([[[9, 3], [4, 7]], [[6, 2], [11, 8]]])
    label, attribute, predicted = np.repeat(np.indices((2, 2, 2)).reshape(3, -1), counts.ravel(), 1)
    generator = np.random.default_rng(11)

    def information(values: NDArray[np.int64]) -> float:
        parts = [
            np.mean(label == one) * mutual_info_score(values[label == one], predicted[label == one])
            for one in range(2)
        ]
        return float(sum(parts))

    seen, reached = information(attribute), 0
    for _ in range(1000):
        permuted = attribute.copy()
        for one in range(2):
            permuted[label == one] = generator.permutation(attribute[label == one])
        reached += information(permuted) >= seen - 1e-9
    ours = conditional_dependence(counts, 9999)
    # Three standard errors of both: 3 · sqrt(0.136 · 0.864 · (1 / 1000 + 1 / 999)).
    assert ours.p_value == pytest.approx(reached / 1000, abs=0.046)
    assert 0.05 < ours.p_value < 0.5


def test_conditional_dependence_keeps_its_level_and_has_power() -> None:
    generator = np.random.default_rng(6)
    p_values = []
    for trial in range(200):
        # The attribute goes with the label, the prediction with the label only.
        sizes = np.array([[60, 20], [15, 50]])
        rates = np.array([0.2, 0.7])
        chosen = generator.binomial(sizes, rates[:, None])
        counts = np.stack([sizes - chosen, chosen], axis=2)
        p_values.append(conditional_dependence(counts, 199, seed=trial).p_value)
    assert np.mean(np.array(p_values) <= 0.05) <= 0.09
    strong = np.array([[[50, 10], [5, 15]], [[10, 5], [10, 40]]])
    assert conditional_dependence(strong).p_value < 0.01
    assert np.isnan(conditional_dependence(np.array([[[5, 3], [0, 0]]])).p_value)


# --- fairness ----------------------------------------------------------------------------------


def test_fairness_distances_equal_fairlearn() -> None:
    generator = np.random.default_rng(7)
    label = generator.integers(0, 3, 900)
    attribute = generator.integers(0, 4, 900)
    predicted = np.where(generator.random(900) < 0.3 + attribute / 10, 1, label)
    counts = np.zeros((4, 3, 3), dtype=int)
    np.add.at(counts, (attribute, label, predicted), 1)
    rates = class_rates(counts)
    ours = fairness_distances(rates)
    for one in range(3):
        truth, guess = label == one, predicted == one
        arguments = {"y_true": truth, "y_pred": guess, "sensitive_features": attribute}
        for value, expected in [
            (ours.demographic_parity_difference, demographic_parity_difference(**arguments)),
            (ours.demographic_parity_ratio, demographic_parity_ratio(**arguments)),
            (ours.equal_opportunity_difference, equal_opportunity_difference(**arguments)),
            (ours.equalized_odds_difference, equalized_odds_difference(**arguments)),
        ]:
            assert value[one] == pytest.approx(expected)
        assert ours.meets_four_fifths[one] == (demographic_parity_ratio(**arguments) >= 0.8)
        frame: pd.DataFrame = MetricFrame(
            metrics={"true": true_positive_rate, "false": false_positive_rate}, **arguments
        ).by_group
        np.testing.assert_allclose(rates.true_positive.value[:, one], frame["true"])
        np.testing.assert_allclose(rates.false_positive.value[:, one], frame["false"])


def test_fairness_distances_ignore_missing_cells() -> None:
    counts = np.array([[[8, 2], [1, 9]], [[5, 5], [0, 0]]])  # value 1 has no sample of class 1
    rates = class_rates(counts)
    assert np.isnan(rates.true_positive.value[1, 1])
    assert fairness_distances(rates).equal_opportunity_difference[1] == 0.0
    with pytest.raises(ValueError, match="same classes"):
        class_rates(np.zeros((2, 3, 4)))


def test_rates_of_a_value_without_positives_are_undefined_where_fairlearn_says_zero() -> None:
    # Value 1 has no sample of class 1, so recall of class 1 and false alarms of class 0 have no
    # denominator. fairlearn gives 0 for both, and calls that a distance.
    counts = np.array([[[8, 2], [1, 9]], [[5, 5], [0, 0]]])
    cells = np.argwhere(counts)
    attribute, label, predicted = np.repeat(cells, counts[tuple(cells.T)], axis=0).T
    rates = class_rates(counts)
    for one, kind, theirs in [
        (1, "true_positive", true_positive_rate),
        (0, "false_positive", false_positive_rate),
    ]:
        arguments = {"y_true": label == one, "y_pred": predicted == one}
        by_group = MetricFrame(metrics=theirs, sensitive_features=attribute, **arguments).by_group
        ours = getattr(rates, kind).value[:, one]
        assert ours[0] == pytest.approx(by_group[0])
        assert by_group[1] == 0.0
        assert np.isnan(ours[1])
    arguments = {"y_true": label == 1, "y_pred": predicted == 1, "sensitive_features": attribute}
    assert equal_opportunity_difference(**arguments) == pytest.approx(0.9)
    assert fairness_distances(rates).equal_opportunity_difference[1] == 0.0
