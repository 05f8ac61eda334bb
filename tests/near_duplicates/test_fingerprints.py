"""Look-alikes: the search in bulk finds what a slow one finds."""

from __future__ import annotations

import time

import numpy as np
import pytest

from auditor.near_duplicates.fingerprints import (
    apart,
    crossing_pairs,
    groups,
    near_pairs,
    prints_of,
)


def planted(seed: int, n: int = 400) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """Fingerprints among which every fourth is another one with up to eight bits turned."""
    generator = np.random.default_rng(seed)
    words = generator.integers(0, 2**64, n, dtype=np.uint64)
    for k in range(0, n - 1, 4):
        words[k + 1] = words[k]
        for bit in generator.choice(64, generator.integers(0, 9), replace=False):
            words[k + 1] ^= np.uint64(1) << np.uint64(bit)
    return words


def bits_apart(one: int, other: int) -> int:
    return (int(one) ^ int(other)).bit_count()


@pytest.mark.parametrize("most", [0, 1, 3, 6, 12])
def test_the_search_finds_what_comparing_each_with_each_finds(most: int) -> None:
    words = np.unique(planted(most))
    found = near_pairs(words, most)
    slow = {
        (i, j): bits_apart(words[i], words[j])
        for i in range(len(words))
        for j in range(i + 1, len(words))
        if bits_apart(words[i], words[j]) <= most
    }
    pairs = zip(found.first.tolist(), found.second.tolist(), strict=True)
    assert dict(zip(pairs, found.distance.tolist(), strict=True)) == slow
    assert most == 0 or slow


def test_equal_fingerprints_are_one_group_with_one_pair_less_than_members() -> None:
    words = np.array([7, 9, 7, 7, 8], dtype=np.uint64)
    found = near_pairs(words, 0)
    assert len(found) == 2
    assert [one.tolist() for one in groups(found, 5)] == [[0, 2, 3]]


@pytest.mark.parametrize("most", [0, 4, 6])
def test_two_sets_are_compared_across(most: int) -> None:
    words = planted(3)
    mine = np.concatenate([words[::2], words[:6]])
    theirs = np.concatenate([words[1::2], words[:4], words[:2]])
    found = crossing_pairs(mine, theirs, most)
    firsts = {int(word): k for k, word in reversed(list(enumerate(theirs)))}
    slow = {
        (k, place)
        for k, word in enumerate(mine)
        for other, place in firsts.items()
        if bits_apart(int(word), other) <= most
    }
    assert set(zip(found.first.tolist(), found.second.tolist(), strict=True)) == slow
    assert (apart(mine[found.first], theirs[found.second]) == found.distance).all()


def test_hexadecimal_words_become_numbers_and_none_is_left_out() -> None:
    prints, rows = prints_of(["00000000000000ff", None, "8000000000000000"])
    assert prints.tolist() == [255, 2**63]
    assert rows.tolist() == [0, 2]


def test_a_hundred_thousand_fingerprints_take_seconds() -> None:
    generator = np.random.default_rng(0)
    words = generator.integers(0, 2**64, 100_000, dtype=np.uint64)
    words[50_000:51_000] = words[:1000] ^ np.uint64(0b101)
    began = time.perf_counter()
    found = near_pairs(words, 6)
    assert len(found) >= 1000
    assert time.perf_counter() - began < 30
