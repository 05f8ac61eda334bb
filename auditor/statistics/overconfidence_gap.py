"""Over-confidence of a slice minus that of the rest, within strata: estimate, interval, test."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import hypergeom, norm

from auditor.statistics.cluster_cells import index_of
from auditor.statistics.gaps import stratified_gap
from auditor.statistics.intervals import Floats, Integers, Interval, two_sided_z
from auditor.statistics.means import MeanGap
from auditor.statistics.overconfidence import checked
from auditor.statistics.permutation_tail import permutation_tails
from auditor.statistics.recalibration import recalibrate

_LUMPY = 0.4
"""If the standard deviation of the summed confidence is below this, in units of one error, the steps of
the number of errors are visible in the distribution of the gap."""
_LEAST_DEVIATION = 1e-6


def overconfidence_gap(
    confidences: ArrayLike,
    correct: ArrayLike,
    in_slice: ArrayLike,
    strata: ArrayLike,
    confidence: float = 0.95,
) -> MeanGap:
    """Over-confidence of a slice minus that of the rest of the same stratum.

    Over-confidence is the mean confidence minus the accuracy. Strata are weighted as in
    `stratified_gap`. The interval is that of the error-rate gap, scaled by the ratio of the standard
    deviations of (confidence - correct) and of the errors. This ratio comes from a fit that is robust
    to few errors (`recalibrate`). The test permutes membership in the slice within strata.

    Args:
        confidences: (N,) probability of the predicted class, in [0, 1].
        correct: (N,) whether the prediction was right.
        in_slice: (N,) whether the sample is in the slice.
        strata: (N,) stratum of each sample, such as its label; any values that can be sorted.
        confidence: coverage of the interval.

    Returns:
        The gap, in [-2, 2]; NaN if no stratum contains both sides.

    Raises:
        ValueError: the lengths differ, or a number is out of range.

    Reference:
        Interval: `stratified_gap`, `recalibrate`. Test: `permutation_tails`. If errors are so few that
        the distribution has steps: the exact distribution of their number (a sum of hypergeometric
        counts) combined with a normal distribution of the mean confidence.
    """
    two_sided_z(confidence)
    stated, wrong = checked(confidences, correct)
    inside = np.asarray(in_slice, dtype=bool)
    if not stated.shape == inside.shape == np.shape(strata):
        raise ValueError(
            f"expected four arrays of the same length; got {stated.shape}, {inside.shape} and "
            f"{np.shape(strata)} beside the confidences"
        )
    codes = index_of(strata)
    own, rest = np.bincount(codes[inside]), np.bincount(codes[~inside])
    n_strata = int(codes.max(initial=-1)) + 1
    own, rest = (np.pad(one, (0, n_strata - len(one))) for one in (own, rest))
    both = (own > 0) & (rest > 0)
    if not both.any():
        return MeanGap(Interval(np.nan, -2.0, 2.0), np.nan, 0, 0)
    kept = both[codes]
    sample = _Sample(stated[kept], wrong[kept], inside[kept], (np.cumsum(both) - 1)[codes[kept]])
    return MeanGap(
        sample.gap(confidence), sample.p_value(), int(own[both].sum()), int(rest[both].sum())
    )


class _Sample:
    """Samples in strata that contain slice and rest."""

    def __init__(
        self, stated: Floats, wrong: NDArray[np.bool_], inside: NDArray[np.bool_], strata: Integers
    ) -> None:
        self.stated, self.wrong, self.inside, self.strata = stated, wrong, inside, strata
        self.sizes = np.bincount(strata).astype(np.float64)
        self.own = np.bincount(strata[inside], minlength=len(self.sizes)).astype(np.float64)
        self.rest = self.sizes - self.own

    def gap(self, confidence: float) -> Interval:
        """The estimate with its interval."""
        failed = np.bincount(self.strata, self.wrong)
        own_failed = np.bincount(self.strata[self.inside], self.wrong[self.inside], len(self.own))
        errors = stratified_gap(
            own_failed, self.own, failed - own_failed, self.rest, confidence
        ).gap[()]
        stated = np.bincount(self.strata, self.stated)
        own_stated = np.bincount(self.strata[self.inside], self.stated[self.inside], len(self.own))
        weight = self.own * self.rest / self.sizes
        difference = own_stated / self.own - (stated - own_stated) / self.rest
        value = errors.value - float((weight * difference).sum() / weight.sum())
        scale = self._scale()
        return Interval(
            value,
            max(-2.0, value - scale * (errors.value - errors.low)),
            min(2.0, value + scale * (errors.high - errors.value)),
        )

    def _scale(self) -> float:
        """Standard deviation of the gap relative to that of the error-rate gap."""
        ours = theirs = 0.0
        for side in (self.inside, ~self.inside):
            fit = recalibrate(self.stated[side], self.wrong[side])
            n, rate = len(fit.rates), float(fit.rates.mean())
            ours += fit.dispersion * (fit.within + fit.between) / n
            theirs += rate * (1 - rate) / n
        return float(np.sqrt(ours / theirs))

    def p_value(self) -> float:
        """Two-sided p-value under permutation of the slice within strata."""
        errors, stated = self.wrong.astype(np.float64), self.stated
        own_variance = self._covariance(errors, errors)
        shared = self._covariance(errors, stated)
        slope = shared / own_variance if own_variance > 0 else 0.0
        residual = np.sqrt(max(self._covariance(stated, stated) - slope * shared, 0.0))
        if own_variance > 0 and residual < _LUMPY * (1 - slope):
            tails = self._stepped_tails(1 - slope, max(float(residual), _LEAST_DEVIATION))
        else:
            tails = permutation_tails(errors - stated, self.inside, self.strata)
        return min(1.0, 2 * min(tails))

    def _stepped_tails(self, step: float, deviation: float) -> tuple[float, float]:
        """Tails of `step` times the number of errors in the slice, plus a normal variable."""
        law = np.ones(1)
        failed = np.bincount(self.strata, self.wrong)
        least = np.maximum(failed - self.rest, 0)
        for first, last, size, own, bad in zip(
            least, np.minimum(failed, self.own), self.sizes, self.own, failed, strict=True
        ):
            law = np.convolve(law, hypergeom.pmf(np.arange(first, last + 1), size, bad, own))
        mean = float((self.own * failed / self.sizes).sum())
        excess = step * (least.sum() + np.arange(len(law)) - mean)
        centred = self.wrong - self.stated
        centred = centred - (np.bincount(self.strata, centred) / self.sizes)[self.strata]
        observed = float(centred[self.inside].sum())
        scores = (excess - observed) / deviation
        return float((law * norm.sf(scores)).sum()), float((law * norm.cdf(scores)).sum())

    def _covariance(self, one: Floats, other: Floats) -> float:
        """Covariance of two sums over the slice under permutation within strata."""
        first, second = (
            number - (np.bincount(self.strata, number) / self.sizes)[self.strata]
            for number in (one, other)
        )
        products = np.bincount(self.strata, first * second)
        factor = self.own * self.rest / np.maximum(self.sizes * (self.sizes - 1), 1)
        return float((factor * products).sum())
