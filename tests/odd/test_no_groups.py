"""Data without attributes: the report says that bias cannot be judged, and claims nothing of groups."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders.image_evidence import audit_data
from builders.synthetic_run import build_run

from auditor import registry
from auditor.checks import Check
from auditor.records import AuditOutcome, AuditResult
from auditor.report.view import compliance
from auditor.report.view.summary import verdict_text
from auditor.stages.judge import judge

COMPARING = {
    "adjusted-gap",
    "error-trend",
    "label-association",
    "metric-gap",
    "performance-gap",
    "prediction-dependence",
    "representation",
    "value-differences",
}


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> AuditResult:
    """A passing result without attributes; slices by image properties remain."""
    folder: Path = tmp_path_factory.mktemp("runs") / "run"
    result = build_run(folder).read_result()
    return result.model_copy(
        update={
            "attributes": [],
            "slices": [one for one in result.slices if one.computed],
            "findings": [],
            "tests": None,
            "outcome": AuditOutcome(state="passes"),
        }
    )


def test_checks_that_compare_groups_are_listed_as_not_tested() -> None:
    generator = np.random.default_rng(0)
    label = generator.integers(0, 4, 400)
    predicted = np.where(generator.random(400) < 0.2, (label + 1) % 4, label)
    shares = np.full((400, 4), 0.03)
    shares[np.arange(400), predicted] = 0.91
    checks = {
        name: check
        for name, plugin in registry.all_of("check").items()
        if isinstance(check := plugin(), Check) and name in COMPARING | {"confusion-pairs"}
    }
    found = judge(checks, audit_data(label, shares, {}))
    reasons = {one.check: one.reason for one in found.skipped}
    assert set(reasons) == COMPARING | {"confusion-pairs"}
    assert all("no groups were compared" in reasons[name] for name in COMPARING)
    assert "confusions were only counted" in reasons["confusion-pairs"]


def test_first_screen_says_that_bias_cannot_be_judged(without: AuditResult) -> None:
    verdict = verdict_text(without)
    assert "whether the model is worse for some groups (bias) cannot be judged" in verdict.groups
    assert "It says nothing of bias: no groups were compared." in verdict.reason


@pytest.mark.parametrize(
    ("clause", "absent"),
    [
        ("Art. 10(2)(f)", "lacks an attribute value"),
        ("Art. 10(2)(f)", "no attribute was given"),
        ("Art. 10(2)(h)", "lacks an attribute value"),
        ("Art. 15(1)", "tested against the rest"),
        ("Annex IV 3", "tested against the rest"),
    ],
)
def test_rules_are_not_answered_by_what_was_not_compared(
    without: AuditResult, clause: str, absent: str
) -> None:
    (rule,) = [one for one in compliance.answers(without, {}) if one.title == "EU AI Act"]
    (answer,) = [one for one in rule.answers if one.clause == clause]
    assert not [one.text for one in answer.evidence if absent in one.text]
