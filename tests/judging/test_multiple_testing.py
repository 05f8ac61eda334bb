"""The correction over all tests of an audit, against SciPy and the paper."""

from __future__ import annotations

import numpy as np
import pytest
from builders.claims import claim
from scipy.stats import false_discovery_control

from auditor.judging.multiple_testing import adjust


def test_adjust_equal_questions_equals_scipy() -> None:
    p_values = [0.001, 0.01, 0.02, 0.03, 0.5]
    others = [claim({"a": "9"}, (0.1, 0, 0.2), None)]
    of_one_cause = [claim({"a": str(k)}, (0.1, 0, 0.2), p) for k, p in enumerate(p_values)]
    each_its_own = [claim({f"a{k}": "x"}, (0.1, 0, 0.2), p) for k, p in enumerate(p_values)]
    for claims in (of_one_cause, each_its_own):
        corrected = adjust([*claims, *others], 0.05, {})
        assert corrected.q_values[:5] == pytest.approx(false_discovery_control(p_values))
        assert np.isnan(corrected.q_values[5])
        assert corrected.n_tests == 5


def test_adjust_many_fine_questions_coarse_ones_keep_their_share() -> None:
    coarse = claim({"a": "1"}, (0.1, 0, 0.2), 0.001)
    fine = [claim({"a": str(k)}, (0, 0, 0), 0.6, label="functional") for k in range(98)]
    corrected = adjust([coarse, *fine], 0.05, {})
    # Shares 0.7 and 0.2 of what is tested.
    assert corrected.weights[0] == pytest.approx(99 * 0.7 / 0.9)
    assert corrected.weights.sum() == pytest.approx(99)
    assert corrected.q_values[0] == pytest.approx(0.001 * 0.9 / 0.7)


def test_adjust_weighted_check_counts_fourfold_in_its_level() -> None:
    claims = [
        claim({"a": "1"}, (0.1, 0, 0.2), 0.01, check=check)
        for check in ("performance-gap", "calibration-gap", "prediction-dependence")
    ]
    corrected = adjust(claims, 0.05, {"performance-gap": 4.0})
    assert corrected.weights == pytest.approx([3 * 4 / 6, 3 / 6, 3 / 6])
    # Step-up on p / w = 0.005, 0.02, 0.02: 0.005 · 3 / 1 is the least for the first, 0.02 for the rest.
    assert corrected.q_values == pytest.approx([0.015, 0.02, 0.02])


def test_adjust_significant_properties_leave_the_bound_of_attributes_unchanged() -> None:
    asked = [claim({"coin": "head"}, (0.1, 0, 0.2), 0.03), claim({"sex": "f"}, (0, 0, 0), 0.5)]
    blur, light = (
        claim({name: "high"}, (0.3, 0.2, 0.4), 1e-12, computed=True) for name in ("blur", "light")
    )
    corrected = adjust([*asked, blur, light], 0.05, {})
    # The attributes share 0.7 of 0.77: Simes' smallest of two, 0.03 · 2, at that part of the level.
    assert corrected.q_values[0] == pytest.approx(0.06 * 0.77 / 0.7)
    assert (corrected.q_values[2:] < 1e-10).all()
    # Intervals account for the selection within the family.
    assert corrected.n_selected.tolist() == [0, 0, 2, 2]


def _plainly(p_values: list[list[float]], alpha: float) -> list[list[bool]]:
    """Benjamini and Bogomolov's procedure as their paper writes it, equal weights."""

    def rejected(values: list[float], level: float) -> list[bool]:
        order = sorted(values)
        bounds = [p for k, p in enumerate(order, 1) if p <= level * k / len(values)]
        return [p <= max(bounds, default=-1) for p in values]

    simes = [min(len(v) * p / k for k, p in enumerate(sorted(v), 1)) for v in p_values]
    selected = rejected(simes, alpha)
    level = alpha * sum(selected) / len(p_values)
    return [
        rejected(family, level) if chosen else [False] * len(family)
        for family, chosen in zip(p_values, selected, strict=True)
    ]


@pytest.mark.parametrize("seed", range(20))
def test_adjust_random_families_equals_benjamini_bogomolov(seed: int) -> None:
    rng = np.random.default_rng(seed)
    families = [(rng.random(4) ** rng.choice([1, 3, 6])).tolist() for _ in range(6)]
    claims = [
        claim({f"a{k}": str(i)}, (0.1, 0, 0.2), p)
        for k, family in enumerate(families)
        for i, p in enumerate(family)
    ]
    for alpha in (0.01, 0.05, 0.2):
        found = adjust(claims, alpha, {}).q_values <= alpha
        assert found.reshape(6, 4).tolist() == _plainly(families, alpha)
