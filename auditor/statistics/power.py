"""Power of the test of a gap, and probability that a gap meets all conditions of a gate.

A gate requires more than a small p-value: a gap above the limit, and a confidence limit above some
bound. Each condition has its own probability, and the corrected level of the test is far below 5 %.
A correct statement about power has to take all of them into account.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm, pearson3

from auditor.statistics.intervals import Floats, Intervals, subtract, wilson_of_share

_HALVINGS = 50  # leaves less than 1e-15 of the range


@dataclass(frozen=True, slots=True)
class GateRule:
    """The conditions under which a gap is reported, or blocks the gate.

    Attributes:
        level: the one-sided p-value is at most this, in (0, 1): the level that the test was given
            after the correction for multiple testing, not alpha. One number, or one for each gap.
        min_gap: the estimated gap is larger than this, in [-1, 1).
        min_low: the lower limit of its interval is larger than this; None for no such condition.
        confidence: coverage of that (two-sided) interval. One number, or one for each gap.
    """

    level: float | Floats
    min_gap: float = 0.0
    min_low: float | None = None
    confidence: float | Floats = 0.95

    def __post_init__(self) -> None:
        """Raises ValueError for a number out of range."""
        level, confidence = np.asarray(self.level), np.asarray(self.confidence)
        if not (bool(np.all((level > 0) & (level < 1))) and -1 <= self.min_gap < 1):
            raise ValueError(
                f"expected a level in (0, 1) and a smallest gap in [-1, 1); got {self.level!r} and "
                f"{self.min_gap!r}: give shares, not percentages"
            )
        if not bool(np.all((confidence > 0) & (confidence < 1))):
            raise ValueError(
                f"expected a confidence between 0 and 1, such as 0.95; got {self.confidence!r}: "
                "give a share, not a percentage"
            )

    @property
    def z(self) -> Floats:
        """Normal quantile of the interval."""
        return np.asarray(norm.isf((1 - np.asarray(self.confidence)) / 2), dtype=np.float64)


def gate_power(
    gap: ArrayLike, n_slice: ArrayLike, n_rest: ArrayLike, base_rate: ArrayLike, rule: GateRule
) -> Floats:
    """Probability that a true gap meets a rule.

    Args:
        gap: (...) error rate of the slice minus that of the rest, the same in all strata.
        n_slice: (..., S) samples of the slice by stratum.
        n_rest: (..., S) samples of the rest.
        base_rate: (..., S) error rates of the rest, in [0, 1].
        rule: the conditions.

    Returns:
        (...) probabilities; NaN if no stratum contains both sides.

    Raises:
        ValueError: a rate is outside of [0, 1].

    Reference:
        J. L. Fleiss, B. Levin and M. C. Paik, "Statistical Methods for Rates and Proportions", 3rd
        edition (2003), section 4.3: the variance of the null for the test, that of the alternative
        for the estimate. Here for the Mantel-Haenszel test, and with the skewness of its
        hypergeometric counts (Pearson's type III distribution). Rates above 1 are set to 1.
    """
    design = _Design.of(n_slice, n_rest, base_rate)
    return design.power(np.asarray(gap, dtype=np.float64), rule, design.needed_for_low(rule))


def doubt_power(
    gap: ArrayLike,
    n_slice: ArrayLike,
    n_rest: ArrayLike,
    base_rate: ArrayLike,
    rule: GateRule,
    excluded: float,
) -> Floats:
    """Probability that a true gap meets a rule, or that a gap of some size is not excluded.

    Args:
        gap: (...) error rate of the slice minus that of the rest, the same in all strata.
        n_slice: (..., S) samples of the slice by stratum.
        n_rest: (..., S) samples of the rest.
        base_rate: (..., S) error rates of the rest, in [0, 1].
        rule: the conditions.
        excluded: this gap is not excluded if it is below the upper limit of the interval.

    Returns:
        (...) probabilities; NaN if no stratum contains both sides.

    Raises:
        ValueError: a rate is outside of [0, 1].

    Reference:
        As `gate_power`. Each condition holds for all estimates above some value; the smaller of the
        two values decides.
    """
    design = _Design.of(n_slice, n_rest, base_rate)
    at = np.asarray(gap, dtype=np.float64)
    by_rule = design.needed(at, rule, design.needed_for_low(rule))
    return design.reaches(at, np.minimum(by_rule, design.estimate_for_high(excluded, rule.z)))


def detectable_by(
    n_slice: ArrayLike,
    n_rest: ArrayLike,
    base_rate: ArrayLike,
    rule: GateRule,
    power: float = 0.8,
) -> Floats:
    """Smallest true gap that meets a rule with a given probability.

    Args:
        n_slice: (..., S) samples of the slice by stratum.
        n_rest: (..., S) samples of the rest.
        base_rate: (..., S) error rates of the rest, in [0, 1].
        rule: the conditions.
        power: required probability, in (0, 1).

    Returns:
        (...) gaps in (0, 1]; NaN if even a slice in which every sample fails would not meet it.

    Raises:
        ValueError: `power` or a rate is out of range.
    """
    _check_power(power)
    design = _Design.of(n_slice, n_rest, base_rate)
    for_low = design.needed_for_low(rule)
    low, high = np.zeros_like(design.base), 1 - design.base
    seen = design.power(high, rule, for_low) >= power
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        enough = design.power(middle, rule, for_low) >= power
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.where(seen, high, np.nan)


@dataclass(frozen=True, slots=True)
class _Design:
    """Sizes of a comparison; strata on the last axis."""

    own: Floats
    rest: Floats
    rate: Floats
    weight: Floats

    @classmethod
    def of(cls, n_slice: ArrayLike, n_rest: ArrayLike, base_rate: ArrayLike) -> _Design:
        own, rest, rate = np.broadcast_arrays(
            *(np.asarray(part, dtype=np.float64) for part in (n_slice, n_rest, base_rate))
        )
        if bool(np.any((rate < 0) | (rate > 1))):
            raise ValueError("expected base rates in [0, 1]; give shares, not percentages")
        both = (own > 0) & (rest > 0)
        own, rest = np.where(both, own, 1.0), np.where(both, rest, 1.0)
        weight = np.where(both, own * rest / (own + rest), 0.0)
        return cls(own, rest, rate, weight)

    @property
    def base(self) -> Floats:
        """(...) weighted error rate of the rest; NaN without a comparison."""
        whole = self.weight.sum(-1)
        mean = (self.weight * self.rate).sum(-1) / np.where(whole > 0, whole, 1.0)
        return np.where(whole > 0, mean, np.nan)

    def power(self, gap: Floats, rule: GateRule, for_low: Floats) -> Floats:
        """(...) probability that a true gap meets a rule."""
        return self.reaches(gap, self.needed(gap, rule, for_low))

    def needed(self, gap: Floats, rule: GateRule, for_low: Floats) -> Floats:
        """(...) smallest estimate that meets a rule, given the estimate that its lower limit asks for."""
        worse = np.clip(self.rate + gap[..., None], 0, 1)
        pooled = (self.own * worse + self.rest * self.rate) / (self.own + self.rest)
        variance = self.weight * pooled * (1 - pooled)
        null = np.sqrt(variance.sum(-1))
        # Failures of a small slice are skewed to the right: more of them are needed.
        third = variance * (1 - 2 * pooled) * (self.rest - self.own) / (self.rest + self.own)
        skew = np.divide(third.sum(-1), null**3, out=np.zeros_like(null), where=null > 0)
        for_p = pearson3.isf(rule.level, skew) * null / self._scale
        return np.asarray(np.maximum(np.maximum(for_p, rule.min_gap), for_low), dtype=np.float64)

    def reaches(self, gap: Floats, needed: Floats) -> Floats:
        """(...) probability that the estimate of a true gap is at least as large as needed."""
        worse = np.clip(self.rate + gap[..., None], 0, 1)
        spread = worse * (1 - worse) / self.own + self.rate * (1 - self.rate) / self.rest
        deviation = np.sqrt((self.weight**2 * spread).sum(-1)) / self._scale
        distance = (self.weight * (worse - self.rate)).sum(-1) / self._scale - needed
        # Without any spread, the estimate is the true gap.
        certain = np.where(distance > 0, np.inf, -np.inf)
        score = np.divide(distance, deviation, out=certain, where=deviation > 0)
        return np.where(self.weight.sum(-1) > 0, norm.cdf(score), np.nan)

    def needed_for_low(self, rule: GateRule) -> Floats:
        """(...) smallest estimate whose lower limit meets a rule."""
        if rule.min_low is None:
            return np.full(self.base.shape, -np.inf)
        return self._estimate_for(rule.min_low, rule.z, upper=False)

    def estimate_for_high(self, bound: float, z: Floats) -> Floats:
        """(...) smallest estimate whose upper limit lies above a bound."""
        return self._estimate_for(bound, z, upper=True)

    @property
    def _scale(self) -> Floats:
        whole = self.weight.sum(-1)
        return np.where(whole > 0, whole, 1.0)

    def _estimate_for(self, bound: float, z: Floats, *, upper: bool) -> Floats:
        whole = np.maximum(self.weight.sum(-1), 1e-300)
        own = whole**2 / np.maximum((self.weight**2 / self.own).sum(-1), 1e-300)
        rest = whole**2 / np.maximum((self.weight**2 / self.rest).sum(-1), 1e-300)
        base = np.nan_to_num(self.base)
        other = wilson_of_share(base * rest, rest, z)

        def end(gap: Floats) -> Floats:
            limits: Intervals = subtract(wilson_of_share((base + gap) * own, own, z), other)
            return limits.high if upper else limits.low

        low, high = -base if upper else np.zeros_like(base), 1 - base
        met = end(high) > bound
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            enough = end(middle) > bound
            low, high = np.where(enough, low, middle), np.where(enough, middle, high)
        return np.where(met, high, np.inf)


def _check_power(power: float) -> None:
    if not 0 < power < 1:
        raise ValueError(f"expected a power between 0 and 1, such as 0.8; got {power!r}")
