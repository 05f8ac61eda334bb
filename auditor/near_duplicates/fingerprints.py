"""Images that look alike: fingerprints compared in bulk, candidates compared by their pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from auditor.errors import UnreadableImageError
from auditor.records import Images
from auditor.statistics import Floats

Prints = NDArray[np.uint64]
Rows = NDArray[np.int64]

_BITS = 64
_SIDE = 64
"""Side in pixels of the grey copies whose pixels are compared."""
_KEPT = 4096
"""Grey copies that are kept for the next pair (32 KB each)."""
_M1, _M2, _M4, _H = (
    np.uint64(word)
    for word in (0x5555555555555555, 0x3333333333333333, 0x0F0F0F0F0F0F0F0F, 0x0101010101010101)
)


@dataclass(frozen=True)
class NearPairs:
    """Pairs of images.

    Attributes:
        first: (n,) positions, int64.
        second: (n,) positions; within one set each above its partner's.
        distance: (n,) differing bits of the fingerprints.
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


def prints_of(words: Sequence[str | None]) -> tuple[Prints, Rows]:
    """Fingerprints in hexadecimal digits as numbers, without those that are None.

    Returns:
        The numbers (m,), and their positions (m,) in ``words``.
    """
    rows = [k for k, word in enumerate(words) if isinstance(word, str)]
    numbers = [int(str(words[k]), 16) for k in rows]
    return np.array(numbers, dtype=np.uint64), np.array(rows, dtype=np.int64)


def near_pairs(prints: Prints, most: int) -> NearPairs:
    """All pairs of fingerprints that differ in few bits.

    Equal fingerprints are paired in a chain (each with the next), not each with each: a thousand
    copies of one image are a thousand pairs and not half a million.

    Args:
        prints: (n,) of 64 bits.
        most: how many bits may differ, 0 to 15.

    Returns:
        The pairs; where fingerprints repeat, the first of each stands for its equals.

    Reference:
        M. Norouzi, A. Punjani and D. J. Fleet, "Fast search in Hamming space with multi-index
        hashing", CVPR 2012: of ``most + 1`` parts of two such fingerprints, one must be equal.
    """
    order = np.argsort(prints, kind="stable").astype(np.int64)
    ordered = prints[order]
    equal = np.flatnonzero(ordered[1:] == ordered[:-1])
    chained = NearPairs(order[equal], order[equal + 1], np.zeros(len(equal), dtype=np.int64))
    fresh = np.ones(len(prints), dtype=bool)
    fresh[equal + 1] = False
    heads, distinct = order[fresh], ordered[fresh]
    found = [chained]
    if most > 0:
        edges = np.linspace(0, _BITS, most + 2).round().astype(np.uint64)
        for low, high in pairwise(edges):
            found += [
                NearPairs(
                    np.minimum(heads[one], heads[other]),
                    np.maximum(heads[one], heads[other]),
                    distance,
                )
                for one, other, distance in _alike_in_part(distinct, low, high, most)
            ]
    return _once(found)


def crossing_pairs(prints: Prints, others: Prints, most: int) -> NearPairs:
    """Pairs of one fingerprint of each of two sets that differ in few bits.

    Args:
        prints: (n,) of 64 bits.
        others: (m,) of 64 bits; of equal ones the first stands for all.
        most: how many bits may differ, 0 to 15.

    Returns:
        Positions in ``prints`` as ``first`` and in ``others`` as ``second``.
    """
    values, where = np.unique(np.concatenate([prints, others]), return_inverse=True)
    own, theirs = where[: len(prints)], where[len(prints) :]
    holder = np.full(len(values), -1, dtype=np.int64)
    holder[theirs[::-1]] = np.arange(len(others))[::-1]  # the first is written last
    near = near_pairs(values, most)
    itself = np.arange(len(values), dtype=np.int64)
    start = np.concatenate([itself, near.first, near.second])
    end = np.concatenate([itself, near.second, near.first])
    distance = np.concatenate([np.zeros_like(itself), near.distance, near.distance])
    held = holder[end] >= 0
    start, end, distance = start[held], holder[end[held]], distance[held]
    # Every fingerprint of the first set that has the value is paired.
    members = np.argsort(own, kind="stable").astype(np.int64)
    begins, counts = np.searchsorted(own[members], start), np.bincount(own, minlength=len(values))
    repeats = counts[start]
    offset = np.arange(repeats.sum()) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    return NearPairs(
        members[np.repeat(begins, repeats) + offset],
        np.repeat(end, repeats),
        np.repeat(distance, repeats),
    )


def apart(one: Prints, other: Prints) -> Rows:
    """Differing bits, element by element."""
    word = one ^ other
    # Counts bits in pairs, nibbles and bytes, then sums the bytes by a multiplication.
    word = word - ((word >> np.uint64(1)) & _M1)
    word = (word & _M2) + ((word >> np.uint64(2)) & _M2)
    word = (word + (word >> np.uint64(4))) & _M4
    return np.asarray((word * _H) >> np.uint64(56), dtype=np.int64)


def _alike_in_part(
    prints: Prints, low: np.uint64, high: np.uint64, most: int
) -> Iterator[tuple[Rows, Rows, Rows]]:
    """Pairs with equal bits in [low, high) that differ in at most ``most``."""
    mask = np.uint64((1 << int(high - low)) - 1)
    keys = (prints >> low) & mask
    order = np.argsort(keys, kind="stable").astype(np.int64)
    keys, ordered = keys[order], prints[order]
    left = np.arange(len(prints) - 1, dtype=np.int64)
    step = 1
    while len(left):
        left = left[left + step < len(prints)]
        # Keys are sorted: once two of them differ at some distance, they do at any larger one.
        left = left[keys[left] == keys[left + step]]
        distance = apart(ordered[left], ordered[left + step])
        near = distance <= most
        yield order[left[near]], order[left[near] + step], distance[near]
        step += 1


def _once(parts: Sequence[NearPairs]) -> NearPairs:
    first, second, distance = (
        np.concatenate([getattr(one, name) for one in parts])
        for name in ("first", "second", "distance")
    )
    together = np.lexsort((second, first))
    pairs = NearPairs(first[together], second[together], distance[together])
    again = np.zeros(len(pairs), dtype=bool)
    again[1:] = (np.diff(pairs.first) == 0) & (np.diff(pairs.second) == 0)
    return pairs[~again]


def groups(pairs: NearPairs, n: int) -> list[Rows]:
    """Positions that pairs connect, each group ascending, the largest first."""
    links = coo_array((np.ones(len(pairs)), (pairs.first, pairs.second)), shape=(n, n))
    _, group = connected_components(links, directed=False)
    order = np.argsort(group, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(group[order])) + 1)
    return sorted(
        (part.astype(np.int64) for part in parts if len(part) > 1),
        key=lambda part: (-len(part), int(part[0])),
    )


def grey(image: Image.Image) -> Floats:
    """A small grey copy, standardised: the dot product of two is their correlation."""
    small = image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    levels = np.asarray(small, dtype=np.float64).ravel()
    levels -= levels.mean()
    length = float(np.linalg.norm(levels))
    return levels / length if length > 0 else levels


def alike(
    pairs: NearPairs,
    first: Images,
    second: Images,
    least: float,
    most: int,
) -> tuple[NDArray[np.bool_], int]:
    """Which pairs show the same image, by their pixels.

    Args:
        pairs: positions in ``first`` and in ``second``; the first of them are examined first.
        first: images of the left side.
        second: images of the right side.
        least: smallest correlation of two grey copies that counts as the same image.
        most: pairs that are examined at most.

    Returns:
        Which pairs are alike, (n,), and how many were not examined.
    """
    copies = (lru_cache(maxsize=_KEPT)(partial(_copy, first)),) * 2
    if second is not first:
        copies = (copies[0], lru_cache(maxsize=_KEPT)(partial(_copy, second)))
    same = np.zeros(len(pairs), dtype=bool)
    for k in range(min(len(pairs), most)):
        one, other = copies[0](int(pairs.first[k])), copies[1](int(pairs.second[k]))
        same[k] = one is not None and other is not None and float(one @ other) >= least
    return same, max(len(pairs) - most, 0)


def _copy(images: Images, row: int) -> Floats | None:
    """A grey copy, None where the image can't be read (any more)."""
    try:
        return grey(images[row].image)
    except UnreadableImageError:
        return None
