"""A smooth curve of the error rate over a number, such as age."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student

from auditor.statistics.cluster_cells import index_of
from auditor.statistics.intervals import Floats, Integers, Intervals, two_sided_z

_KNOTS = ((0.5,), (0.1, 0.5, 0.9), (0.05, 0.35, 0.65, 0.95))
"""Quantiles of the knots of a straight line, and of curves with one and two more parameters."""
_EVENTS_PER_PARAMETER = 10
_FEWEST_EVENTS = 5
_STEPS = 50
_TOLERANCE = 1e-8
_LARGEST_STEP = 5.0


@dataclass(frozen=True, slots=True)
class SmoothRate:
    """An error rate as a smooth function of a number.

    Attributes:
        number: (P,) increasing numbers, from the 1 % to the 99 % quantile of the samples.
        rate: (P,) error rates with pointwise limits, in [0, 1].
        n_knots: knots of the spline; 1 for a straight line on the logit scale.
    """

    number: Floats
    rate: Intervals
    n_knots: int


def smooth_rate(
    numbers: ArrayLike,
    failures: ArrayLike,
    groups: ArrayLike | None = None,
    n_points: int = 41,
    confidence: float = 0.95,
) -> SmoothRate | None:
    """Logistic regression of failures on a natural cubic spline of a number.

    The spline has four knots at quantiles, which give three parameters beside the intercept; three knots
    or a straight line if there are fewer than ten failures, or successes, for each parameter. The fit
    maximises the likelihood with Jeffreys' prior, so that it is finite even if failures are separated
    by the number. With clusters, the covariance is that of the jackknife over clusters.

    Args:
        numbers: (n,) finite numbers.
        failures: (n,) 0 or 1.
        groups: (n,) cluster of each sample; None for independent samples.
        n_points: number of points of the curve.
        confidence: of the pointwise intervals, between 0 and 1.

    Returns:
        The curve; None with fewer than five failures, successes or clusters, or if the number does not
        vary.

    Raises:
        ValueError: the lengths differ, a number is not finite, or a failure is neither 0 nor 1.

    Reference:
        Spline and knots: F. E. Harrell, "Regression Modeling Strategies", 2nd ed. (2015), section 2.4.5;
        prior: D. Firth, Biometrika 80 (1993) 27-38; covariance (CR3): R. M. Bell and D. F. McCaffrey,
        Survey Methodology 28 (2002) 169-181.
    """
    number, failed = np.asarray(numbers, np.float64), np.asarray(failures, np.float64)
    two_sided_z(confidence)
    grouped = number.shape if groups is None else np.shape(groups)
    usable = np.isfinite(number).all() and np.isin(failed, (0, 1)).all()
    if not number.shape == failed.shape == grouped or not usable:
        raise ValueError(
            f"expected a finite number, 0 or 1, and a group for each sample; got shapes {number.shape}, "
            f"{failed.shape} and {grouped}, or other values"
        )
    cluster = None if groups is None else index_of(groups)
    n_clusters = len(number) if cluster is None else int(cluster.max(initial=-1)) + 1
    events = min(failed.sum(), len(failed) - failed.sum(), n_clusters)
    if events < _FEWEST_EVENTS or np.ptp(number) == 0:
        return None
    knots = _knots(number, events)
    first, last = np.quantile(number, (0.01, 0.99))
    shown = np.linspace(float(first), float(last), n_points)
    if np.ptp(shown) == 0:
        return None
    design = _spline(number, knots)
    fit, covariance = _fitted(design, failed, cluster)
    quantile = float(student.isf((1 - confidence) / 2, n_clusters - 1))
    basis = _spline(shown, knots)
    logit = basis @ fit
    half = quantile * np.sqrt(np.einsum("pi,ij,pj->p", basis, covariance, basis))
    rates = [_expit(one) for one in (logit, logit - half, logit + half)]
    return SmoothRate(shown, Intervals(*rates), len(knots))


def _knots(number: Floats, events: float) -> Floats:
    """Distinct knots, as many as the number of events allows."""
    for quantiles in reversed(_KNOTS[1:]):
        knots = np.unique(np.quantile(number, quantiles))
        enough = events >= _EVENTS_PER_PARAMETER * (len(quantiles) - 1)
        if enough and len(knots) == len(quantiles) and len(np.unique(number)) > len(knots):
            return knots
    return np.quantile(number, _KNOTS[0])


def _spline(number: Floats, knots: Floats) -> Floats:
    """(n, max(k, 2)) intercept, the number, and k - 2 cubic terms that are linear beyond the knots."""
    scale = float(knots[-1] - knots[0]) or float(np.abs(knots[0])) or 1.0
    columns = [np.ones_like(number), (number - knots[0]) / scale]
    if len(knots) > 2:
        last, before = knots[-1], knots[-2]

        def cubed(knot: float) -> Floats:
            return np.asarray(np.maximum((number - knot) / scale, 0) ** 3, dtype=np.float64)

        for knot in knots[:-2]:
            one = cubed(knot) - cubed(before) * (last - knot) / (last - before)
            columns.append(one + cubed(last) * (before - knot) / (last - before))
    return np.stack(columns, axis=1)


def _fitted(design: Floats, failed: Floats, cluster: Integers | None) -> tuple[Floats, Floats]:
    """Coefficients with Jeffreys' prior, and their covariance."""
    # Orthonormal columns keep the steps stable.
    basis, triangle = np.linalg.qr(design)
    basis *= np.sqrt(len(failed))
    triangle /= np.sqrt(len(failed))
    mean = (failed.sum() + 0.5) / (len(failed) + 1)
    fit = np.linalg.lstsq(basis, np.full(len(failed), np.log(mean / (1 - mean))), rcond=None)[0]
    for _ in range(_STEPS):
        rate = _expit(basis @ fit)
        weight = rate * (1 - rate)
        inverse = np.linalg.inv(basis.T @ (basis * weight[:, None]))
        leverage = weight * np.einsum("ni,ij,nj->n", basis, inverse, basis)
        step = inverse @ (basis.T @ (failed - rate + leverage * (0.5 - rate)))
        step *= min(1.0, _LARGEST_STEP / max(float(np.abs(step).max()), 1e-300))
        fit = fit + step
        if np.abs(step).max() < _TOLERANCE:
            break
    rate = _expit(basis @ fit)
    information = basis.T @ (basis * (rate * (1 - rate))[:, None])
    covariance = np.asarray(np.linalg.inv(information), dtype=np.float64)
    if cluster is not None and cluster.max() + 1 < len(failed):
        covariance = _jackknifed(basis, failed - rate, rate * (1 - rate), cluster, covariance)
    back = np.linalg.inv(triangle)
    return back @ fit, back @ covariance @ back.T


def _jackknifed(
    basis: Floats, residual: Floats, weight: Floats, cluster: Integers, inverse: Floats
) -> Floats:
    """Covariance by leaving out one cluster after another, in one step from the fit."""
    size, n_clusters = basis.shape[1], int(cluster.max()) + 1

    def summed(values: Floats) -> Floats:
        columns = values.reshape(len(values), -1).T
        found = [np.bincount(cluster, one, minlength=n_clusters) for one in columns]
        stacked: Floats = np.stack(found, axis=1).astype(np.float64)
        return stacked.reshape(n_clusters, *values.shape[1:])

    score = summed(basis * residual[:, None])
    own = summed(np.einsum("ni,nj,n->nij", basis, basis, weight))
    # The information that is left without a cluster, bounded away from singular.
    left = np.eye(size) - 0.99 * own @ inverse
    moved = np.linalg.solve(left, score[..., None])[..., 0] @ inverse
    factor = (n_clusters - 1) / n_clusters
    return np.asarray(factor * moved.T @ moved, dtype=np.float64)


def _expit(logit: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(logit, -700, 700))), dtype=np.float64)
