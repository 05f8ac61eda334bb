from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from auditor.statistics import smooth_rate

Floats = NDArray[np.floating]


def _sample(n: int, size: int = 1, seed: int = 0) -> tuple[Floats, Floats, NDArray[np.integer]]:
    """Ages, failures that are more frequent at both ends, and clusters of one size."""
    random = np.random.default_rng(seed)
    age, group = random.uniform(20, 80, n), np.arange(n) // size
    shared = random.normal(0, 0.5 if size > 1 else 0, n)[group]
    rate = 1 / (1 + np.exp(2 - ((age - 50) / 20) ** 2 - shared))
    return age, (random.random(n) < rate).astype(float), group


def _natural_splines(numbers: Floats, knots: Floats) -> Floats:
    """The natural cubic splines that are 1 at one knot and 0 at the others, straight outside of these."""
    columns = []
    for unit in np.eye(len(knots)):
        spline = CubicSpline(knots, unit, bc_type="natural")
        inside = np.clip(numbers, knots[0], knots[-1])
        columns.append(spline(inside) + spline(inside, 1) * (numbers - inside))
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("size", [1, 4])
def test_smooth_rate_agrees_with_statsmodels(size: int) -> None:
    age, failed, group = _sample(4000, size)
    found = smooth_rate(age, failed, None if size == 1 else group)
    assert found is not None
    assert found.n_knots == 4
    knots = np.quantile(age, (0.05, 0.35, 0.65, 0.95))
    model = sm.GLM(failed, _natural_splines(age, knots), family=sm.families.Binomial())
    clustered = {} if size == 1 else {"cov_type": "cluster", "cov_kwds": {"groups": group}}
    fit = model.fit(**clustered)
    shown = _natural_splines(found.number, knots)
    # Jeffreys' prior matters little for 4000 samples.
    assert found.rate.value == pytest.approx(fit.predict(shown), abs=2e-3)
    error = np.sqrt(np.einsum("pi,ij,pj->p", shown, fit.cov_params(), shown))
    low, high = (np.log(one / (1 - one)) for one in (found.rate.low, found.rate.high))
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.03)


def test_smooth_rate_maximises_the_likelihood_with_jeffreys_prior() -> None:
    number, failed = np.repeat([0.0, 1.0], 50), np.repeat([0.0, 1.0], 50)
    found = smooth_rate(number, failed)
    assert found is not None
    # With Jeffreys' prior, two proportions k / n are estimated by (k + 1/2) / (n + 1): 0.5 / 51.
    assert found.rate.value[[0, -1]] == pytest.approx([0.5 / 51, 50.5 / 51], rel=1e-4)
    assert found.n_knots == 1


@pytest.mark.parametrize(("n_failures", "n_knots"), [(12, 1), (25, 3), (40, 4)])
def test_smooth_rate_has_as_many_knots_as_failures_allow(n_failures: int, n_knots: int) -> None:
    failed = np.zeros(400)
    failed[np.random.default_rng(0).choice(400, n_failures, replace=False)] = 1
    found = smooth_rate(np.arange(400.0), failed)
    assert found is not None
    assert found.n_knots == n_knots


def test_smooth_rate_is_the_same_in_other_units() -> None:
    age, failed, _ = _sample(500)
    years, seconds = smooth_rate(age, failed), smooth_rate(3e7 * age + 1e9, failed)
    assert years is not None
    assert seconds is not None
    assert seconds.rate.value == pytest.approx(years.rate.value, rel=1e-5)
    assert seconds.rate.high == pytest.approx(years.rate.high, rel=1e-5)


def test_smooth_rate_of_few_clusters_is_wide() -> None:
    age, failed, _ = _sample(1000)
    group = np.random.default_rng(1).integers(0, 6, 1000)
    plain, clustered = smooth_rate(age, failed), smooth_rate(age, failed, group)
    assert plain is not None
    assert clustered is not None
    assert np.isfinite(clustered.rate.high).all()


@pytest.mark.parametrize(
    ("number", "failed", "group"),
    [
        (np.arange(50.0), np.zeros(50), None),
        (np.arange(50.0), np.arange(50) < 4, None),
        (np.ones(50), np.arange(50) < 25, None),
        (np.arange(50.0), np.arange(50) < 25, np.arange(50) % 4),
        (np.empty(0), np.empty(0), None),
    ],
)
def test_smooth_rate_of_too_little_is_none(
    number: Floats, failed: NDArray[np.generic], group: NDArray[np.integer] | None
) -> None:
    assert smooth_rate(number, failed, group) is None


def test_smooth_rate_with_other_values_raises() -> None:
    with pytest.raises(ValueError, match="expected a finite number"):
        smooth_rate([1.0, np.nan], [0, 1])
    with pytest.raises(ValueError, match="expected a finite number"):
        smooth_rate([1.0, 2.0], [0, 2])


def test_smooth_rate_limits_cover_a_curve() -> None:
    covered = []
    for seed in range(60):
        age, failed, group = _sample(600, seed=seed)
        found = smooth_rate(age, failed, group)
        assert found is not None
        truth = 1 / (1 + np.exp(2 - ((found.number - 50) / 20) ** 2))
        covered.append((found.rate.low <= truth) & (truth <= found.rate.high))
    assert np.mean(covered) > 0.92
