"""The correction over causes, against SciPy and the paper."""

from __future__ import annotations

import numpy as np
import pytest
from builders.claims import claim
from scipy.stats import false_discovery_control

from auditor.judging.selected_causes import adjust_by_cause


def test_adjust_by_cause_equal_questions_equals_scipy() -> None:
    p_values = [0.001, 0.01, 0.02, 0.03, 0.5]
    of_one_cause = [
        claim({"a": str(k)}, (0.1, 0, 0.2), p, kind="data") for k, p in enumerate(p_values)
    ]
    each_its_own = [
        claim({f"a{k}": "x"}, (0.1, 0, 0.2), p, kind="data") for k, p in enumerate(p_values)
    ]
    for claims in (of_one_cause, each_its_own):
        found = adjust_by_cause(claims).q_values
        assert found == pytest.approx(false_discovery_control(p_values))


def test_adjust_by_cause_many_tests_of_one_check_leave_others_their_share() -> None:
    alone = claim({"a": "1"}, (0.1, 0, 0.2), 0.001, kind="data", check="one")
    many = [claim({"a": str(k)}, (0, 0, 0), 0.6, kind="data", check="two") for k in range(98)]
    found = adjust_by_cause([alone, *many])
    # Half of the share for each check.
    assert found.shares[0] == pytest.approx(1 / 2)
    assert found.shares.sum() == pytest.approx(1)
    assert found.q_values[0] == pytest.approx(0.001 * 2)


def test_adjust_by_cause_significant_properties_leave_the_bound_of_attributes_unchanged() -> None:
    asked = [
        claim({"coin": "head"}, (0.1, 0, 0.2), 0.01, kind="data"),
        claim({"sex": "f"}, (0, 0, 0), 0.5, kind="data"),
    ]
    blur, light = (
        claim({name: "high"}, (0.3, 0.2, 0.4), 1e-12, computed=True) for name in ("blur", "light")
    )
    found = adjust_by_cause([*asked, blur, light])
    # The attributes share 0.3 of 0.6: the smallest of two, 0.01 · 2, at that part of the level.
    assert found.q_values[0] == pytest.approx(0.02 * 2)
    assert (found.q_values[2:] < 1e-10).all()


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
def test_adjust_by_cause_random_families_equals_benjamini_bogomolov(seed: int) -> None:
    rng = np.random.default_rng(seed)
    families = [(rng.random(4) ** rng.choice([1, 3, 6])).tolist() for _ in range(6)]
    claims = [
        claim({f"a{k}": str(i)}, (0.1, 0, 0.2), p, kind="data")
        for k, family in enumerate(families)
        for i, p in enumerate(family)
    ]
    for alpha in (0.01, 0.05, 0.2):
        found = adjust_by_cause(claims).q_values <= alpha
        assert found.reshape(6, 4).tolist() == _plainly(families, alpha)
