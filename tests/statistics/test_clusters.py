"""Samples in clusters: against statsmodels, enumeration, plain rewrites and seeded simulation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy.stats import hypergeom
from scipy.stats import t as student

from auditor.statistics import (
    Floats,
    Gaps,
    Integers,
    cluster_design,
    cluster_p_value,
    clustered_dependence,
    clustered_gap,
    clustered_interaction,
    clustered_map_difference,
    clustered_mean_gap,
    clustered_wilson,
    conditional_dependence,
    find_series,
    map_difference,
    proportion,
    series,
    stratified_gap,
    stratified_interaction,
    stratified_mean_gap,
)
from auditor.statistics.cluster_cells import Cells
from auditor.statistics.cluster_columns import Given
from auditor.statistics.cluster_permutation import ClusterPermutation
from auditor.statistics.cluster_within import Within

Booleans = NDArray[np.bool_]


def _patients(
    seed: int, n_patients: int = 60, images: int = 10, rate: float = 0.2, correlation: float = 0.3
) -> tuple[Floats, Integers, Integers, np.random.Generator]:
    """Failures (beta-binomial), labels and patients of images."""
    generator = np.random.default_rng(seed)
    patient = np.repeat(np.arange(n_patients), images)
    scale = (1 - correlation) / correlation
    risk = generator.beta(rate * scale, (1 - rate) * scale, n_patients)
    failed = (generator.random(len(patient)) < risk[patient]).astype(np.float64)
    return failed, generator.integers(0, 2, len(patient)), patient, generator


def _without_clusters(failed: Floats, inside: Booleans, label: Integers) -> Gaps:
    sides, n_labels = (inside, ~inside), int(label.max()) + 1
    failures = [np.bincount(label[side], failed[side], n_labels) for side in sides]
    totals = [np.bincount(label[side], minlength=n_labels) for side in sides]
    return stratified_gap(failures[0], totals[0], failures[1], totals[1])


# --- correlation and design effect -------------------------------------------------------------


def test_correlation_by_hand() -> None:
    # Means 1, 3, 2; grand mean 2. Between: 2 · (1 + 1 + 0) / 2 = 2. Within: (2 + 2 + 0) / 3 = 4/3.
    design = cluster_design([0, 2, 2, 4, 2, 2], list("aabbcc"))
    assert design.correlation == pytest.approx((2 - 4 / 3) / (2 + 4 / 3))
    assert design.design_effect == pytest.approx(1 + design.correlation)
    assert design.effective_size == pytest.approx(6 / design.design_effect)
    assert (design.n_samples, design.n_clusters, design.effective_clusters) == (6, 3, 3.0)


def test_correlation_of_even_clusters_agrees_with_a_mixed_model_of_statsmodels() -> None:
    generator = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 6)
    values = generator.normal(size=240) + generator.normal(0, 0.7, 40)[groups]
    fit = sm.MixedLM(values, np.ones((240, 1)), groups).fit(reml=True)
    between = float(
        fit.cov_re[0, 0] if isinstance(fit.cov_re, np.ndarray) else fit.cov_re.iloc[0, 0]
    )
    ours = cluster_design(values, groups).correlation
    assert ours == pytest.approx(between / (between + fit.scale), abs=1e-4)


def test_design_effect_of_uneven_clusters_weights_them_by_size() -> None:
    failed, _, patient, _ = _patients(1)
    kept = np.concatenate([np.arange(200), np.arange(200, 600, 3)])
    design = cluster_design(failed[kept], patient[kept])
    sizes = np.bincount(patient[kept])
    weighted = (sizes**2).sum() / sizes.sum()
    assert design.design_effect == pytest.approx(1 + (weighted - 1) * design.correlation)
    assert design.effective_clusters == pytest.approx(sizes.sum() ** 2 / (sizes**2).sum())


def test_correlation_that_cannot_be_known_is_nan() -> None:
    for values, groups in (([0, 1, 1], [1, 2, 3]), ([0, 1, 1], [1, 1, 1]), ([1, 1, 1], [1, 1, 2])):
        design = cluster_design(values, groups)
        assert np.isnan([design.correlation, design.design_effect, design.effective_size]).all()
    with pytest.raises(ValueError, match="finite value"):
        cluster_design([0.0, np.nan], [1, 2])


# --- rates -------------------------------------------------------------------------------------


def test_rates_without_clusters_are_those_of_independent_samples() -> None:
    failed = np.array([0, 1, 1, 0, 0, 0])
    ours = clustered_wilson(failed, [np.array([0, 1, 2]), np.array([3, 4, 5])], np.arange(6), 0.9)
    theirs = proportion([2, 0], [3, 3], 0.9)
    np.testing.assert_allclose(ours.low, theirs.low)
    np.testing.assert_allclose(ours.high, theirs.high)


def test_copies_of_a_sample_count_once() -> None:
    failed = np.repeat((np.arange(50) < 10).astype(float), 8)
    ours = clustered_wilson(failed, [np.arange(400)], np.repeat(np.arange(50), 8))[0]
    # Telling clusters: squares 0.64 of ten and 0.04 of forty, (8)² / (10 · 0.64² + 40 · 0.04²).
    quantile = student.isf(0.025, 64 / (10 * 0.64**2 + 40 * 0.04**2) - 1)
    factor = (quantile / 1.96) ** 2
    once = proportion(10 / factor, 50 / factor)[()]
    assert (ours.low, ours.high) == pytest.approx((once.low, once.high), rel=0.01)


def test_rate_of_an_empty_slice_is_unknown() -> None:
    nothing = clustered_wilson([0, 1], [np.array([], dtype=np.int64)], [1, 1])[0]
    assert np.isnan(nothing.value)
    assert (nothing.low, nothing.high) == (0.0, 1.0)


# --- gaps --------------------------------------------------------------------------------------


def test_gap_without_clusters_is_the_stratified_gap() -> None:
    failed, label, _, generator = _patients(2)
    inside = generator.random(600) < 0.3
    ours = clustered_gap(failed, [np.flatnonzero(inside)], label, np.arange(600))
    theirs = _without_clusters(failed, inside, label)
    assert ours.gap[0] == theirs.gap[()]
    assert ours.p_value[0] == theirs.p_value
    assert ours.base_rate[0] == theirs.base_rate
    assert ours.n_slice[0] == ours.n_slice_clusters[0] == ours.effective_slice[0] == inside.sum()
    assert ours.design_effect[0] == 1


def test_gap_is_the_coefficient_of_a_regression_with_strata() -> None:
    failed, label, patient, generator = _patients(3)
    inside = generator.random(600) < 0.2 + 0.3 * label
    design = np.stack([inside, label == 0, label == 1], axis=1).astype(float)
    fit = sm.OLS(failed, design).fit()
    ours = clustered_gap(failed, [np.flatnonzero(inside)], label, patient)
    assert ours.gap.value[0] == pytest.approx(fit.params[0])


@pytest.mark.parametrize("varies", [False, True])
def test_uncertainty_agrees_with_cluster_robust_statsmodels(*, varies: bool) -> None:
    failed, label, patient, generator = _patients(4, n_patients=400, images=8)
    chosen = generator.random(len(failed) if varies else 400) < 0.4
    inside = chosen if varies else chosen[patient]
    design = np.stack([inside, label == 0, label == 1], axis=1).astype(float)
    fit = sm.OLS(failed, design).fit(cov_type="cluster", cov_kwds={"groups": patient})
    gap = clustered_gap(failed, [np.flatnonzero(inside)], label, patient)
    mean = clustered_mean_gap(failed, inside, label, patient, n_permutations=0)
    for interval in (gap.gap[0], mean.gap):
        error = (interval.high - interval.low) / 2 / 1.96
        assert error == pytest.approx(float(fit.bse[0]), rel=0.12)
    assert float(gap.p_value[0]) == pytest.approx(float(fit.pvalues[0]), abs=0.06)
    assert mean.p_value == pytest.approx(float(fit.pvalues[0]), abs=0.06)


def test_clustered_gap_without_samples_is_unknown() -> None:
    nothing = np.zeros(0, dtype=np.int64)
    gap = clustered_gap(nothing, [nothing, nothing], nothing, nothing)
    assert np.isnan(gap.p_value).all()
    assert gap.gap.low.tolist() == [-1.0, -1.0]
    assert gap.n_slice.tolist() == [0.0, 0.0]


def test_every_image_twice_is_no_more_evidence() -> None:
    failed, label, patient, generator = _patients(5, n_patients=200, images=1)
    inside = generator.random(200) < 0.4
    once = clustered_gap(failed, [np.flatnonzero(inside)], label, patient)
    rows = np.repeat(np.arange(200), 2)
    twice = clustered_gap(failed[rows], [np.flatnonzero(inside[rows])], label[rows], patient[rows])
    assert twice.gap.value[0] == pytest.approx(once.gap.value[0])
    assert twice.gap.low[0] == pytest.approx(once.gap.low[0], abs=0.005)
    assert twice.gap.high[0] == pytest.approx(once.gap.high[0], abs=0.005)
    assert twice.p_value[0] == pytest.approx(once.p_value[0], abs=0.05)
    assert twice.design_effect[0] == pytest.approx(2, rel=0.02)
    assert twice.effective_slice[0] == pytest.approx(inside.sum(), rel=0.02)


def test_test_of_whole_clusters_agrees_with_enumeration() -> None:
    failed, _, patient, _ = _patients(6, n_patients=11, images=6, rate=0.4)
    inside = np.isin(patient, [1, 3, 4, 8, 9])
    sums = np.bincount(patient, failed)
    # Clusters of one size in one stratum: the statistic is the distance of the sum from its mean.
    middle = sums.mean() * 5
    drawn = [abs(sums[list(some)].sum() - middle) for some in itertools.combinations(range(11), 5)]
    seen = abs(sums[[1, 3, 4, 8, 9]].sum() - middle)
    exact = float(np.mean(np.array(drawn) >= seen - 1e-9))
    strata = np.zeros(66, dtype=np.int64)
    cells, score = Cells.of(strata, patient), (failed - failed.mean())[:, None]
    test = ClusterPermutation(
        cells, Given(inside[:, None].astype(float)), Given(score), np.ones((11, 1))
    )
    reached = np.abs(test.draw(4000)[:, 0, 0]) >= abs(test.observed[0, 0]) - 1e-9
    assert reached.mean() == pytest.approx(exact, abs=3 * np.sqrt(exact * (1 - exact) / 4000))


def test_permutation_inside_clusters_agrees_with_the_hypergeometric_law() -> None:
    # Two clusters of five: two and three members, one and two failures.
    patient = np.repeat([0, 1], 5)
    members = np.array([1, 1, 0, 0, 0, 1, 1, 1, 0, 0], dtype=float)[:, None]
    failed = np.array([1, 0, 0, 0, 0, 1, 0, 1, 0, 0], dtype=float)[:, None]
    cells = Cells.of(np.zeros(10, dtype=np.int64), patient)
    within = Within.of(cells, Given(members), Given(failed))
    laws = hypergeom(5, 1, 2), hypergeom(5, 2, 3)
    assert within.variance[0, 0] == pytest.approx(sum(law.var() for law in laws))
    # Sums are of failures less the rate of the cluster: 2 · 0.2 + 3 · 0.4 = 1.6 is expected.
    assert within.total[0, 0] == pytest.approx(3 - 1.6)
    drawn = within.draw(20_000, np.random.default_rng(0))[:, 0, 0] + 1.6
    for count in range(4):
        mass = sum(laws[0].pmf(k) * laws[1].pmf(count - k) for k in range(2))
        assert np.isclose(drawn, count).mean() == pytest.approx(mass, abs=0.012)


def test_permutation_inside_clusters_of_numbers_keeps_mean_and_variance() -> None:
    generator = np.random.default_rng(7)
    patient = np.repeat(np.arange(6), 7)
    values = generator.normal(size=(42, 2)) + generator.normal(size=(6, 1))[patient]
    members = np.eye(3)[generator.integers(0, 3, 42)]
    cells = Cells.of(np.zeros(42, dtype=np.int64), patient)
    within = Within.of(cells, Given(members), Given(values))
    drawn = within.draw(8000, generator)
    np.testing.assert_allclose(drawn.var(0), within.variance, rtol=0.08)
    np.testing.assert_allclose(drawn.mean(0), 0, atol=0.1)
    # The plain sum of what members have beyond the mean of their cluster.
    mean = np.stack([values[patient == one].mean(0) for one in range(6)])[patient]
    np.testing.assert_allclose(within.total, members.T @ (values - mean), atol=1e-9)


def test_normal_limit_agrees_with_a_plain_permutation() -> None:
    for seed in range(3):
        failed, _, patient, generator = _patients(seed, n_patients=900, images=4)
        inside = generator.random(900)[patient] * 0.7 + generator.random(3600) * 0.3 < 0.4
        limit = clustered_mean_gap(failed, inside, np.zeros(3600), patient, n_permutations=0)
        plain = _plain_p_value(failed - failed.mean(), inside, patient)
        # Four standard errors of the 400 draws, and what the rewrite does not standardise.
        assert limit.p_value == pytest.approx(
            plain, abs=0.02 + 4 * np.sqrt(plain * (1 - plain) / 400)
        )


def _plain_p_value(score: Floats, inside: Booleans, patient: Integers) -> float:
    """Shares are permuted over patients and deviations inside patients, draw by draw."""
    generator = np.random.default_rng(11)
    size = np.bincount(patient)
    share, sums = np.bincount(patient, inside) / size, np.bincount(patient, score)
    inner = score - (sums / size)[patient]
    seen = abs(float(share @ sums + (inside * inner).sum()))
    reached = 0
    for _ in range(400):
        order = np.lexsort((generator.random(len(patient)), patient))
        drawn = generator.permutation(share) @ sums + inside[order] @ inner
        reached += abs(float(drawn)) >= seen
    return (reached + 1) / 401


@pytest.mark.parametrize("attribute", ["constant", "varying", "mixed"])
def test_an_innocent_attribute_of_patients_is_rarely_accused(attribute: str) -> None:
    accused, accused_plain, covered = 0, 0, 0
    for trial in range(120):
        failed, label, patient, generator = _patients(trial, n_patients=40, correlation=0.3)
        share = {
            "constant": (generator.random(40) < 0.4).astype(float),
            "varying": np.full(40, 0.4),
            "mixed": generator.beta(0.5, 0.7, 40),
        }[attribute]
        inside = generator.random(400) < share[patient]
        ours = clustered_gap(failed, [np.flatnonzero(inside)], label, patient)
        plain = _without_clusters(failed, inside, label)
        accused += int(ours.p_value[0] <= 0.05)
        accused_plain += int(plain.p_value <= 0.05)
        covered += int(ours.gap.low[0] <= 0 <= ours.gap.high[0])
    # 5 % of 120 is 6; 14 is three standard errors more.
    assert accused <= 14
    assert covered >= 106
    if attribute == "constant":
        assert accused_plain >= 24


def test_a_gap_between_patients_is_found() -> None:
    failed, label, patient, generator = _patients(8, n_patients=60, rate=0.1, correlation=0.1)
    inside = (np.arange(60) % 3 == 0)[patient]
    failed = np.where(inside, np.maximum(failed, generator.random(600) < 0.3), failed)
    ours = clustered_gap(failed, [np.flatnonzero(inside)], label, patient)
    assert ours.p_value[0] <= 0.001
    assert ours.gap.low[0] > 0


def test_slices_of_few_clusters_are_not_tested() -> None:
    failed, label, patient, _ = _patients(9)
    slices = [
        np.flatnonzero(patient < 4),
        np.flatnonzero(patient < 5),
        np.flatnonzero(patient < 57),
    ]
    ours = clustered_gap(failed, slices, label, patient)
    assert np.isnan(ours.p_value).tolist() == [True, False, True]
    assert ours.n_slice_clusters.tolist() == [4, 5, 57]
    assert np.isfinite(ours.gap.value).all()
    one = clustered_gap(failed, [np.flatnonzero(patient == 0)], label, patient)
    assert (one.gap.low[0], one.gap.high[0]) == (-1.0, 1.0)


def test_a_slice_without_rest_has_no_gap() -> None:
    failed, label, patient, _ = _patients(10)
    ours = clustered_gap(failed, [np.arange(600), np.arange(0)], label, patient)
    assert np.isnan(ours.gap.value).all()
    assert np.isnan(ours.p_value).all()
    assert ours.gap.low.tolist() == [-1.0, -1.0]
    assert ours.n_slice.tolist() == [0, 0]
    mean = clustered_mean_gap(failed, np.ones(600, dtype=bool), label, patient)
    assert np.isnan(mean.gap.value)
    assert np.isnan(mean.p_value)


def test_a_slice_of_one_label_is_compared_within_that_label() -> None:
    failed, label, patient, generator = _patients(11)
    inside = (label == 1) & (generator.random(600) < 0.3)
    among = label == 1
    ours = clustered_gap(failed, [np.flatnonzero(inside)], label, patient)
    alone = clustered_gap(
        failed[among], [np.flatnonzero(inside[among])], label[among], patient[among]
    )
    assert ours.gap[0] == alone.gap[0]
    assert ours.p_value[0] == alone.p_value[0]
    assert ours.n_rest[0] == among.sum() - inside.sum()


def test_no_failure_counts_clusters_and_is_no_evidence() -> None:
    _, label, patient, _ = _patients(12)
    inside = np.flatnonzero(patient % 2 == 0)
    ours = clustered_gap(np.zeros(600), [inside], np.zeros(600), patient)
    assert ours.p_value[0] == 1.0
    # Nothing is known of the correlation, so 300 images of 30 patients count as 30.
    assert ours.effective_slice[0] == pytest.approx(30)
    assert ours.gap.low[0] < -0.08
    assert ours.gap.high[0] > 0.08
    assert clustered_mean_gap(np.ones(600), patient % 2 == 0, label, patient).p_value == 1.0


def test_one_slice_does_not_depend_on_the_others() -> None:
    failed, label, patient, _ = _patients(13)
    slices = [np.flatnonzero(patient % 3 == one) for one in range(3)]
    together = clustered_gap(failed, slices, label, patient)
    for k, rows in enumerate(slices):
        alone = clustered_gap(failed, [rows], label, patient)
        assert together.gap[k] == alone.gap[0]
        assert together.p_value[k] == alone.p_value[0]


def test_groups_and_strata_may_have_any_names() -> None:
    failed, label, patient, _ = _patients(14)
    rows = np.flatnonzero(patient % 4 == 0)
    numbers = clustered_gap(failed, [rows], label, patient)
    names = clustered_gap(
        failed,
        [rows],
        np.array(["benign", "malignant"])[label],
        np.array([f"patient {k:03d}" for k in range(60)])[patient],
    )
    assert numbers.gap[0] == names.gap[0]
    assert numbers.p_value[0] == names.p_value[0]


def test_wrong_arguments_are_refused() -> None:
    rows = [np.array([0])]
    with pytest.raises(ValueError, match="0 and 1"):
        clustered_gap([0.5, 1], rows, [0, 0], [0, 1])
    with pytest.raises(ValueError, match="one finite value and one group"):
        clustered_gap([0, 1], rows, [0, 0], [0])
    with pytest.raises(ValueError, match="one stratum and one group"):
        clustered_gap([0, 1], rows, [0], [0, 1])
    with pytest.raises(ValueError, match="share, not a percentage"):
        clustered_gap([0, 1], rows, [0, 0], [0, 1], confidence=95)
    with pytest.raises(ValueError, match="membership of 2 samples"):
        clustered_mean_gap([0, 1], [True], [0, 0], [0, 1])


# --- means -------------------------------------------------------------------------------------


def test_mean_gap_without_clusters_is_the_stratified_one() -> None:
    failed, label, _, generator = _patients(15)
    values, inside = failed + generator.normal(size=600), generator.random(600) < 0.3
    ours = clustered_mean_gap(values, inside, label, np.arange(600), n_permutations=0)
    theirs = stratified_mean_gap(values, inside, label, n_permutations=0)
    assert (ours.gap, ours.p_value) == (theirs.gap, theirs.p_value)
    assert (ours.n_slice, ours.n_rest) == (theirs.n_slice, theirs.n_rest)


def test_mean_gap_does_not_depend_on_the_unit() -> None:
    failed, label, patient, generator = _patients(16)
    inside = generator.random(600) < 0.3
    one = clustered_mean_gap(failed, inside, label, patient)
    other = clustered_mean_gap(7 - 1000 * failed, inside, label, patient)
    assert other.gap.value == pytest.approx(-1000 * one.gap.value)
    assert other.gap.low == pytest.approx(-1000 * one.gap.high)
    assert other.p_value == pytest.approx(one.p_value, abs=0.05)


def test_mean_gap_of_few_clusters_is_not_tested() -> None:
    failed, label, patient, _ = _patients(17)
    assert np.isnan(clustered_mean_gap(failed, patient < 4, label, patient).p_value)
    lone = clustered_mean_gap(failed, patient < 1, label, patient)
    assert (lone.gap.low, lone.gap.high) == (-np.inf, np.inf)


# --- dependence and maps -----------------------------------------------------------------------


def test_dependence_without_clusters_is_the_plain_one() -> None:
    generator = np.random.default_rng(18)
    label, attribute, predicted = generator.integers(0, 3, (3, 200))
    counts = np.zeros((3, 3, 3), dtype=int)
    np.add.at(counts, (label, attribute, predicted), 1)
    ours = clustered_dependence(attribute, predicted, label, np.arange(200))
    assert ours == conditional_dependence(counts)


def _predictions(seed: int) -> tuple[Integers, Integers, Integers, np.random.Generator]:
    """Predictions of images whose patients differ in how they are mistaken, labels and patients."""
    generator = np.random.default_rng(seed)
    patient = np.repeat(np.arange(40), 8)
    label = generator.integers(0, 3, 320)
    hard = generator.beta(0.3, 1.2, 40)
    towards = generator.integers(1, 3, 40)
    wrong = generator.random(320) < hard[patient]
    return np.where(wrong, (label + towards[patient]) % 3, label), label, patient, generator


def test_dependence_of_an_innocent_attribute_is_rarely_reported() -> None:
    p_values, plain = [], []
    for trial in range(60):
        predicted, label, patient, generator = _predictions(trial)
        attribute = generator.integers(0, 3, 40)[patient]
        p_values.append(clustered_dependence(attribute, predicted, label, patient).p_value)
        counts = np.zeros((3, 3, 3), dtype=int)
        np.add.at(counts, (label, attribute, predicted), 1)
        plain.append(conditional_dependence(counts, 999).p_value)
    # 5 % of 60 is 3; 8 is three standard errors more.
    assert np.sum(np.array(p_values) <= 0.05) <= 8
    assert np.sum(np.array(plain) <= 0.05) >= 30


def test_dependence_is_found() -> None:
    predicted, label, patient, generator = _predictions(19)
    attribute = generator.integers(0, 2, 40)[patient]
    moved = (attribute == 1) & (generator.random(320) < 0.4)
    found = clustered_dependence(attribute, np.where(moved, 0, predicted), label, patient)
    assert found.p_value <= 0.01
    assert found.information > found.excess > 0


def test_dependence_that_cannot_be_tested_is_nan() -> None:
    predicted, label, patient, _ = _predictions(20)
    assert np.isnan(clustered_dependence(np.zeros(320), predicted, label, patient).p_value)
    assert np.isnan(clustered_dependence(patient < 4, predicted, label, patient).p_value)
    with pytest.raises(ValueError, match="four arrays"):
        clustered_dependence([0], predicted, label, patient)


def test_map_difference_without_clusters_is_the_plain_one() -> None:
    first, second = np.random.default_rng(21).random((2, 9, 3, 4))
    ours = clustered_map_difference(first, second, np.arange(9), np.arange(9, 18))
    theirs = map_difference(first, second)
    np.testing.assert_array_equal(ours.p_values, theirs.p_values)


def test_map_difference_of_patients_is_found_where_it_is() -> None:
    generator = np.random.default_rng(30)
    patient = np.repeat(np.arange(24), 5)
    maps = generator.random((120, 4, 4)) + 0.3 * generator.random((24, 4, 4))[patient]
    inside = patient % 2 == 0
    maps[inside, 1, 2] += 0.5
    found = clustered_map_difference(
        maps[inside], maps[~inside], patient[inside], patient[~inside], n_permutations=999
    )
    assert np.argwhere(found.p_values <= 0.05).tolist() == [[1, 2]]
    assert found.difference[1, 2] == pytest.approx(
        maps[inside, 1, 2].mean() - maps[~inside, 1, 2].mean()
    )


def test_map_difference_of_few_patients_is_not_tested() -> None:
    maps = np.random.default_rng(23).random((40, 2, 2))
    patient = np.repeat(np.arange(8), 5)
    few = clustered_map_difference(maps[:20], maps[20:], patient[:20], patient[20:])
    assert np.isnan(few.p_value)
    with pytest.raises(ValueError, match="one group per map"):
        clustered_map_difference(maps[:20], maps[20:], patient[:20], patient)


# --- interactions ------------------------------------------------------------------------------


def _interaction_counts(
    failed: Floats, first: Booleans, second: Booleans, label: Integers
) -> tuple[Floats, Floats]:
    sides = (first & second, first & ~second, ~first & second, ~first & ~second)
    failures = [np.bincount(label[side], failed[side], 2) for side in sides]
    totals = [np.bincount(label[side], minlength=2).astype(np.float64) for side in sides]
    return np.stack(failures), np.stack(totals)


def test_interaction_without_clusters_is_the_stratified_one() -> None:
    failed, label, _, generator = _patients(28)
    first, second = generator.random((2, 600)) < 0.4
    rows = [np.flatnonzero(first)], [np.flatnonzero(second)]
    ours = clustered_interaction(failed, rows, label, np.arange(600))
    theirs = stratified_interaction(*_interaction_counts(failed, first, second, label))
    assert ours.excess[0] == theirs.excess[()]
    assert ours.p_value[0] == theirs.p_value


def test_interaction_has_at_least_the_variance_of_the_jackknife() -> None:
    failed, label, patient, generator = _patients(29, correlation=0.6)
    first, second = generator.random((2, 60))[:, patient] < 0.5
    rows = [np.flatnonzero(first)], [np.flatnonzero(second)]
    ours = clustered_interaction(failed, rows, label, patient)

    def excess(kept: Booleans) -> float:
        counts = _interaction_counts(failed[kept], first[kept], second[kept], label[kept])
        return float(stratified_interaction(*counts).excess.value)

    whole = excess(np.ones(600, dtype=bool))
    left_out = np.array([excess(patient != one) for one in range(60)])
    error = np.sqrt(59 / 60 * ((left_out - whole) ** 2).sum())
    assert ours.excess.value[0] == pytest.approx(whole)
    # Student's quantile with 59 degrees of freedom: the patients are equal.
    assert ours.excess.high[0] - whole >= 2.0 * error
    assert ours.excess.high[0] - whole <= 2.0 * 1.3 * error


def test_interaction_of_few_clusters_is_not_tested() -> None:
    failed, label, patient, _ = _patients(30)
    rows = [np.flatnonzero(patient < 20)], [np.flatnonzero((patient > 16) & (patient < 50))]
    ours = clustered_interaction(failed, rows, label, patient)  # three patients have both values
    assert np.isnan(ours.p_value[0])
    assert np.isfinite(ours.excess.value[0])
    alone = clustered_interaction(failed, [rows[0], rows[0]], label, patient)
    assert np.isnan(alone.excess.value[0])
    with pytest.raises(ValueError, match="0 and 1"):
        clustered_interaction(failed + 1, rows, label, patient)


# --- series ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "series"),
    [
        ("patient{0:03d}_{1:03d}.png", "patient007"),
        ("IMG_{0}_{1:02d}.png", "IMG_7"),
        ("scans/p{0}/slice{1}.dcm", "scans/p7"),
        ("p{0}-{1}-resized.jpg", "p7"),
        ("case{0}slice{1}", "case7"),
    ],
)
def test_series_are_read_from_names(pattern: str, series: str) -> None:
    failed, _, patient, _ = _patients(24, n_patients=30)
    names = [pattern.format(one, k % 10) for k, one in enumerate(patient.tolist())]
    found = find_series(names, failed)
    assert found is not None
    assert found.names[found.groups[75]] == series
    assert found.n_series == 30
    direct = cluster_design(failed, patient)
    assert found.design.correlation == pytest.approx(direct.correlation)
    assert found.design.n_clusters == direct.n_clusters
    assert found.p_value < 0.001


@pytest.mark.parametrize("pattern", ["IMG_{1:04d}.jpg", "{1:05d}.png", "a{1}", "{0}x{1}_only.png"])
def test_names_without_series_give_none(pattern: str) -> None:
    failed, _, _, _ = _patients(25)
    names = [pattern.format(k, k) for k in range(600)]
    assert find_series(names, failed) is None


@pytest.mark.parametrize("seed", range(6))
def test_series_are_those_of_comparing_all_beginnings(seed: int) -> None:
    """Slow rewrite: the beginnings of all names, as tuples, sorted, each once."""
    generator = np.random.default_rng(seed)
    patient = generator.integers(0, 40, 300)
    names = [
        f"site{one % 3}/p{one:02d}_{generator.integers(0, 5)}_{k}.png"
        for k, one in enumerate(patient.tolist())
    ]
    failed = (generator.random(300) < 0.1 + 0.3 * (patient % 2)).astype(np.float64)
    held = np.zeros(300, dtype=np.int64)
    readings = sorted({tuple(series._beginnings(name)[k] for name in names) for k in range(4)})
    groups = [np.unique(np.array(one, dtype=object), return_inverse=True)[1] for one in readings]
    plausible = [k for k, one in enumerate(groups) if series._looks_like_series(one, held)]
    effects = [cluster_design(failed, groups[k], held).design_effect for k in plausible]
    best = plausible[int(np.argmax(np.nan_to_num(effects)))]
    found = find_series(names, failed)
    assert found is not None
    assert tuple(found.names[k] for k in found.groups) == readings[best]
    p_value = cluster_p_value(failed, groups[best], held, 0)
    assert found.p_value == min(1.0, len(plausible) * p_value)


def test_names_that_begin_with_the_label_are_no_series() -> None:
    failed, _, _, generator = _patients(26)
    label = generator.integers(0, 12, 600)
    names = [f"class{one}_{k}.png" for k, one in enumerate(label.tolist())]
    assert find_series(names, failed, label) is None


def test_series_of_independent_outcomes_do_not_matter() -> None:
    generator = np.random.default_rng(27)
    names = [f"patient{k // 10}_{k}.png" for k in range(600)]
    found = find_series(names, generator.random(600) < 0.2)
    assert found is not None
    assert found.p_value > 0.05
    assert found.design.design_effect < 1.5
    constant = find_series(names, np.zeros(600))
    assert constant is not None
    assert constant.p_value == 1.0
