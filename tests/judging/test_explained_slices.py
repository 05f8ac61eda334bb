"""A finding names the slices of other attributes whose gap it explains."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from builders.claims import claim

from auditor.judging.causes import causes
from auditor.judging.graded_claim import GradedClaim
from auditor.judging.multiple_testing import Correction
from auditor.records import (
    Claim,
    Effect,
    Estimate,
    Finding,
    HeldFixed,
    HeldFixedGap,
    HeldFixedState,
)
from auditor.report.view.supporting import full_statement

INSEPARABLE = (
    "Gaps of other attributes that the data cannot separate from it, or that it explains in part: "
)
AGE = claim({"age": "under 6"}, (0.27, 0.2, 0.34), 1e-9, weight=9, question="value")


def finding_of(*claims: Claim) -> list[Finding]:
    correction = Correction(np.full(len(claims), 1e-6), np.full(len(claims), 0.01), 0.05, 1, 1.0)
    graded = [GradedClaim(one, k, correction, frozenset()) for k, one in enumerate(claims)]
    return [one.finding(f"F{k}") for k, one in enumerate(causes(graded))]


def explained(attributes: dict[str, str], state: HeldFixedState, **changes: Any) -> Claim:
    gap = HeldFixedGap(
        attribute="age",
        gap=Estimate(value=0.01, low=-0.02, high=0.04),
        p_value=0.5,
        state=state,
        effective_samples=200,
    )
    return claim(
        attributes, (0.12, 0.06, 0.18), 1e-6,
        evidence=(HeldFixed(gaps=(gap,)),), explained_by=("age",), **changes,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("other", "title", "sentence"),
    [
        (
            explained({"race": "Asian"}, "explains", question="value"),
            "; it also explains race Asian (+12 points)",
            "It also explains gaps of other attributes: race Asian (+12 points).",
        ),
        (
            explained({"image.border_brightness": "low"}, "explains", computed=True),
            "; it also explains image border brightness low (+12 points)",
            "It also explains gaps of other attributes: image border brightness low (+12 points).",
        ),
        (
            explained({"race": "Asian"}, "inseparable", question="value"),
            "",
            f"{INSEPARABLE}race Asian (+12 points).",
        ),
    ],
    ids=["explained", "image property", "inseparable"],
)
def test_explained_slice_is_named_where_the_finding_is_read(
    other: Claim, title: str, sentence: str
) -> None:
    (finding,) = finding_of(AGE, other)
    assert finding.title == f"about age = under 6{title}"
    assert sentence in finding.statement
    assert sentence in full_statement(finding)


def test_finding_without_explained_slices_says_nothing_of_them() -> None:
    within = claim({"age": "under 6"}, (0.3, 0.2, 0.4), 1e-9, label="girl")
    (finding,) = finding_of(AGE, within)
    assert finding.title == "about age = under 6"
    assert finding.statement == ["On age = under 6."]


def test_explained_slices_are_named_once_for_each_attribute() -> None:
    others = [explained({"race": value}, "explains", question="value") for value in ("a", "b")]
    (finding,) = finding_of(AGE, *others)
    assert finding.title.count("race") == 1
    assert isinstance(finding.supporting[0].effect, Effect)
