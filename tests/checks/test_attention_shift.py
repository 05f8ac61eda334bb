"""Attention shift: a planted shift is measured, chance is none, and only an attribute's maps count."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.claims import quantity
from builders.image_evidence import audit_data
from numpy.typing import NDArray

from auditor.checks.attention_shift import AttentionShift, _AttributeMaps, measure_shift
from auditor.imaging.location import evidence_shares, place_name
from auditor.records import AuditData, Cell, Claim, Maps, MapShift


def with_shift(n: int = 80, seed: int = 0, shift: float = 0.0) -> AuditData:
    """Two classes; for class b with mark = yes, a share of the evidence lies at the lower right corner."""
    random = np.random.default_rng(seed)
    label = np.arange(n) % 2
    mark = np.where(np.arange(n) // 2 % 2 == 0, "yes", "no")
    cams = random.uniform(0.5, 1.5, (n, 4, 4)).astype(np.float32)
    cams[:, 3, 3] = 0
    cams /= cams.sum((1, 2), keepdims=True)
    shifted = (mark == "yes") & (label == 1)
    cams[shifted] *= 1 - shift
    cams[shifted, 3, 3] = shift
    cams *= random.uniform(0.1, 10, (n, 1, 1)).astype(np.float32)  # the amount does not matter
    share = np.where(label[:, None] == [0, 1], 0.9, 0.1)
    share[shifted] = share[shifted][:, ::-1]
    return audit_data(label, share, {"mark": mark}, cams=cams)


def of_label(claims: tuple[Claim, ...], label: str | None) -> Claim:
    (claim,) = [one for one in claims if one.slice.label == label]
    return claim


def test_planted_shift_is_measured_with_its_place() -> None:
    found = AttentionShift().examine(with_shift(shift=0.4)).claims
    claim = of_label(found, "b")
    assert claim.effect is not None
    assert claim.effect.value == pytest.approx(0.4, abs=1e-6)
    assert claim.p_value == 1 / 2000
    maps = claim.part(MapShift)
    assert maps is not None
    assert maps.place == "lower right corner"
    assert np.array(maps.difference)[3, 3] == pytest.approx(0.4, abs=1e-3)
    assert np.array(maps.mean_map).sum() == pytest.approx(1, abs=1e-3)
    largest = quantity(claim, "largest standardised difference")
    assert isinstance(largest, float)
    assert largest > 1
    assert claim.slice.attributes == {"mark": "yes"}
    assert claim.ceiling == "note"
    unchanged = of_label(found, "a")
    assert unchanged.effect is None
    assert unchanged.p_value is not None


def test_shift_in_one_of_two_labels_is_half_as_large_over_both() -> None:
    claim = of_label(AttentionShift().examine(with_shift(shift=0.4)).claims, None)
    assert claim.effect is not None
    assert claim.effect.value == pytest.approx(0.2, abs=0.03)


def test_maps_without_a_shift_give_no_effect() -> None:
    check = AttentionShift(permutations=199)
    claims = [check.examine(with_shift(seed=seed)).claims for seed in range(40)]
    p_values = [one.p_value for found in claims for one in found if one.slice.label == "b"]
    assert np.mean(np.array(p_values) <= 0.1) <= 0.25  # 10 of 40 has a probability of 1 in 200
    assert all(one.effect is None for found in claims for one in found)


def test_measured_shift_without_a_true_one_is_zero_on_average() -> None:
    measured = []
    for seed in range(30):
        maps = _AttributeMaps(with_shift(seed=seed), "mark").of("yes", "b")
        measured.append(measure_shift(maps, seed).found.gap.value)
    # A region that is chosen and measured on the same maps would always show a shift.
    assert abs(np.mean(measured)) < 3 * np.std(measured) / np.sqrt(30)


def test_maps_drawn_for_another_attribute_do_not_count() -> None:
    given = with_shift(shift=0.4)
    assert given.maps is not None
    cells: list[Cell] = [replace(cell, rows=cell.rows[:3]) for cell in given.maps.cells]
    maps = Maps(given.maps.rows, given.maps.cams, tuple(cells))
    found = AttentionShift(min_maps=4).examine(replace(given, maps=maps))
    assert [one.slice.label for one in found.claims] == [None]  # 3 a cell: too few in each label
    assert found.claims[0].support == 6


def test_check_without_maps_is_skipped() -> None:
    found = AttentionShift().examine(replace(with_shift(), maps=None))
    assert not found.claims
    assert found.skipped[0].reason == "no attribution maps of attribute values"


def test_maps_without_evidence_are_left_out() -> None:
    cams: NDArray[np.float32] = np.zeros((2, 3, 3), np.float32)
    cams[1, 0, 0] = 5
    share, has_evidence = evidence_shares(cams)
    assert has_evidence.tolist() == [False, True]
    assert share[1, 0, 0] == 1


def test_fine_maps_are_pooled_without_losing_evidence() -> None:
    cams = np.random.default_rng(0).random((2, 40, 20)).astype(np.float32)
    share, _ = evidence_shares(cams)
    assert share.shape == (2, 16, 16)
    assert share[0, 0, 0] == pytest.approx(cams[0, :2, :1].sum() / cams[0].sum())
    assert share.sum((1, 2)) == pytest.approx(1)


def test_places_are_named_by_row_and_column() -> None:
    at = np.zeros((6, 6))
    at[5, 5] = 1
    assert place_name(at) == "lower right corner"
    assert place_name(np.ones((6, 6))) == "centre"
    assert place_name(np.eye(6)[:1].T @ np.ones((1, 6))) == "upper edge"
