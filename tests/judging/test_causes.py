"""Which claims are one cause: whole causes join the attribute that explains their gaps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from builders.claims import claim

from auditor.judging.causes import causes
from auditor.judging.graded_claim import GradedClaim
from auditor.judging.multiple_testing import Correction
from auditor.records import Claim, Effect, Estimate, HeldFixed, HeldFixedState

LARGE = (0.3, 0.2, 0.4)


def _graded(*claims: Claim) -> list[GradedClaim]:
    correction = Correction(np.full(len(claims), 1e-6), np.full(len(claims), 0.01), 0.05, 1, 1.0)
    return [GradedClaim(one, k, correction, frozenset()) for k, one in enumerate(claims)]


def _leading(*claims: Claim) -> list[str]:
    return [str(one.claims[0].claim.slice) for one in causes(_graded(*claims))]


def _value(value: str, **changes: Any) -> Claim:
    return claim({"race": value}, LARGE, 1e-9, question="value", **changes)


AGE = claim({"age": "child"}, LARGE, 1e-9, weight=9, question="value")
FINER = claim({"race": "b"}, LARGE, 1e-9, weight=50, question="further question")


def _within_label(state: HeldFixedState, low: float) -> Claim:
    held = HeldFixed(gaps=(), jointly=Estimate(value=0.1, low=low, high=0.2), state=state)
    return claim({"race": "b"}, LARGE, 1e-9, label="no", evidence=(held,))


def test_causes_explained_value_takes_finer_claims_along() -> None:
    assert _leading(AGE, _value("b", explained_by=("age",)), FINER) == ["age = child"]


def test_causes_value_that_is_not_explained_keeps_its_cause() -> None:
    explained, open_ = _value("b", explained_by=("age",)), _value("c", weight=5)
    assert sorted(_leading(AGE, explained, open_)) == ["age = child", "race = c"]


def test_causes_adjusted_gap_keeps_its_cause() -> None:
    adjusted = claim({"race": "b"}, LARGE, 1e-9, weight=5, question="others held fixed")
    assert len(_leading(AGE, _value("b", explained_by=("age",)), adjusted)) == 2


@pytest.mark.parametrize(
    ("state", "low", "n_causes"),
    [("remains", 0.06, 2), ("weakens", 0.06, 2), ("weakens", 0.04, 1), ("undecided", -0.1, 1)],
)
def test_causes_gap_that_remains_within_a_label_keeps_its_cause(
    state: HeldFixedState, low: float, n_causes: int
) -> None:
    explained = _value("b", explained_by=("age",))
    assert len(_leading(AGE, explained, _within_label(state, low))) == n_causes


@pytest.mark.parametrize(
    ("left", "severity", "is_open"),
    [
        ((0.00, -0.02, 0.02), "note", False),
        ((0.08, 0.03, 0.13), "warning", True),
        ((0.12, 0.08, 0.16), "alert", False),
    ],
)
def test_graded_claim_severity_follows_the_adjusted_effect(
    left: tuple[float, float, float], severity: str, is_open: bool
) -> None:
    value, low, high = left
    adjusted = Effect(name="adjusted", value=value, low=low, high=high, unit="points")
    (one,) = _graded(_value("b", graded_by=adjusted))
    assert one.is_reported
    assert one.severity == severity
    assert one.open_bound is is_open
