"""Monte Carlo p-values: precise enough for multiple testing, and cheap if nothing is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from auditor.statistics.intervals import Floats, Integers

Number = TypeVar("Number", bound=np.generic)

MAX_DRAWS = 99_999
"""Maximum number of draws. The smallest p-value is 1e-5, enough for 5,000 tests at the level 0.05."""
EXCEEDANCES = 100
"""Sampling stops once so many draws have reached the observed statistic: a relative error of 10 %."""
_FIRST_BATCH = 999
"""Draws that are always made: large p-values have a standard error of at most 0.016."""
_LARGEST_STEP = 4_000
_ROUNDING = 1e-9
"""Relative tolerance for draws that equal the observed statistic except for rounding."""


@dataclass(frozen=True, slots=True)
class MonteCarlo:
    """A Monte Carlo p-value.

    Attributes:
        p_value: in (0, 1]; under the null hypothesis it is at most α with probability at most α.
        reached: number of draws in `drawn` that are at least as large as the observed statistic.
        drawn: (n,) drawn statistics, up to the stopping point.
        mean: mean of the first batch, an estimate of the mean under the null hypothesis.
    """

    p_value: float
    reached: int
    drawn: Floats
    mean: float


def sequential_p_value(
    draw: Callable[[int], Floats],
    observed: float,
    max_draws: int = MAX_DRAWS,
    largest_batch: int = 2_000,
) -> MonteCarlo:
    """Draws statistics under the null hypothesis until the p-value is precise enough.

    If at least 100 of the first 999 draws reach the observed statistic, they give the p-value.
    Otherwise sampling stops at the 100th draw that reaches it, or after `max_draws`. A p-value above
    0.1 takes 999 draws, and one of 0.01 takes about 10,000.

    Args:
        draw: takes a number n and returns n statistics, (n,) float64. Large values are evidence
            against the null hypothesis.
        observed: the statistic of the data.
        max_draws: maximum number of draws; the smallest p-value is 1 / (max_draws + 1).
        largest_batch: maximum number of draws at a time, which bounds the memory.

    Returns:
        The p-value: 100 / n if sampling stopped at the n-th draw, otherwise (reached + 1) / (n + 1).

    Raises:
        ValueError: `max_draws` or `largest_batch` is not positive.

    Reference:
        J. Besag and P. Clifford, "Sequential Monte Carlo p-values", Biometrika 78 (1991) 301-304,
        equation 1.2. If the first batch decides, the p-value is at least 101 / 1000; otherwise it is
        at most 100 / 1000. Both rules together therefore keep P(p ≤ α) ≤ α.
    """
    if max_draws < 1 or largest_batch < 1:
        raise ValueError(
            f"expected at least one draw; got max_draws={max_draws} and "
            f"largest_batch={largest_batch}: raise them to 1 or more"
        )
    bound = observed - _ROUNDING * max(1.0, abs(observed))
    drawn = _in_batches(draw, min(_FIRST_BATCH, max_draws), largest_batch)
    mean = float(drawn.mean())
    size = len(drawn)
    while int((drawn >= bound).sum()) < EXCEEDANCES and len(drawn) < max_draws:
        more = _in_batches(draw, min(size, max_draws - len(drawn)), largest_batch)
        drawn = np.concatenate([drawn, more])
        size = min(2 * size, _LARGEST_STEP)
    hits = np.cumsum(drawn >= bound)
    reached = int(hits[-1])
    if reached >= EXCEEDANCES and len(drawn) > _FIRST_BATCH:
        drawn = drawn[: int(np.searchsorted(hits, EXCEEDANCES)) + 1]
        return MonteCarlo(EXCEEDANCES / len(drawn), EXCEEDANCES, drawn, mean)
    return MonteCarlo((reached + 1) / (len(drawn) + 1), reached, drawn, mean)


def _in_batches(draw: Callable[[int], Floats], n_draws: int, largest: int) -> Floats:
    sizes = [min(largest, n_draws - start) for start in range(0, n_draws, largest)]
    return np.concatenate([np.asarray(draw(size), dtype=np.float64) for size in sizes])


def permute_within(
    values: NDArray[Number], sizes: Integers, n_draws: int, generator: np.random.Generator
) -> NDArray[Number]:
    """Permutes an array within consecutive blocks.

    Args:
        values: (N,) sorted by block.
        sizes: lengths of the blocks; they sum to N.
        n_draws: number of permutations.
        generator: random number generator.

    Returns:
        (n_draws, N) values; each row permutes every block within itself.
    """
    drawn = np.empty((n_draws, len(values)), dtype=values.dtype)
    start = 0
    for size in sizes.tolist():
        block = np.broadcast_to(values[start : start + size], (n_draws, size))
        drawn[:, start : start + size] = generator.permuted(block, axis=1)
        start += size
    return drawn


def places_within(
    counts: Integers, sizes: Integers, n_draws: int, generator: np.random.Generator
) -> Integers:
    """Draws distinct positions in consecutive blocks; the cost does not depend on their lengths.

    Args:
        counts: number of positions to draw in each block, small relative to `sizes`.
        sizes: lengths of the blocks.
        n_draws: number of sets of positions.
        generator: random number generator.

    Returns:
        (n_draws, K) positions, ordered by block; K is the sum of `counts`.
    """
    length = np.repeat(sizes, counts)
    start = np.repeat(np.cumsum(sizes) - sizes, counts)
    places = start + generator.integers(0, length, (n_draws, len(length)))
    pending = np.arange(n_draws)
    while len(pending):
        # Of two equal positions, the later one is drawn again, as in sequential sampling.
        order = np.argsort(places[pending], axis=1, kind="stable")
        ranked = np.take_along_axis(places[pending], order, axis=1)
        row, column = np.nonzero(ranked[:, 1:] == ranked[:, :-1])
        late = order[row, column + 1]
        row = pending[row]
        places[row, late] = start[late] + generator.integers(0, length[late])
        pending = np.unique(row)
    return places
