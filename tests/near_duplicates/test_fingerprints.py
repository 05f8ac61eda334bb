"""Fingerprints: the fast search finds the same pairs as comparing each with each."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from auditor.near_duplicates import fingerprints
from auditor.near_duplicates.fingerprints import (
    NearPairs,
    connected_groups,
    crossing_pairs,
    equal_files,
    hamming_distance,
    near_pairs,
    parse_fingerprints,
)


def planted(seed: int, n: int = 400) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """Random fingerprints; every fourth is followed by a copy with up to eight bits flipped."""
    generator = np.random.default_rng(seed)
    words = generator.integers(0, 2**64, n, dtype=np.uint64)
    for k in range(0, n - 1, 4):
        words[k + 1] = words[k]
        for bit in generator.choice(64, generator.integers(0, 9), replace=False):
            words[k + 1] ^= np.uint64(1) << np.uint64(bit)
    return words


def differing_bits(one: int, other: int) -> int:
    return (int(one) ^ int(other)).bit_count()


@pytest.mark.parametrize("max_distance", [0, 1, 3, 6, 12])
def test_near_pairs_are_those_found_by_comparing_each_with_each(max_distance: int) -> None:
    words = np.unique(planted(max_distance))
    found, reach = near_pairs(words, max_distance)
    assert reach == max_distance
    slow = {
        (i, j): differing_bits(words[i], words[j])
        for i in range(len(words))
        for j in range(i + 1, len(words))
        if differing_bits(words[i], words[j]) <= max_distance
    }
    pairs = zip(found.first.tolist(), found.second.tolist(), strict=True)
    assert dict(zip(pairs, found.distance.tolist(), strict=True)) == slow
    assert max_distance == 0 or slow


def test_equal_fingerprints_form_a_chain_and_one_group() -> None:
    words = np.array([7, 9, 7, 7, 8], dtype=np.uint64)
    found, _ = near_pairs(words, 0)
    assert len(found) == 2
    assert [one.tolist() for one in connected_groups(found)] == [[0, 2, 3]]


@pytest.mark.parametrize("max_distance", [0, 4, 6])
def test_crossing_pairs_are_those_found_by_comparing_each_with_each(max_distance: int) -> None:
    words = planted(3)
    own = np.concatenate([words[::2], words[:6]])
    theirs = np.concatenate([words[1::2], words[:4], words[:2]])
    found, _ = crossing_pairs(own, theirs, max_distance)
    firsts = {int(word): k for k, word in reversed(list(enumerate(theirs)))}
    slow = {
        (k, place)
        for k, word in enumerate(own)
        for other, place in firsts.items()
        if differing_bits(int(word), other) <= max_distance
    }
    assert set(zip(found.first.tolist(), found.second.tolist(), strict=True)) == slow
    assert (hamming_distance(own[found.first], theirs[found.second]) == found.distance).all()


def test_hexadecimal_fingerprints_become_numbers_and_none_is_left_out() -> None:
    numbers, rows = parse_fingerprints(["00000000000000ff", None, "8000000000000000"])
    assert numbers.tolist() == [255, 2**63]
    assert rows.tolist() == [0, 2]


def test_equal_files_are_paired_with_the_next_equal_one() -> None:
    found = equal_files(pd.Series(["x", "y", "x", "z", "x", "y"]))
    pairs = sorted(zip(found.first.tolist(), found.second.tolist(), strict=True))
    assert pairs == [(0, 2), (1, 5), (2, 4)]
    assert found.distance.tolist() == [0, 0, 0]


def test_groups_are_sorted_by_size_and_their_positions_ascending() -> None:
    pairs = NearPairs(np.array([0, 6, 4]), np.array([3, 4, 5]), np.array([0, 0, 0]))
    assert [one.tolist() for one in connected_groups(pairs)] == [[4, 5, 6], [0, 3]]


def test_near_pairs_are_found_among_many_thousand_fingerprints() -> None:
    generator = np.random.default_rng(0)
    words = generator.integers(0, 2**64, 40_000, dtype=np.uint64)
    words[20_000:21_000] = words[:1000] ^ np.uint64(0b101)
    found, _ = near_pairs(words, 6)
    pairs = set(zip(found.first.tolist(), found.second.tolist(), strict=True))
    assert pairs >= {(k, 20_000 + k) for k in range(1000)}


@pytest.mark.parametrize("n_equal", [1, 2, 3, 4])
@pytest.mark.parametrize("max_distance", [1, 2, 6])
def test_any_number_of_equal_parts_finds_each_pair_once(
    n_equal: int, max_distance: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = np.unique(planted(7, 200))
    monkeypatch.setattr(fingerprints, "_equal_parts", lambda _n, _max_distance: n_equal)
    found = [
        tuple(sorted(pair))
        for first, second, *_ in fingerprints._near_distinct(words, max_distance)
        for pair in zip(first.tolist(), second.tolist(), strict=True)
    ]
    expected = {
        (i, j)
        for i in range(len(words))
        for j in range(i + 1, len(words))
        if differing_bits(words[i], words[j]) <= max_distance
    }
    assert len(found) == len(set(found))
    assert set(found) == expected


def test_more_parts_must_be_equal_among_more_fingerprints() -> None:
    # Among a thousand, 7 parts of 9 bits leave 7 · 1000² / 2 / 2⁹ ≈ 7,000 pairs to compare; among a
    # million, they would leave 7 · 10⁹, and 28 pairs of 8 parts only 28 · 10¹² / 2 / 2¹⁶ ≈ 2 · 10⁸.
    assert fingerprints._equal_parts(1_000, 6) == 1
    assert fingerprints._equal_parts(1_000_000, 6) == 2


def test_missing_files_equal_no_other() -> None:
    found = equal_files(pd.Series(["x", None, "y", None, "x"]))
    assert (found.first.tolist(), found.second.tolist()) == ([0], [4])


def test_nothing_is_connected_without_pairs() -> None:
    none = np.empty(0, dtype=np.int64)
    assert connected_groups(NearPairs(none, none, none)) == []


def test_too_many_similar_fingerprints_are_searched_up_to_a_smaller_distance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # All words with one of 12 bits set, and zero: 12 pairs differ in one bit, 66 in two.
    words = np.array([0, *(1 << np.arange(12))], dtype=np.uint64)
    found, reach = near_pairs(words, 2)
    assert (len(found), reach) == (78, 2)
    monkeypatch.setattr(fingerprints, "MOST_PAIRS", 77)
    found, reach = near_pairs(words, 2)
    assert (found.distance.tolist(), reach) == ([1] * 12, 1)
    monkeypatch.setattr(fingerprints, "MOST_PAIRS", 11)
    found, reach = near_pairs(words, 2)
    assert (len(found), reach) == (0, 0)


def test_search_among_alike_fingerprints_ends_after_a_bounded_number_of_comparisons(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = np.arange(4096, dtype=np.uint64)  # 52 of 64 bits are equal
    monkeypatch.setattr(fingerprints, "_MOST_COMPARED", 1000)
    found, reach = near_pairs(words, 6)
    assert (len(found), reach) == (0, 0)
    assert fingerprints.reach_note(0, 6, "checks.duplicates.max_distance") == (
        "too many images have similar fingerprints to find all pairs that differ in up to 6 of 64 bits; "
        "those that differ in up to 0 were examined (checks.duplicates.max_distance)"
    )
