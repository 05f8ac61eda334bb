"""Expected calibration error: a bias-corrected estimate, and an interval by test inversion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy

from auditor.statistics.intervals import Floats, Integers, Interval
from auditor.statistics.tilted_counts import EXCESS

_STEPS = 9
"""Bisection steps; they leave less than 1/500 of the bracket."""
_ROUNDING = 1e-12
_LOG_ZERO = -1e300
"""Stands for the logarithm of 0; times 0, it is 0."""


@dataclass(frozen=True, slots=True)
class BinnedError:
    """Mean of |confidence - accuracy| over bins of equal mass, without bias correction.

    Attributes:
        sizes: (B,) number of samples in each bin.
        stated: (B,) mean stated error probability.
        errors: (B,) number of observed errors.
    """

    sizes: Integers
    stated: Floats
    errors: Integers

    @classmethod
    def of(cls, stated: Floats, wrong: NDArray[np.bool_], n_bins: int) -> BinnedError:
        """Sorts samples by confidence and cuts them into bins; equal confidences share a bin.

        Args:
            stated: (N,) stated error probability; N > 0.
            wrong: (N,) whether the prediction was wrong.
            n_bins: number of bins; fewer are used if a bin would have under 10 samples.
        """
        order = np.argsort(-stated, kind="stable")
        n_used = max(1, min(n_bins, len(stated) // 10))
        cuts = np.linspace(0, len(stated), n_used + 1).round().astype(np.int64)
        ranked = -stated[order]
        first_equals = np.searchsorted(ranked, ranked[cuts[:-1]])
        edges = np.unique(np.append(first_equals, len(stated)))
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
        """The binned error, in [0, 1]."""
        return float((self.weights * np.abs(self.errors / self.sizes - self.stated)).sum())

    @property
    def deviations(self) -> Floats:
        """(B,) observed minus stated error rate."""
        return np.asarray(self.errors / self.sizes - self.stated, dtype=np.float64)

    @property
    def noise(self) -> Floats:
        """(B,) standard errors of the observed error rates."""
        rate = (self.errors + 0.5) / (self.sizes + 1)
        variance = np.maximum(self.stated * (1 - self.stated), rate * (1 - rate))
        return np.asarray(np.sqrt(variance / self.sizes), dtype=np.float64)


class _Path:
    """Distribution of the binned error if error rates deviate from the stated ones in one direction."""

    def __init__(self, bins: BinnedError, direction: Floats, n_draws: int, seed: int) -> None:
        self._bins = bins
        self._direction = direction / (bins.weights * np.abs(direction)).sum()
        # The same uniform numbers at every point make the tails monotone along the path. They are
        # equally spaced, and each bin uses them in a different random order.
        generator = np.random.default_rng(seed)
        order = np.tile(np.arange(n_draws), (len(bins.sizes), 1))
        self._order = generator.permuted(order, axis=1)
        self._uniform = (np.arange(n_draws) + 0.5) / n_draws
        self._log_factorials = gammaln(np.arange(int(bins.sizes.max()) + 2) + 1.0)
        self._drawn: dict[float, Floats] = {}

    def error(self, position: float) -> float:
        """Binned error of the error rates at a position on the path."""
        return float((self._bins.weights * np.abs(self._rates(position) - self._bins.stated)).sum())

    def tails(self, position: float, value: float) -> tuple[float, float]:
        """Probabilities that the binned error is at most, and at least, the value."""
        drawn = self._draw(position)
        more = float((drawn > value + _ROUNDING).mean())
        less = float((drawn < value - _ROUNDING).mean())
        ties = 1 - more - less
        return (
            max(less + ties / 2, (less + ties) / EXCESS),
            max(more + ties / 2, (more + ties) / EXCESS),
        )

    def null_median(self) -> float:
        """Median of the binned error of a calibrated model."""
        return float(np.median(self._draw(0.0)))

    def _draw(self, position: float) -> Floats:
        """(n_draws,) binned errors of simulated samples with the rates at this position."""
        if position not in self._drawn:
            self._drawn[position] = self._simulated(self._rates(position))
        return self._drawn[position]

    def _simulated(self, rates: Floats) -> Floats:
        sizes = self._bins.sizes[:, None]
        counts = _quantiles(self._bins.sizes, rates, self._uniform, self._log_factorials)
        errors = np.abs(counts / sizes - self._bins.stated[:, None])
        weighted = self._bins.weights[:, None] * np.take_along_axis(errors, self._order, axis=1)
        return np.asarray(weighted.sum(0), dtype=np.float64)

    def _rates(self, position: float) -> Floats:
        rates = self._bins.stated + position * self._direction
        return np.asarray(np.clip(rates, 0, 1), dtype=np.float64)


def _quantiles(sizes: Integers, rates: Floats, uniform: Floats, log_factorials: Floats) -> Integers:
    """Binomial counts (B, n) at which the distribution functions of the bins reach n ascending levels."""
    mean, spread = sizes * rates, np.sqrt(sizes * rates * (1 - rates))
    first = np.maximum((mean - 8 * spread - 1).astype(np.int64), 0)
    last = np.minimum((mean + 8 * spread + 12).astype(np.int64), sizes)
    k = first[:, None] + np.arange(int((last - first).max()))
    # The last relevant count is reached by every level: its probability is not needed.
    relevant = k < last[:, None]
    k = np.where(relevant, k, first[:, None])
    rest = sizes[:, None] - k
    log_mass = log_factorials[sizes][:, None] - log_factorials[k] - log_factorials[rest]
    log_rate, log_other = (np.maximum(xlogy(1.0, one), _LOG_ZERO) for one in (rates, 1 - rates))
    log_mass += k * log_rate[:, None]
    log_mass += rest * log_other[:, None]
    reached = np.cumsum(np.exp(log_mass), axis=1)
    # How many levels each value of the distribution function reaches, and from these the counts.
    place = np.where(relevant, np.searchsorted(uniform, reached, side="right"), len(uniform))
    width = len(uniform) + 1
    place += width * np.arange(len(sizes))[:, None]
    passed = np.bincount(place.ravel(), minlength=width * len(sizes)).reshape(len(sizes), width)
    return np.asarray(first[:, None] + np.cumsum(passed[:, :-1], axis=1), dtype=np.int64)


def binned_error_interval(
    observed: BinnedError, largest_mean: float, alpha: float, n_draws: int, seed: int
) -> Interval:
    """Estimate and interval of the binned error.

    The observed error is biased by noise: it is above 0 even for a perfectly calibrated model. It is
    compared with its simulated distribution along paths of error rates that start at the stated ones
    and lead in one direction. On each path, the estimate is the point at which the observed error is
    the median, and the limits are the points at which its tails are alpha / 2. So the lower limit
    is 0 for a calibrated model with probability 1 - alpha / 2. Ties count half, as in mid-p values,
    within the bound of `EXCESS`. The true direction is unknown. The estimate is therefore the mean of
    two directions, the least and the most cautious, and the limits are the outermost ones over all
    directions of `_directions`.

    Args:
        observed: the bins.
        largest_mean: upper limit of |mean confidence - accuracy|; the error is at least that large.
        alpha: 1 - coverage.
        n_draws: number of simulations at each point.
        seed: random seed.

    Returns:
        The error, in [0, 1].

    Reference:
        Test inversion by simulation: J. Carpenter, JRSS B 61 (1999) 159-172. Bias of the binned
        error: A. Kumar, P. Liang and T. Ma, "Verified uncertainty calibration", NeurIPS 2019.
    """
    directions = _directions(observed)
    known = {one.tobytes(): one for one in directions}
    # Two directions may be equal: what is simulated for one serves for the other.
    path_of = {key: _Path(observed, one, n_draws, seed) for key, one in known.items()}
    paths = [path_of[one.tobytes()] for one in directions]
    limits = [_limits(path, observed.value, alpha) for path in paths]
    low = min(one for one, _ in limits)
    high = max(largest_mean, *(one for _, one in limits))
    medians = [_solve(path, observed.value, 0.5, above=True) for path in paths[:2]]
    middle = float(np.mean(medians))
    return Interval(max(low, min(high, middle)), low, min(high, 1.0))


def _directions(observed: BinnedError) -> tuple[Floats, ...]:
    """Directions in which the error rates may deviate from the stated ones.

    An error of a given size is easiest to detect if it is concentrated in few bins, and hardest if it
    is spread over all bins in proportion to their noise. The sign of a deviation within the noise is
    unknown: it is taken to be the observed one, or that of an under-confident model.
    """
    deviations, noise = observed.deviations, observed.noise
    signs = np.where(deviations < 0, -1.0, 1.0)
    timid = np.where(observed.stated > np.median(observed.stated), -1.0, 1.0)
    unsure = np.where(np.abs(deviations) < 2 * noise, timid, signs)
    kept = np.maximum(deviations**2 - noise**2, 0)
    few = np.divide(kept, deviations, out=np.zeros_like(kept), where=deviations != 0)
    return (few if few.any() else signs * noise), signs * noise, unsure * noise


def _limits(path: _Path, value: float, alpha: float) -> tuple[float, float]:
    """Limits of the error for one direction."""
    # An observed error below its null median carries no more information than the median.
    high = _solve(path, max(value, path.null_median()), alpha / 2, above=False)
    return _solve(path, value, alpha / 2, above=True), high


def _solve(path: _Path, value: float, level: float, *, above: bool) -> float:
    """The error at which a tail beyond the value reaches the level; 0 if it already does at 0."""

    def is_beyond(position: float) -> bool:
        at_most, at_least = path.tails(position, value)
        return at_least > level if above else at_most < level

    if is_beyond(0.0):
        return 0.0
    low, high = 0.0, min(1.0, 2 * value + _ROUNDING)
    while not is_beyond(high):
        if high >= 1:
            return path.error(1.0)
        low, high = high, min(1.0, 2 * high)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if is_beyond(middle) else (middle, high)
    return path.error((low + high) / 2)
