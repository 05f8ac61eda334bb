"""Attention outside: shares by hand; planted differences are found, and chance is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.claims import quantity
from builders.image_evidence import Model, audit_data

from auditor.checks.attention_outside import AttentionOutside, coverage, share_outside
from auditor.records import AuditData, Maps


def with_objects(seed: int = 0, *, shift: float = 0.0, objects: bool = True) -> AuditData:
    """The object is the left half; with light = on, more of the evidence is in the right half."""
    n = 120
    random = np.random.default_rng(seed)
    label = np.arange(n) % 2
    on = np.arange(n) // 2 % 2 == 0
    right = random.uniform(0.1, 0.3, n) + shift * on
    cams = np.full((n, 4, 4), 0.125, np.float32)
    cams[:, :, 2:] *= right[:, None, None]
    cams[:, :, :2] *= (1 - right)[:, None, None]
    cams *= random.uniform(0.1, 10, (n, 1, 1)).astype(np.float32)
    masks = np.zeros((n, 16, 16), dtype=bool)
    masks[:, :, :8] = True
    images = np.zeros((n, 3, 16, 16), np.uint8)
    model = Model(
        images, lambda some: np.ones((len(some), 2)), object_masks=masks if objects else None
    )
    share = np.where(label[:, None] == [0, 1], 0.9, 0.1)
    fails = random.random(n) < 0.3
    share[fails] = share[fails][:, ::-1]
    light = np.where(on, "on", "off")
    return audit_data(label, share, {"light": light}, cams=cams, model=model, seed=seed)


def test_value_with_more_evidence_outside_is_reported() -> None:
    claims = AttentionOutside().examine(with_objects(shift=0.4)).claims
    of_failures, claim = claims
    assert claim.slice.attributes == {"light": "on"}
    assert claim.effect is not None
    assert claim.effect.low < 0.4 < claim.effect.high
    assert claim.effect.value == pytest.approx(0.4, abs=0.03)
    assert claim.p_value == 1 / 2000
    assert quantity(claim, "share outside of the object") == pytest.approx(0.6, abs=0.03)
    assert quantity(claim, "samples compared with") == 60
    assert of_failures.effect is None
    assert claim.ceiling == "note"


def test_failures_with_more_evidence_outside_are_reported() -> None:
    given = with_objects(shift=0.4)
    failure = (given.predictions["light"] == "on").to_numpy(copy=True)
    failure[:4] = ~failure[:4]
    claim = (
        AttentionOutside()
        .examine(replace(given, predictions=given.predictions.assign(failure=failure)))
        .claims[0]
    )
    assert claim.effect is not None
    assert claim.effect.value == pytest.approx(0.4, abs=0.05)
    assert "for failures" in claim.title


def test_maps_without_a_difference_give_no_effect() -> None:
    check = AttentionOutside(permutations=199)
    claims = [one for seed in range(30) for one in check.examine(with_objects(seed)).claims]
    assert all(one.effect is None for one in claims)
    p_values = np.array([one.p_value for one in claims if one.slice.attributes == {}])
    assert np.mean(p_values <= 0.1) <= 0.27  # 9 of 30 has a probability of 1 in 500


def test_check_without_boxes_model_or_visible_objects_is_skipped() -> None:
    (reason,) = AttentionOutside().examine(with_objects(objects=False)).skipped
    assert "no boxes or masks" in reason.reason
    (reason,) = AttentionOutside().examine(replace(with_objects(), model=None)).skipped
    assert "no model" in reason.reason
    given = with_objects()
    assert isinstance(given.model, Model)
    assert given.model.object_masks is not None
    given.model.object_masks[20:] = False
    (reason,) = AttentionOutside().examine(given).skipped
    assert "only 20 of 120" in reason.reason


def test_shares_outside_are_those_computed_by_hand() -> None:
    masks = np.zeros((3, 6, 6), dtype=bool)
    masks[0, :3, :3] = True  # a quarter: place 0, 0 of 2 by 2
    masks[1, :, :4] = True  # all of the left places, a third of the right ones
    cams = np.array([[[1, 2], [3, 4]]] * 3, dtype=np.float32)
    model = Model(
        np.zeros((3, 3, 6, 6), np.uint8), lambda some: np.ones((len(some), 2)), object_masks=masks
    )
    found = share_outside(model, Maps(np.arange(3), cams, ()), np.arange(3))
    assert found is not None
    assert found[:2] == pytest.approx([0.9, 1 - (4 + 6 / 3) / 10])
    assert np.isnan(found[2])


def test_pixel_on_a_boundary_counts_in_both_places_by_its_parts() -> None:
    masks = np.zeros((1, 4, 5), dtype=bool)
    masks[0, :, 2] = True  # the middle one of five columns: half of it lies in each of two places
    assert coverage(masks, 1, 2) == pytest.approx(np.full((1, 1, 2), 0.2))
