"""Two findings on the same failing samples say that one cause may stand behind both."""

from __future__ import annotations

import numpy as np
from builders.claims import FixedClaims, claim
from builders.image_evidence import audit_data
from numpy.typing import NDArray

from auditor.records import AuditData
from auditor.stages.judge import judge

LARGE = (0.12, 0.08, 0.16)


def audit(race: NDArray[np.bool_], dark: NDArray[np.bool_], fails: NDArray[np.bool_]) -> AuditData:
    n = len(race)
    label = np.zeros(n, dtype=np.int64)
    label[: n // 2] = 1
    predicted = np.where(fails, 1 - label, label)
    shares = np.full((n, 2), 0.1)
    shares[np.arange(n), predicted] = 0.9
    columns = {
        "race": np.where(race, "Asian", "other"),
        "border": np.where(dark, "bright", "dark"),
    }
    return audit_data(label, shares, columns)


def sentences(made: AuditData) -> list[str]:
    claims = (
        claim({"race": "Asian"}, LARGE, 1e-9, weight=9),
        claim({"border": "bright"}, LARGE, 1e-9, weight=5),
    )
    findings = judge({"stub": FixedClaims(claims=claims)}, made).findings
    return [" ".join(part for part in one.statement if "common cause" in part) for one in findings]


def test_findings_on_the_same_failing_samples_point_to_a_common_cause() -> None:
    # Children, whom no attribute describes, fail; most of them are in both slices.
    generator = np.random.default_rng(0)
    child = generator.random(2000) < 0.15
    race, bright = (generator.random(2000) < np.where(child, 0.7, 0.2) for _ in range(2))
    fails = generator.random(2000) < np.where(child, 0.4, 0.05)
    made = audit(race, bright, fails)
    both = int((race & bright & fails).sum())
    first, second = sentences(made)
    assert f"border bright ({both} of {int((race & fails).sum())}" in first
    assert f"race Asian ({both} of {int((bright & fails).sum())}" in second
    assert "look at the images that fail in both" in first


def test_findings_with_independent_failures_say_nothing_of_a_common_cause() -> None:
    generator = np.random.default_rng(1)
    race, bright = generator.random((2, 2000)) < 0.3
    fails = generator.random(2000) < 0.1
    # No overlap beyond chance: failures that are in one slice are not more often in the other.
    assert sentences(audit(race, bright & ~race, fails)) == ["", ""]
