"""Attention shift: what moves is measured, chance moves nothing, only a cell's own maps count."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.image_evidence import audit_data
from numpy.typing import NDArray

from auditor.checks.attention_shift import AttentionShift, _moved, _Sides
from auditor.imaging.location import evidence_shares, place_name
from auditor.records import AuditData, Cell, Claim, Maps


def looked_at(n: int = 80, seed: int = 0, moved: float = 0.0) -> AuditData:
    """Two classes; of class b with mark = yes, a share of the evidence lies in the last corner."""
    random = np.random.default_rng(seed)
    label = np.arange(n) % 2
    mark = np.where(np.arange(n) // 2 % 2 == 0, "yes", "no")
    cams = random.uniform(0.5, 1.5, (n, 4, 4)).astype(np.float32)
    cams[:, 3, 3] = 0
    cams /= cams.sum((1, 2), keepdims=True)
    touched = (mark == "yes") & (label == 1)
    cams[touched] *= 1 - moved
    cams[touched, 3, 3] = moved
    cams *= random.uniform(0.1, 10, (n, 1, 1)).astype(np.float32)  # confidence, which tells nothing
    share = np.where(label[:, None] == [0, 1], 0.9, 0.1)
    share[touched] = share[touched][:, ::-1]
    return audit_data(label, share, {"mark": mark}, cams=cams)


def of(claims: tuple[Claim, ...], label: str | None) -> Claim:
    (claim,) = [one for one in claims if one.slice.label == label]
    return claim


def test_the_share_that_moves_is_told_with_its_place() -> None:
    found = AttentionShift().examine(looked_at(moved=0.4)).claims
    claim = of(found, "b")
    assert claim.effect is not None
    assert claim.effect.value == pytest.approx(0.4, abs=1e-6)
    assert claim.p_value == 1 / 2000
    assert claim.evidence["place"] == "lower right corner"
    assert np.array(claim.evidence["difference"])[3, 3] == pytest.approx(0.4, abs=1e-3)
    assert claim.slice.attributes == {"mark": "yes"}
    assert claim.ceiling == "note"
    untouched = of(found, "a")
    assert untouched.effect is None
    assert untouched.p_value is not None


def test_half_of_the_labels_carry_half_of_the_pooled_shift() -> None:
    claim = of(AttentionShift().examine(looked_at(moved=0.4)).claims, None)
    assert claim.effect is not None
    assert claim.effect.value == pytest.approx(0.2, abs=0.03)


def test_chance_moves_nothing() -> None:
    check = AttentionShift(permutations=199)
    claims = [check.examine(looked_at(seed=seed)).claims for seed in range(40)]
    p_values = [one.p_value for found in claims for one in found if one.slice.label == "b"]
    assert np.mean(np.array(p_values) <= 0.1) <= 0.25  # 10 of 40 has a chance of 1 in 200
    assert all(one.effect is None for found in claims for one in found)


def test_what_moves_is_not_measured_where_it_was_chosen() -> None:
    moved = []
    for seed in range(30):
        maps = _Sides(looked_at(seed=seed), "mark").of("yes", "b")
        moved.append(_moved(maps, seed).found.gap.value)
    # Chosen and measured on the same maps, chance alone would always move something.
    assert abs(np.mean(moved)) < 3 * np.std(moved) / np.sqrt(30)


def test_maps_drawn_for_another_attribute_do_not_count() -> None:
    given = looked_at(moved=0.4)
    assert given.maps is not None
    cells: list[Cell] = [replace(cell, rows=cell.rows[:3]) for cell in given.maps.cells]
    maps = Maps(given.maps.rows, given.maps.cams, tuple(cells))
    found = AttentionShift(min_maps=4).examine(replace(given, maps=maps))
    assert [one.slice.label for one in found.claims] == [None]  # 3 a cell: too few in each label
    assert found.claims[0].support == 6


def test_without_maps_it_says_so() -> None:
    found = AttentionShift().examine(replace(looked_at(), maps=None))
    assert not found.claims
    assert found.skipped[0].reason == "no attribution maps of attribute values"


def test_maps_without_evidence_are_left_out() -> None:
    cams: NDArray[np.float32] = np.zeros((2, 3, 3), np.float32)
    cams[1, 0, 0] = 5
    share, some = evidence_shares(cams)
    assert some.tolist() == [False, True]
    assert share[1, 0, 0] == 1


def test_fine_maps_are_pooled_without_losing_evidence() -> None:
    cams = np.random.default_rng(0).random((2, 40, 20)).astype(np.float32)
    share, _ = evidence_shares(cams)
    assert share.shape == (2, 16, 16)
    assert share[0, 0, 0] == pytest.approx(cams[0, :2, :1].sum() / cams[0].sum())
    assert share.sum((1, 2)) == pytest.approx(1)


def test_places_in_words() -> None:
    at = np.zeros((6, 6))
    at[5, 5] = 1
    assert place_name(at) == "lower right corner"
    assert place_name(np.ones((6, 6))) == "centre"
    assert place_name(np.eye(6)[:1].T @ np.ones((1, 6))) == "upper edge"
