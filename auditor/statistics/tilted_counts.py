"""Tests on the number of errors among samples with different error probabilities.

The number of errors follows the Poisson-binomial distribution. Shifting all log-odds by the same
amount, the tilt, gives an exponential family in which the number of errors is the sufficient
statistic: the distribution at any tilt is that at tilt 0 times exp(tilt · errors), normalised.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, log_expit, xlogy
from scipy.stats import norm

from auditor.statistics.binomial import log_choose
from auditor.statistics.cluster_cells import index_of
from auditor.statistics.intervals import Floats, Integers

EXCESS = 1.4
"""Bound on the factor by which mid-p tests may exceed their level: 7 % at 5 %, so 93 % coverage."""
_EXACT_UP_TO = 40
"""With more errors than this, the saddlepoint approximation replaces the exact distribution."""
_CELLS = 128
_GRID = 200
_STEPS = 50
"""Bisection steps; they leave less than 1e-15 of the bracket."""


@dataclass(frozen=True, slots=True)
class TiltedCount:
    """Number of errors among independent samples whose log-odds are known up to a common shift.

    Attributes:
        log_odds: (C,) log-odds of an error at tilt 0 in each cell of similar samples.
        sizes: (C,) number of samples in each cell.
        errors: number of observed errors, at most half of the samples.
        log_law: (K,) log-probability of 0 … K - 1 errors at tilt 0; empty if the saddlepoint
            approximation is used.
        tilt: the tilt at which the expected number of errors equals the observed one; -inf if there
            are no errors.
    """

    log_odds: Floats
    sizes: Floats
    errors: int
    log_law: Floats
    tilt: float

    @classmethod
    def of(cls, log_odds: Floats, errors: int) -> TiltedCount:
        """Groups samples with similar log-odds and computes the distribution.

        Args:
            log_odds: (N,) finite log-odds of an error.
            errors: number of observed errors, at most N / 2.
        """
        cell = similar_cells(log_odds)
        sizes = np.bincount(cell).astype(np.float64)
        centres = np.bincount(cell, log_odds) / sizes
        tilt = tilt_to(centres, sizes, errors) if errors else -np.inf
        if errors > _EXACT_UP_TO:
            return cls(centres, sizes, errors, np.empty(0), tilt)
        # Computed at a tilt where the observed number is likely, so that nothing underflows.
        start = tilt_to(centres, sizes, max(errors, 0.5))
        most = min(int(sizes.sum()), 2 * errors + 40)
        law = np.ones(1)
        for centre, size in zip(centres + start, sizes, strict=True):
            law = np.convolve(law, _binomial(int(size), float(centre), most))[: most + 1]
        with np.errstate(divide="ignore"):
            log_law = np.log(law)
        log_law = log_law - start * np.arange(len(law)) + _normaliser(centres, sizes, start)
        return cls(centres, sizes, errors, log_law - _normaliser(centres, sizes, 0.0), tilt)

    @property
    def total(self) -> int:
        """Number of samples."""
        return int(self.sizes.sum())

    def share(self, tilt: float) -> float:
        """Expected share of errors at a tilt."""
        return float((self.sizes * expit(self.log_odds + tilt)).sum() / self.sizes.sum())

    def tails(self, tilts: Floats) -> tuple[Floats, Floats]:
        """(T,) mid-p probabilities of at most, and of at least, the observed number of errors."""
        if not len(self.log_law):
            root = self._signed_root(tilts)
            return np.asarray(norm.cdf(root)), np.asarray(norm.sf(root))
        law = self._laws(tilts)
        below = law[:, : self.errors].sum(1)
        own = law[:, self.errors]
        lower = np.asarray(below + own / 2, dtype=np.float64)
        return lower, np.clip(1 - lower, 0, 1)

    def p_values(self, tilts: Floats) -> Floats:
        """(T,) two-sided p-values of "the tilt is this one".

        The mid-p version of Blaker's test, in which an outcome is at least as extreme if the smaller
        of its two tails is not larger. The p-value is at least 1 / 1.4 of the exact one, so the true
        level is at most 7 % at a nominal 5 %, and close to 5 % if the discreteness permits.

        Reference:
            H. Blaker, Canadian Journal of Statistics 28 (2000) 783-798; mid-p: H. O. Lancaster, JASA
            56 (1961) 223-234.
        """
        if not len(self.log_law):
            fewer, more = self.tails(tilts)
            return np.asarray(np.minimum(2 * np.minimum(fewer, more), 1.0), dtype=np.float64)
        law = self._laws(tilts)
        lower = np.cumsum(law, 1)
        upper = np.clip(1 - lower + law, 0, 1)
        s = self.errors
        low, high, own = lower[:, s], upper[:, s], law[:, s]
        other_low = np.where(lower[:, :s] <= high[:, None], lower[:, :s], 0).max(1, initial=0)
        above = upper[:, s + 1 :]
        other_high = np.where(above <= low[:, None], above, 0).max(1, initial=0)
        exact = np.where(high <= low, high + other_low, low + other_high)
        mid_p = np.maximum(exact - own / 2, exact / EXCESS)
        return np.asarray(np.minimum(mid_p, 1.0), dtype=np.float64)

    def limits(self, alpha: float) -> tuple[float, float]:
        """Smallest and largest expected share of errors whose p-value exceeds alpha."""
        low, high = (
            self._limit(alpha, upwards=upwards) if self.errors or upwards else 0.0
            for upwards in (False, True)
        )
        return low, high

    def _limit(self, alpha: float, *, upwards: bool) -> float:
        inner = self.tilt if self.errors else tilt_to(self.log_odds, self.sizes, 0.1)
        outer = self._outside(inner, alpha, upwards=upwards)
        if len(self.log_law):
            # The p-value jumps where an outcome of the other tail is added; use the outermost point.
            for _ in range(3):
                grid = np.linspace(outer, inner, _GRID)
                first = max(int(np.argmax(self.p_values(grid) > alpha)), 1)
                outer, inner = float(grid[first - 1]), float(grid[first])
        else:
            for _ in range(_STEPS):
                middle = (inner + outer) / 2
                if self.p_values(np.array([middle]))[0] > alpha:
                    inner = middle
                else:
                    outer = middle
        return self.share(inner)

    def _outside(self, start: float, alpha: float, *, upwards: bool) -> float:
        """A tilt beyond the limit."""
        step = 0.25 if upwards else -0.25
        while self.p_values(np.array([start + step]))[0] > alpha / 4:
            step *= 2
        return start + step

    def _laws(self, tilts: Floats) -> Floats:
        """(T, K) probabilities of each number of errors."""
        change = _normaliser(self.log_odds, self.sizes, tilts) - _normaliser(
            self.log_odds, self.sizes, 0.0
        )
        powers = tilts[:, None] * np.arange(len(self.log_law))
        return np.asarray(np.exp(self.log_law + powers - change[..., None]), dtype=np.float64)

    def _signed_root(self, tilts: Floats) -> Floats:
        """(T,) standard normal scores of the observed number; positive if it is above expectation.

        Reference:
            Lugannani and Rice's formula, which gives mid-p values without a continuity correction,
            in the form of O. E. Barndorff-Nielsen, Biometrika 73 (1986) 307-322.
        """
        distance = self.tilt - tilts
        ratio = distance * self.errors - (
            _normaliser(self.log_odds, self.sizes, self.tilt)
            - _normaliser(self.log_odds, self.sizes, tilts)
        )
        root = np.sign(distance) * np.sqrt(2 * np.maximum(ratio, 0))
        p = expit(self.log_odds + self.tilt)
        scaled = distance * np.sqrt((self.sizes * p * (1 - p)).sum())
        far = np.abs(root) > 1e-3
        safe = np.where(far, root, 1.0)
        correction = np.log(np.where(far, scaled, 1.0) / safe) / safe
        return np.asarray(root + np.where(far, correction, 0.0), dtype=np.float64)


def tilt_to(log_odds: Floats, sizes: Floats, expected: float) -> float:
    """The shift of all log-odds at which the expected number of errors has a given value.

    Args:
        log_odds: (C,) finite log-odds.
        sizes: (C,) number of samples with these log-odds.
        expected: expected number of errors, between 0 and the number of samples.

    Returns:
        The shift.
    """
    level = float(np.log(expected) - np.log(sizes.sum() - expected))
    low, high = level - float(log_odds.max()) - 1, level - float(log_odds.min()) + 1
    tilt = (low + high) / 2
    for _ in range(_STEPS):
        rates = expit(log_odds + tilt)
        surplus = float((sizes * rates).sum()) - expected
        if abs(surplus) < 1e-12 * expected:
            break
        low, high = (low, tilt) if surplus > 0 else (tilt, high)
        slope = float((sizes * rates * (1 - rates)).sum())
        # A Newton step if it stays in the bracket, otherwise bisection.
        step = tilt - surplus / slope if slope > 0 else low
        tilt = step if low < step < high else (low + high) / 2
    return tilt


def similar_cells(log_odds: Floats) -> Integers:
    """Groups samples with similar log-odds.

    Args:
        log_odds: (N,) finite log-odds.

    Returns:
        (N,) cell of each sample, numbered from 0 without gaps. Equal values share a cell; there are
        at most 128 cells.
    """
    # If the first samples have many values, all have: most often, not all need to be sorted.
    if len(np.unique(log_odds[: 8 * _CELLS])) <= _CELLS:
        values, place = np.unique(log_odds, return_inverse=True)
        if len(values) <= _CELLS:
            return np.asarray(place.ravel(), dtype=np.int64)
    edges = np.linspace(log_odds.min(), log_odds.max(), _CELLS + 1)[1:-1]
    return index_of(np.searchsorted(edges, log_odds))


def _normaliser(log_odds: Floats, sizes: Floats, tilts: float | Floats) -> Floats:
    """Σ log(1 + exp(log-odds + tilt)), one for each tilt."""
    return np.asarray(-(log_expit(-np.add.outer(tilts, log_odds)) @ sizes), dtype=np.float64)


def _binomial(size: int, log_odds: float, most: int) -> Floats:
    """Binomial probabilities of 0 … min(size, most)."""
    k = np.arange(min(size, most) + 1)
    p = float(expit(log_odds))
    log_mass = log_choose(size, k) + xlogy(k, p) + (size - k) * float(log_expit(-log_odds))
    return np.asarray(np.exp(log_mass), dtype=np.float64)
