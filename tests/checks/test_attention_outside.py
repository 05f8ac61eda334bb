"""Attention outside: shares by hand, who looks outside is told, chance is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.image_evidence import Model, audit_data

from auditor.checks.attention_outside import AttentionOutside, _coverage, _outside
from auditor.records import AuditData, Maps


def boxed(seed: int = 0, *, moved: float = 0.0, objects: bool = True) -> AuditData:
    """The object is the left half; where light = on, a share more of the evidence lies right."""
    n = 120
    random = np.random.default_rng(seed)
    label = np.arange(n) % 2
    on = np.arange(n) // 2 % 2 == 0
    right = random.uniform(0.1, 0.3, n) + moved * on
    cams = np.full((n, 4, 4), 0.125, np.float32)
    cams[:, :, 2:] *= right[:, None, None]
    cams[:, :, :2] *= (1 - right)[:, None, None]
    cams *= random.uniform(0.1, 10, (n, 1, 1)).astype(np.float32)
    shown = np.zeros((n, 16, 16), dtype=bool)
    shown[:, :, :8] = True
    images = np.zeros((n, 3, 16, 16), np.uint8)
    model = Model(images, lambda some: np.ones((len(some), 2)), shown=shown if objects else None)
    share = np.where(label[:, None] == [0, 1], 0.9, 0.1)
    fails = random.random(n) < 0.3
    share[fails] = share[fails][:, ::-1]
    light = np.where(on, "on", "off")
    return audit_data(label, share, {"light": light}, cams=cams, model=model, seed=seed)


def test_who_looks_outside_is_told() -> None:
    claims = AttentionOutside().examine(boxed(moved=0.4)).claims
    of_failures, claim = claims
    assert claim.slice.attributes == {"light": "on"}
    assert claim.effect is not None
    assert claim.effect.low < 0.4 < claim.effect.high
    assert claim.effect.value == pytest.approx(0.4, abs=0.03)
    assert claim.p_value == 1 / 2000
    assert claim.evidence["share_outside"] == pytest.approx(0.6, abs=0.03)
    assert of_failures.effect is None
    assert claim.ceiling == "note"


def test_failures_that_look_outside_are_told() -> None:
    given = boxed(moved=0.4)
    failure = (given.predictions["light"] == "on").to_numpy(copy=True)
    failure[:4] = ~failure[:4]
    claim = (
        AttentionOutside()
        .examine(replace(given, predictions=given.predictions.assign(failure=failure)))
        .claims[0]
    )
    assert claim.effect is not None
    assert claim.effect.value == pytest.approx(0.4, abs=0.05)
    assert "For failures" in claim.title


def test_chance_tells_nothing() -> None:
    check = AttentionOutside(permutations=199)
    claims = [one for seed in range(30) for one in check.examine(boxed(seed)).claims]
    assert all(one.effect is None for one in claims)
    p_values = np.array([one.p_value for one in claims if one.slice.attributes == {}])
    assert np.mean(p_values <= 0.1) <= 0.27  # 9 of 30 has a chance of 1 in 500


def test_what_is_missing_is_said() -> None:
    (reason,) = AttentionOutside().examine(boxed(objects=False)).skipped
    assert "no boxes or masks" in reason.reason
    (reason,) = AttentionOutside().examine(replace(boxed(), model=None)).skipped
    assert "no model" in reason.reason
    given = boxed()
    assert isinstance(given.model, Model)
    assert given.model.shown is not None
    given.model.shown[20:] = False
    (reason,) = AttentionOutside().examine(given).skipped
    assert "only 20 of 120" in reason.reason


def test_shares_by_hand() -> None:
    shown = np.zeros((3, 6, 6), dtype=bool)
    shown[0, :3, :3] = True  # a quarter: place 0, 0 of 2 by 2
    shown[1, :, :4] = True  # all of the left places, a third of the right ones
    cams = np.array([[[1, 2], [3, 4]]] * 3, dtype=np.float32)
    model = Model(
        np.zeros((3, 3, 6, 6), np.uint8), lambda some: np.ones((len(some), 2)), shown=shown
    )
    found = _outside(model, Maps(np.arange(3), cams, ()), np.arange(3))
    assert found is not None
    assert found[:2] == pytest.approx([0.9, 1 - (4 + 6 / 3) / 10])
    assert np.isnan(found[2])


def test_pixels_between_two_places_count_by_their_parts() -> None:
    shown = np.zeros((1, 4, 5), dtype=bool)
    shown[0, :, 2] = True  # the middle one of five columns, half of it in either of two places
    assert _coverage(shown, 1, 2) == pytest.approx(np.full((1, 1, 2), 0.2))
