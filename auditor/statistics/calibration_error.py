"""Expected calibration error: an estimate without the bias of noise, and an interval by test inversion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy

from auditor.statistics.intervals import Floats, Integers, Interval
from auditor.statistics.tilted_counts import EXCESS

_STEPS = 20
"""Halvings of a bracket; they leave a millionth of it."""
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class BinnedError:
    """Mean of |confidence - accuracy| over bins of equal mass, with no correction for noise.

    Attributes:
        sizes: (B,) samples in each bin.
        stated: (B,) mean stated error probability.
        errors: (B,) observed errors.
    """

    sizes: Integers
    stated: Floats
    errors: Integers

    @classmethod
    def of(cls, stated: Floats, wrong: NDArray[np.bool_], n_bins: int) -> BinnedError:
        """Sorts samples by confidence and cuts them into bins.

        Args:
            stated: (N,) stated error probability; N > 0.
            wrong: (N,) whether the prediction was wrong.
            n_bins: bins; fewer are used where a bin would hold under 10 samples.
        """
        order = np.argsort(-stated, kind="stable")
        n_used = max(1, min(n_bins, len(stated) // 10))
        edges = np.linspace(0, len(stated), n_used + 1).round().astype(np.int64)
        sizes = np.diff(edges)
        return cls(
            sizes,
            np.add.reduceat(stated[order], edges[:-1]) / sizes,
            np.add.reduceat(wrong[order].astype(np.int64), edges[:-1]),
        )

    @property
    def weights(self) -> Floats:
        """(B,) shares of the samples."""
        return np.asarray(self.sizes / self.sizes.sum(), dtype=np.float64)

    @property
    def value(self) -> float:
        """The error itself, in [0, 1]."""
        return float((self.weights * np.abs(self.errors / self.sizes - self.stated)).sum())

    def direction(self) -> Floats:
        """(B,) estimated deviation of the error rates, less noise; the mean of its size is 1.

        Each deviation is shrunk by the share of its square that noise explains. Where that leaves
        nothing, all deviations are as large as their noise.
        """
        deviation = self.errors / self.sizes - self.stated
        rate = (self.errors + 0.5) / (self.sizes + 1)
        noise = np.maximum(self.stated * (1 - self.stated), rate * (1 - rate)) / self.sizes
        kept = np.maximum(deviation**2 - noise, 0)
        shrunk = np.divide(kept, deviation, out=np.zeros_like(deviation), where=deviation != 0)
        if not shrunk.any():
            shrunk = np.where(deviation < 0, -1.0, 1.0) * np.sqrt(noise)
        return np.asarray(shrunk / (self.weights * np.abs(shrunk)).sum(), dtype=np.float64)


class _Path:
    """Law of the binned error along a path of error rates from the stated to the observed ones."""

    def __init__(self, observed: BinnedError, n_draws: int, seed: int) -> None:
        self._bins = observed
        self._direction = observed.direction()
        # The same uniform numbers at every point make the tails monotone along the path. Each bin
        # has one number in each of n_draws strata.
        generator = np.random.default_rng(seed)
        strata = np.tile(np.arange(n_draws), (len(observed.sizes), 1))
        shuffled = generator.permuted(strata, axis=1)
        self._uniform = (shuffled + generator.random(shuffled.shape)) / n_draws
        self._value = observed.value

    def error(self, position: float) -> float:
        """The binned error of the rates at a position on the path."""
        return float((self._bins.weights * np.abs(self._rates(position) - self._bins.stated)).sum())

    def draw(self, position: float) -> Floats:
        """(n_draws,) binned errors of samples with the rates at this position."""
        total = np.zeros(self._uniform.shape[1])
        bins = zip(
            self._bins.sizes.tolist(),
            self._rates(position).tolist(),
            self._bins.stated.tolist(),
            self._bins.weights.tolist(),
            self._uniform,
            strict=True,
        )
        for size, rate, stated, weight, uniform in bins:
            first, cumulative = _cumulative(size, rate)
            counts = first + np.searchsorted(cumulative, uniform)
            total += weight * np.abs(counts / size - stated)
        return total

    def _rates(self, position: float) -> Floats:
        return np.clip(self._bins.stated + position * self._direction, 0, 1)


def _cumulative(size: int, rate: float) -> tuple[int, Floats]:
    """Binomial distribution function over the counts that can be drawn, and the first of them."""
    mean, spread = size * rate, np.sqrt(size * rate * (1 - rate))
    first = max(0, int(mean - 8 * spread - 1))
    last = min(size, int(mean + 8 * spread + 12))
    k = np.arange(first, last + 1)
    log_mass = gammaln(size + 1) - gammaln(k + 1) - gammaln(size - k + 1)
    mass = np.exp(log_mass + xlogy(k, rate) + xlogy(size - k, 1 - rate))
    return first, np.asarray(np.cumsum(mass)[:-1], dtype=np.float64)


def binned_error_interval(
    observed: BinnedError, largest_mean: float, alpha: float, n_draws: int, seed: int
) -> Interval:
    """Estimate and interval of the binned error.

    The observed error contains noise: it is above 0 for a perfectly calibrated model. It is held
    against its law under error rates that lead from the stated ones in the observed direction. The
    estimate is where the observed error is the median. The limits are where its tails are alpha / 2
    each; below the smallest possible upper limit no truth is missed from above, and the tail is
    alpha. Ties count half, as in mid-p values, within the bound of `EXCESS`.

    Args:
        observed: the bins.
        largest_mean: upper limit of |mean confidence - accuracy|, which the error cannot be below.
        alpha: 1 - coverage.
        n_draws: draws of the law at each point.
        seed: of the draws.

    Returns:
        The error, in [0, 1].

    Reference:
        Test inversion with simulated laws: J. Carpenter, JRSS B 61 (1999) 159-172. Unified limits at a
        boundary: G. J. Feldman and R. D. Cousins, Physical Review D 57 (1998) 3873-3889.
    """
    path = _Path(observed, n_draws, seed)
    null = path.draw(0.0)
    value = observed.value
    # An observed error below its null median says the same as the median: the truth is near 0.
    central = max(value, float(np.median(null)))
    estimate = _position(path, value, 0.5, above=True)
    one_sided = _position(path, value, alpha, above=True)
    two_sided = _position(path, value, alpha / 2, above=True)
    least_high = path.error(_position(path, float(np.median(null)), alpha / 2, above=False))
    high = path.error(_position(path, central, alpha / 2, above=False))
    low = min(path.error(one_sided), max(path.error(two_sided), least_high))
    middle = path.error(estimate)
    return Interval(middle, min(low, middle), min(max(high, middle, largest_mean), 1.0))


def _position(path: _Path, value: float, level: float, *, above: bool) -> float:
    """Where the law's tail above (or below) the value reaches the level; 0 if it does at 0."""

    def beyond(position: float) -> bool:
        """Whether the position lies above the wanted one."""
        drawn = path.draw(position)
        more = float((drawn > value + _ROUNDING).mean())
        less = float((drawn < value - _ROUNDING).mean())
        outside = (more, less) if above else (less, more)
        tail = max((1 + outside[0] - outside[1]) / 2, (1 - outside[1]) / EXCESS)
        return tail > level if above else tail < level

    if beyond(0.0):
        return 0.0
    low, high = 0.0, 1.0
    if not beyond(high):
        return high
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if beyond(middle) else (middle, high)
    return (low + high) / 2
