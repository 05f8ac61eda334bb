"""Gap of a slice adjusted by logistic regression, as a second method beside stratification."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import norm

from auditor.statistics.intervals import Floats, Interval, counts_and_totals, two_sided_z

# A log-odds of 15 is a failure rate of one in 3 million: the data are separated.
_SEPARATED = 15.0
_RIDGE = 0.5


@dataclass(frozen=True, slots=True)
class AdjustedGap:
    """Gap of a slice with all other columns held fixed by a logistic regression.

    Attributes:
        gap: mean change of the failure probability over all samples if only the membership in the
            slice changes; in [-1, 1].
        log_odds: coefficient of the membership.
        p_value: p-value of the two-sided Wald test; NaN if untestable.
        method: ``"logistic"``; ``"ridge"`` if the data are separated or columns are collinear, so
            that a small penalty is needed; ``"untestable"`` if membership is a function of the other
            columns, or no sample or every sample failed.
    """

    gap: Interval
    log_odds: Interval
    p_value: float
    method: str


def adjusted_gap(
    failures: ArrayLike,
    totals: ArrayLike,
    in_slice: ArrayLike,
    covariates: Sequence[ArrayLike],
    confidence: float = 0.95,
) -> AdjustedGap:
    """Logistic regression of failure on membership and nominal covariates, from grouped counts.

    The counts are grouped into cells, one per combination of values: time and memory depend on the
    number of combinations, not of samples.

    Args:
        failures: (C,) failures in each cell.
        totals: (C,) samples in each cell; cells without samples are ignored.
        in_slice: (C,) whether the cell belongs to the slice.
        covariates: columns (C,) of nominal values to hold fixed: the label, other attributes.
        confidence: coverage of the intervals.

    Returns:
        The adjusted gap. The model contains main effects only, an assumption that `stratified_gap`
        does not make: read both.

    Raises:
        ValueError: the lengths differ, or a count is outside 0 … total.

    Reference:
        Standardised risk difference with the delta method: S. Greenland, American Journal of
        Epidemiology 160 (2004) 301-305. Ridge: S. le Cessie and J. C. van Houwelingen, Applied
        Statistics 41 (1992) 191-201.
    """
    z = two_sided_z(confidence)
    count, total = counts_and_totals(failures, totals)
    inside = np.asarray(in_slice, dtype=bool)
    columns = [np.asarray(column) for column in covariates]
    if any(part.shape != count.shape for part in (inside, *columns)) or count.ndim != 1:
        raise ValueError(
            f"expected one value per cell in each column; got {count.shape}, {inside.shape}, "
            f"{[column.shape for column in columns]}"
        )
    used = total > 0
    count, total, inside = count[used], total[used], inside[used]
    design = _design(inside, [column[used] for column in columns])
    others = design[:, [0, *range(2, design.shape[1])]]
    untestable = AdjustedGap(
        Interval(np.nan, -1.0, 1.0), Interval(np.nan, -np.inf, np.inf), np.nan, "untestable"
    )
    if len(count) == 0 or count.sum() in {0, total.sum()}:
        return untestable
    if np.linalg.matrix_rank(design) == np.linalg.matrix_rank(others):
        return untestable  # membership is a function of the other columns: the effects can't be separated
    fit = _maximum_likelihood(count, total, design)
    method = "logistic"
    if fit is None:
        fit, method = _ridge_fit(count, total, design), "ridge"
    coefficients, covariance = fit
    error = float(np.sqrt(covariance[1, 1]))
    estimate = float(coefficients[1])
    gap, gradient = _standardised(coefficients, design, total)
    spread = z * float(np.sqrt(gradient @ covariance @ gradient))
    return AdjustedGap(
        Interval(gap, max(-1.0, gap - spread), min(1.0, gap + spread)),
        Interval(estimate, estimate - z * error, estimate + z * error),
        float(2 * norm.sf(abs(estimate) / error)),
        method,
    )


def _design(
    inside: np.ndarray[tuple[int], np.dtype[np.bool_]], columns: Sequence[ArrayLike]
) -> Floats:
    """Intercept, membership, and an indicator of each value except the first of each column."""
    parts = [np.ones(len(inside)), inside.astype(np.float64)]
    for column in columns:
        codes = np.unique(np.asarray(column), return_inverse=True)[1]
        parts.extend(
            (codes == code).astype(np.float64) for code in range(1, codes.max(initial=0) + 1)
        )
    return np.stack(parts, axis=1)


def _maximum_likelihood(
    count: Floats, total: Floats, design: Floats
) -> tuple[Floats, Floats] | None:
    """Maximum likelihood estimate by statsmodels; None if it does not exist."""
    import statsmodels.api as sm
    from statsmodels.tools.sm_exceptions import ConvergenceWarning, PerfectSeparationWarning

    if np.linalg.matrix_rank(design) < design.shape[1]:
        return None
    with warnings.catch_warnings():
        # Both conditions are checked on the result below.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", PerfectSeparationWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        model = sm.GLM(
            np.stack([count, total - count], axis=1), design, family=sm.families.Binomial()
        )
        result = model.fit(maxiter=50)
    coefficients = np.asarray(result.params, dtype=np.float64)
    covariance = np.asarray(result.cov_params(), dtype=np.float64)
    finite = bool(np.isfinite(covariance).all())
    separated = float(np.abs(coefficients).max()) >= _SEPARATED
    return (coefficients, covariance) if result.converged and finite and not separated else None


def _ridge_fit(count: Floats, total: Floats, design: Floats) -> tuple[Floats, Floats]:
    """Penalised maximum likelihood estimate; the intercept is practically not penalised."""
    penalty = np.full(design.shape[1], _RIDGE)
    penalty[0] = 1e-6

    def loss(coefficients: Floats) -> tuple[float, Floats]:
        score = design @ coefficients
        value = float((total * np.logaddexp(0, score) - count * score).sum())
        gradient = design.T @ (total * expit(score) - count)
        return (
            value + float((penalty * coefficients**2).sum()) / 2,
            np.asarray(gradient + penalty * coefficients, dtype=np.float64),
        )

    found = minimize(loss, np.zeros(design.shape[1]), jac=True, method="BFGS")
    coefficients = np.asarray(found.x, dtype=np.float64)
    chance = expit(design @ coefficients)
    information = (design * (total * chance * (1 - chance))[:, None]).T @ design
    return coefficients, np.asarray(np.linalg.inv(information + np.diag(penalty)), dtype=np.float64)


def _standardised(coefficients: Floats, design: Floats, total: Floats) -> tuple[float, Floats]:
    """Mean failure probability with membership 1 less that with membership 0, and its gradient."""
    weight = total / total.sum()
    sides = []
    for membership in (1.0, 0.0):
        at = design.copy()
        at[:, 1] = membership
        chance = expit(at @ coefficients)
        sides.append((float(weight @ chance), (weight * chance * (1 - chance)) @ at))
    return sides[0][0] - sides[1][0], np.asarray(sides[0][1] - sides[1][1], dtype=np.float64)
