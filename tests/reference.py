"""Slow, plain rewrites that the fast code is compared with; each follows its paper's definition."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ttest_ind

# --- statistics --------------------------------------------------------------------------------


def expected_calibration_error(
    stated: NDArray[np.float64], right: NDArray[np.bool_], n_bins: int
) -> float:
    """Mean over bins of equal mass of |mean confidence - accuracy|, weighted by bin size."""
    order = sorted(range(len(stated)), key=lambda index: float(stated[index]))
    edges = [round(float(edge)) for edge in np.linspace(0, len(order), n_bins + 1)]
    error = 0.0
    for start, stop in pairwise(edges):
        members = order[start:stop]
        gap = np.mean([stated[index] for index in members])
        gap -= np.mean([float(right[index]) for index in members])
        error += abs(float(gap)) * len(members) / len(order)
    return error


def largest_t_p_value(
    first: NDArray[np.float64], second: NDArray[np.float64], n_permutations: int, seed: int
) -> float:
    """Nichols and Holmes (2002): reshuffle the maps, keep the largest |t| of each reshuffling."""
    generator = np.random.default_rng(seed)
    maps = np.concatenate([first, second])

    def largest(order: NDArray[np.int64]) -> float:
        one, two = maps[order[: len(first)]], maps[order[len(first) :]]
        return float(np.abs(ttest_ind(one, two, equal_var=False).statistic).max())

    seen = largest(np.arange(len(maps)))
    draws = [largest(generator.permutation(len(maps))) for _ in range(n_permutations)]
    return (sum(draw >= seen - 1e-9 for draw in draws) + 1) / (n_permutations + 1)
