"""Finds equal files and pairs of similar perceptual fingerprints among many images."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Fingerprints = NDArray[np.uint64]
Rows = NDArray[np.int64]
_Step = tuple[Rows, Rows, Rows, int]
"""Positions of the first and of the second fingerprint of pairs, their distances, and how many pairs were
compared to find them."""

MOST_PAIRS = 5_000_000
"""Pairs of similar fingerprints that are found at most; they take 120 MB."""
_MOST_COMPARED = 3_000_000_000
"""Pairs that are compared at most, which takes about a minute."""

_BITS = 64
_SORTED = 10
"""Comparisons that take as long as sorting one fingerprint among a million."""
_M1, _M2, _M4, _H = (
    np.uint64(word)
    for word in (0x5555555555555555, 0x3333333333333333, 0x0F0F0F0F0F0F0F0F, 0x0101010101010101)
)


@dataclass(frozen=True)
class NearPairs:
    """Pairs of images.

    Attributes:
        first: (n,) positions, int64.
        second: (n,) positions, int64; within one set, each is larger than that of its partner.
        distance: (n,) number of bits in which the fingerprints differ; 0 for equal files.
    """

    first: Rows
    second: Rows
    distance: Rows

    def __len__(self) -> int:
        return len(self.first)

    def __getitem__(self, chosen: NDArray[np.bool_] | Rows) -> NearPairs:
        return NearPairs(self.first[chosen], self.second[chosen], self.distance[chosen])

    def closest_first(self) -> NearPairs:
        """Sorted by distance, then by position."""
        return self[np.lexsort((self.second, self.first, self.distance))]


def parse_fingerprints(words: Iterable[object]) -> tuple[Fingerprints, Rows]:
    """Converts fingerprints from hexadecimal digits to numbers; those that are not text are left out.

    Returns:
        The numbers (m,), and their positions (m,) in ``words``.
    """
    known = ((k, int(word, 16)) for k, word in enumerate(words) if isinstance(word, str))
    found = np.fromiter(known, dtype=[("row", np.int64), ("number", np.uint64)])
    return np.ascontiguousarray(found["number"]), np.ascontiguousarray(found["row"])


def near_pairs(fingerprints: Fingerprints, max_distance: int) -> tuple[NearPairs, int]:
    """Finds all pairs of fingerprints that differ in few bits.

    Equal fingerprints form a chain, each paired with the next: a thousand copies of one image give a
    thousand pairs, not half a million. Images of one kind, such as digits on black, may have billions of
    similar fingerprints: if there are more than `MOST_PAIRS`, only those are found that differ in fewer
    bits.

    Args:
        fingerprints: (n,) of 64 bits.
        max_distance: largest number of differing bits, 0 to 15.

    Returns:
        The pairs; of equal fingerprints, only the first is paired with others. And the largest number of
        differing bits up to which all pairs were found.

    Reference:
        M. Norouzi, A. Punjani and D. J. Fleet, "Fast search in Hamming space with multi-index
        hashing", CVPR 2012: if two fingerprints are divided into ``max_distance + c`` parts, at least
        ``c`` parts must be equal. The paper uses c = 1; among very many fingerprints, more equal parts
        leave fewer pairs to compare.
    """
    order = np.argsort(fingerprints, kind="stable").astype(np.int64)
    ordered = fingerprints[order]
    equal = np.flatnonzero(ordered[1:] == ordered[:-1])
    chained = NearPairs(order[equal], order[equal + 1], np.zeros(len(equal), dtype=np.int64))
    is_first = np.ones(len(fingerprints), dtype=bool)
    is_first[equal + 1] = False
    heads, distinct = order[is_first], ordered[is_first]
    found = [chained]
    near = None
    while max_distance > 0 and near is None:
        near = _bounded(_near_distinct(distinct, max_distance))
        max_distance -= near is None
    found += [
        NearPairs(
            np.minimum(heads[one], heads[other]), np.maximum(heads[one], heads[other]), distance
        )
        for one, other, distance in near or ()
    ]
    return _without_repeats(found), max_distance


def _bounded(steps: Iterator[_Step]) -> list[tuple[Rows, Rows, Rows]] | None:
    """The pairs; None if there are too many, or if finding them takes too long."""
    found: list[tuple[Rows, Rows, Rows]] = []
    n_found = n_compared = 0
    for first, second, distance, compared in steps:
        n_found += len(first)
        n_compared += compared
        if n_found > MOST_PAIRS or n_compared > _MOST_COMPARED:
            return None
        if len(first):
            found.append((first, second, distance))
    return found


def crossing_pairs(
    fingerprints: Fingerprints, others: Fingerprints, max_distance: int
) -> tuple[NearPairs, int]:
    """Finds pairs of fingerprints from two sets that differ in few bits.

    Args:
        fingerprints: (n,) of 64 bits.
        others: (m,) of 64 bits; of equal ones, only the first is used.
        max_distance: largest number of differing bits, 0 to 15.

    Returns:
        Positions in ``fingerprints`` as ``first`` and in ``others`` as ``second``, and the largest number
        of differing bits up to which all pairs were found; see `near_pairs`.
    """
    values, where = np.unique(np.concatenate([fingerprints, others]), return_inverse=True)
    own, theirs = where[: len(fingerprints)], where[len(fingerprints) :]
    holder = np.full(len(values), -1, dtype=np.int64)
    holder[theirs[::-1]] = np.arange(len(others))[::-1]  # the first is written last
    near, reach = near_pairs(values, max_distance)
    itself = np.arange(len(values), dtype=np.int64)
    start = np.concatenate([itself, near.first, near.second])
    end = np.concatenate([itself, near.second, near.first])
    distance = np.concatenate([np.zeros_like(itself), near.distance, near.distance])
    held = holder[end] >= 0
    start, end, distance = start[held], holder[end[held]], distance[held]
    # Every fingerprint of the first set with that value is paired.
    members = np.argsort(own, kind="stable").astype(np.int64)
    begins, counts = np.searchsorted(own[members], start), np.bincount(own, minlength=len(values))
    repeats = counts[start]
    offset = np.arange(repeats.sum()) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    crossing = NearPairs(
        members[np.repeat(begins, repeats) + offset],
        np.repeat(end, repeats),
        np.repeat(distance, repeats),
    )
    return crossing, reach


def reach_note(reach: int, wanted: int, option: str) -> str:
    """Why pairs of fingerprints were searched only up to a smaller distance than wanted.

    Args:
        reach: largest number of differing bits up to which all pairs were found.
        wanted: the number that was asked for.
        option: its name.
    """
    return (
        f"too many images have similar fingerprints to find all pairs that differ in up to {wanted} of "
        f"{_BITS} bits; those that differ in up to {reach} were examined ({option})"
    )


def hamming_distance(one: Fingerprints, other: Fingerprints) -> Rows:
    """Number of differing bits, element by element (n,)."""
    word = one ^ other
    # Counts the bits of pairs, nibbles and bytes, then sums the bytes by a multiplication.
    word = word - ((word >> np.uint64(1)) & _M1)
    word = (word & _M2) + ((word >> np.uint64(2)) & _M2)
    word = (word + (word >> np.uint64(4))) & _M4
    return np.asarray((word * _H) >> np.uint64(56), dtype=np.int64)


def _near_distinct(fingerprints: Fingerprints, max_distance: int) -> Iterator[_Step]:
    """Yields the pairs of distinct fingerprints that differ in at most ``max_distance`` bits, each once."""
    n_equal = _equal_parts(len(fingerprints), max_distance)
    edges = np.linspace(0, _BITS, max_distance + n_equal + 1).round().astype(int).tolist()
    masks = [np.uint64((1 << high) - (1 << low)) for low, high in pairwise(edges)]
    for chosen in combinations(range(len(masks)), n_equal):
        earlier = [masks[k] for k in range(chosen[-1]) if k not in chosen]
        key = np.bitwise_or.reduce([masks[k] for k in chosen])
        yield from _equal_in_parts(fingerprints, key, earlier, max_distance)


def _equal_parts(n: int, max_distance: int) -> int:
    """The number of equal parts with which the search among n fingerprints takes the least time."""

    def cost(n_equal: int) -> float:
        parts = max_distance + n_equal
        compared = n * n / 2 ** (1 + _BITS * n_equal / parts)
        return math.comb(parts, n_equal) * (_SORTED * n + compared)

    return min(range(1, 5), key=cost)


def _equal_in_parts(
    fingerprints: Fingerprints, key: np.uint64, earlier: Sequence[np.uint64], max_distance: int
) -> Iterator[_Step]:
    """Yields pairs that are equal in some parts and differ in at most ``max_distance`` bits.

    Args:
        fingerprints: (n,) distinct ones.
        key: mask of these parts.
        earlier: masks of the parts before the last of them. A pair that is equal in one of these too
            is found with other parts, and left out here.
        max_distance: largest number of differing bits.
    """
    keys = fingerprints & key
    order = np.argsort(keys, kind="stable").astype(np.int64)
    keys, ordered = keys[order], fingerprints[order]
    left = np.arange(len(fingerprints) - 1, dtype=np.int64)
    step = 1
    while len(left):
        left = left[left + step < len(fingerprints)]
        # Keys are sorted: if two of them differ at one step, they also differ at every larger one.
        left = left[keys[left] == keys[left + step]]
        distance = hamming_distance(ordered[left], ordered[left + step])
        near = np.flatnonzero(distance <= max_distance)
        differing = ordered[left[near]] ^ ordered[left[near] + step]
        for mask in earlier:
            kept = (differing & mask) != 0
            near, differing = near[kept], differing[kept]
        yield order[left[near]], order[left[near] + step], distance[near], len(left)
        step += 1


def equal_files(sha256: pd.Series[str]) -> NearPairs:
    """Pairs each file with the next equal one.

    Args:
        sha256: n fingerprints of files; a missing one equals no other.
    """
    # Texts are compared only where their hashes are equal: a table of a million of them is large.
    known = np.flatnonzero(sha256.notna())
    hashes = np.fromiter((hash(one) for one in sha256.iloc[known]), np.int64, len(known))
    order = np.argsort(hashes, kind="stable")
    equal = np.flatnonzero(np.diff(hashes[order]) == 0)
    rows = known[np.unique(order[np.concatenate([equal, equal + 1])])]
    code = pd.factorize(sha256.iloc[rows])[0]
    order = np.argsort(code, kind="stable")
    again = np.flatnonzero(np.diff(code[order]) == 0)
    distance = np.zeros(len(again), dtype=np.int64)
    return NearPairs(rows[order[again]], rows[order[again + 1]], distance)


def concatenate(parts: Sequence[NearPairs]) -> NearPairs:
    """Joins lists of pairs, in their order."""
    return NearPairs(
        np.concatenate([one.first for one in parts]),
        np.concatenate([one.second for one in parts]),
        np.concatenate([one.distance for one in parts]),
    )


def _without_repeats(parts: Sequence[NearPairs]) -> NearPairs:
    pairs = concatenate(parts)
    pairs = pairs[np.lexsort((pairs.second, pairs.first))]
    again = np.zeros(len(pairs), dtype=bool)
    again[1:] = (np.diff(pairs.first) == 0) & (np.diff(pairs.second) == 0)
    return pairs[~again]


def connected_groups(pairs: NearPairs) -> list[Rows]:
    """Groups the positions that pairs connect: each ascending, the largest group first."""
    if not len(pairs):
        return []
    # Nearly all of a million images are in no pair.
    nodes, ends = np.unique(np.concatenate([pairs.first, pairs.second]), return_inverse=True)
    first, second = np.split(ends, 2)
    links = coo_array((np.ones(len(pairs)), (first, second)), shape=(len(nodes), len(nodes)))
    _, group = connected_components(links, directed=False)
    order = np.argsort(group, kind="stable")
    parts = np.split(nodes[order], np.flatnonzero(np.diff(group[order])) + 1)
    return sorted(
        (part.astype(np.int64) for part in parts if len(part) > 1),
        key=lambda part: (-len(part), int(part[0])),
    )
