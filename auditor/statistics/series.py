"""Series of file names, such as several images of one patient, and whether their outcomes correlate."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cmp_to_key

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix

from auditor.statistics.cluster_cells import index_of
from auditor.statistics.clusters import ClusterDesign, cluster_design
from auditor.statistics.counted_groups import CountedGroups
from auditor.statistics.intervals import Floats, Integers
from auditor.statistics.permutation import MAX_DRAWS, permute_within, sequential_p_value

_TOKEN = re.compile(r"[^\W\d_]+\d*|\d+")
_ENDING = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,4}$")
_REMOVED = 3
"""Maximum number of tokens after the name of a series, such as a side, a counter and a suffix."""
_LEAST_SERIES = 5
_NUMBERS = 200_000_000


@dataclass(frozen=True, slots=True)
class Series:
    """Series guessed from file names.

    Attributes:
        names: (G,) names of the series in alphabetical order: the beginning of file names, or folders.
        groups: (N,) series of each sample, a position in ``names``.
        n_series: number of series with two or more samples.
        design: intra-class correlation and design effect of the outcomes.
        p_value: one-sided, of "outcomes are not correlated inside series, given the stratum",
            corrected for the number of ways to read the names.
    """

    names: tuple[str, ...]
    groups: Integers
    n_series: int
    design: ClusterDesign
    p_value: float


def find_series(
    names: Collection[str], outcomes: ArrayLike, strata: ArrayLike | None = None, seed: int = 0
) -> Series | None:
    """Guesses series from file names, and estimates the correlation of their outcomes.

    A name is cut before its last, second-last or third-last word or number, or after its folder:
    ``patient012_003.png`` belongs to ``patient012``, and ``scans/7/a.png`` to ``scans/7``. A way to
    cut is plausible if it gives at least five series of two or more samples that together contain
    half of the samples. It is not plausible if the largest series of each stratum together contain
    more than half of the samples: such names contain the label, or all begin alike. Of the
    plausible ways, the one with the largest design effect is used.

    Args:
        names: N file names or ids, with folders separated by slashes. They are read several times.
        outcomes: (N,) outcome of each sample, such as failures as 0 and 1.
        strata: (N,) stratum of each sample, such as its label; None for a single stratum. Without
            labels, names that begin with the class are taken for series.
        seed: random seed.

    Returns:
        The series; None if the names do not look like series.

    Raises:
        ValueError: the lengths differ, there is no sample, or an outcome is not finite.

    Reference:
        Design: `cluster_design`. Test: sum of squares between series under permutation within
        strata; `sequential_p_value`.
    """
    number = np.asarray(outcomes, dtype=np.float64)
    held = np.zeros(len(number), dtype=np.int64) if strata is None else index_of(strata)
    if not (len(names),) == number.shape == held.shape:
        raise ValueError(
            f"expected one name, outcome and stratum for each sample; got {len(names)} names and "
            f"shapes {number.shape} and {held.shape}"
        )
    plausible: list[_Reading] = []
    # Most readings are not plausible; their hashes show it, and take a tenth of the memory of texts.
    each = (hash(one) for name in names for one in _beginnings(name))
    hashes = np.fromiter(each, dtype=np.int64, count=len(names) * (_REMOVED + 1))
    for removed, own in enumerate(hashes.reshape(-1, _REMOVED + 1).T):
        if _looks_like_series(index_of(own), held):
            reading = _Reading.of(names, removed)
            if not any(map(reading.equals, plausible)):
                plausible.append(reading)
    if not plausible:
        return None
    # Of several with the same design effect, the first in alphabetical order is used.
    plausible.sort(key=cmp_to_key(_Reading.order))
    designs = [cluster_design(number, one.groups, held) for one in plausible]
    effects = [np.nan_to_num(design.design_effect, nan=0.0) for design in designs]
    best = int(np.argmax(effects))
    found = plausible[best]
    p_value = min(1.0, len(plausible) * cluster_p_value(number, found.groups, held, seed))
    n_series = int((np.bincount(found.groups) > 1).sum())
    return Series(tuple(found.names.tolist()), found.groups, n_series, designs[best], p_value)


@dataclass(frozen=True, slots=True)
class _Reading:
    """One way to cut the file names.

    Attributes:
        names: (G,) the different beginnings in alphabetical order.
        groups: (N,) which of them each file name has.
    """

    names: NDArray[np.object_]
    groups: Integers

    @classmethod
    def of(cls, names: Collection[str], removed: int) -> _Reading:
        """Cuts every name; only the different beginnings are kept."""
        place: dict[str, int] = {}
        cut = (place.setdefault(_beginnings(name)[removed], len(place)) for name in names)
        found = np.fromiter(cut, dtype=np.int64, count=len(names))
        distinct = np.array(list(place), dtype=object)
        order = np.argsort(distinct, kind="stable")
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order))
        return cls(distinct[order], rank[found])

    def equals(self, other: _Reading) -> bool:
        """Whether both cut every name alike."""
        return self.order(other) == 0

    def order(self, other: _Reading) -> int:
        """-1 if this one is before the other in alphabetical order, 1 if it is behind it, and 0 if equal."""
        differ = np.flatnonzero(self.names[self.groups] != other.names[other.groups])
        if not len(differ):
            return 0
        row = differ[0]
        return -1 if self.names[self.groups[row]] < other.names[other.groups[row]] else 1


def _beginnings(name: str) -> list[str]:
    """The folder of a name, and the name without its extension and its last one, two and three words.

    Where there is no folder, or there are not enough words, it is the whole name.
    """
    folder, slash, last = name.rpartition("/")
    stem = _ENDING.sub("", last)
    starts = [word.start() for word in _TOKEN.finditer(stem)]
    cut = [
        folder + slash + stem[: starts[-removed]].rstrip("_-. ") if len(starts) > removed else name
        for removed in range(1, _REMOVED + 1)
    ]
    return [folder or name, *cut]


def _looks_like_series(groups: Integers, strata: Integers) -> bool:
    sizes = np.bincount(groups)
    several = sizes > 1
    if several.sum() < _LEAST_SERIES or sizes[several].sum() < len(groups) / 2:
        return False
    cells, counts = np.unique(strata * len(sizes) + groups, return_counts=True)
    largest = np.zeros(int(strata.max()) + 1)
    np.maximum.at(largest, cells // len(sizes), counts)
    return bool(largest.sum() <= len(groups) / 2)


def cluster_p_value(
    outcomes: ArrayLike, groups: ArrayLike, strata: ArrayLike, seed: int = 0
) -> float:
    """One-sided p-value of "outcomes are not correlated inside groups, given the stratum".

    Args:
        outcomes: (N,) outcome of each sample, such as failures as 0 and 1.
        groups: (N,) group of each sample; any values that can be sorted.
        strata: (N,) stratum of each sample, such as its label; any values that can be sorted.
        seed: random seed.

    Reference:
        Sum of squares between groups under permutation within strata; `sequential_p_value`. If
        groups of several samples are few, their numbers of 0 and 1 are drawn, which is the same
        distribution.
    """
    values = np.asarray(outcomes, dtype=np.float64)
    return _p_value(values, index_of(groups), index_of(strata), seed)


def _p_value(values: Floats, groups: Integers, strata: Integers, seed: int) -> float:
    order = np.argsort(strata, kind="stable")
    mean = np.bincount(strata, values) / np.bincount(strata)
    residual = (values - mean[strata])[order]
    if not np.abs(residual).max(initial=0.0) > 0:
        return 1.0
    generator = np.random.default_rng(seed)
    counted = CountedGroups.of(values, groups, strata)
    if counted is not None:
        return _counted_p_value(counted, len(values), generator)
    sizes, blocks = np.bincount(groups), np.bincount(strata)
    n_samples = len(values)
    entries = (np.ones(n_samples), (np.arange(n_samples), groups[order]))
    membership = csr_matrix(entries, shape=(n_samples, len(sizes)))
    scale = float((residual**2).sum())

    def statistic(rows: Floats) -> Floats:
        return np.asarray(((rows @ membership) ** 2 / sizes).sum(1) / scale, dtype=np.float64)

    def draw(size: int) -> Floats:
        return statistic(permute_within(residual, blocks, size, generator))

    batch = int(np.clip(4_000_000 // n_samples, 1, 2_000))
    observed = float(statistic(residual[None])[0])
    return sequential_p_value(draw, observed, _most_draws(n_samples), batch).p_value


def _counted_p_value(
    counted: CountedGroups, n_samples: int, generator: np.random.Generator
) -> float:
    def draw(size: int) -> Floats:
        return counted.between(counted.drawn(size, generator))

    batch = int(np.clip(1_000_000 // len(counted.sizes), 1, 2_000))
    observed = float(counted.between(counted.observed[None])[0])
    return sequential_p_value(draw, observed, _most_draws(n_samples), batch).p_value


def _most_draws(n_samples: int) -> int:
    return int(np.clip(_NUMBERS // n_samples, 999, MAX_DRAWS))
