"""The three outcomes of an audit, and the reasons for them."""

from __future__ import annotations

from typing import Any

import pytest
from scipy.stats import norm

from auditor.config import GateSection
from auditor.judging.outcome import decide
from auditor.records import (
    ClusterRecord,
    CriterionResult,
    CriterionState,
    Effect,
    Estimate,
    Finding,
    Severity,
    SliceKey,
    SliceRecord,
    Summary,
)

SUMMARY = Summary(
    n_samples=1000, n_evaluated=1000, n_unusable=0, n_failures=100, n_explained=0, accuracy=None
)


def finding(severity: Severity, *, open_bound: bool = False) -> Finding:
    return Finding(
        id="F1",
        check="performance-gap",
        kind="outcome",
        title="Site A fails more often",
        severity=severity,
        verdict="supported",
        slice=SliceKey(attributes={"site": "A"}),
        effect=Effect(name="error-rate gap", unit="points", value=0.1, low=0.02, high=0.18),
        limit=0.05,
        p_value=0.001,
        q_value=0.01,
        support=100,
        samples=[],
        statement=[],
        action="",
        limits="",
        open_bound=open_bound,
    )


def criterion(state: CriterionState) -> CriterionResult:
    return CriterionResult(
        id="C1",
        name="accuracy at least 90 %",
        metric="accuracy",
        bound="at least",
        threshold=0.9,
        unit="share",
        estimate=Estimate(value=0.9, low=0.88, high=0.92),
        support=1000,
        state=state,
        configured=True,
        statement="Accuracy is 90 %.",
    )


def one_slice(excluded: float | None, value: str = "A", **changes: Any) -> SliceRecord:
    fields: dict[str, Any] = {
        "attributes": {"site": value},
        "label": None,
        "support": 100,
        "n_failures": 10,
        "error_rate": Estimate(value=0.1, low=0.05, high=0.17),
        "gap": Estimate(value=0.0, low=-0.06, high=0.06),
        "p_value": 0.9,
        "q_value": 0.9,
        "excluded_gap": excluded,
    }
    return SliceRecord(**(fields | changes))


@pytest.mark.parametrize(
    ("findings", "criteria", "slices", "state"),
    [
        ([], [], [], "passes"),
        ([finding("warning")], [criterion("met")], [one_slice(0.09)], "passes"),
        ([finding("alert")], [], [], "fails"),
        ([], [criterion("missed")], [], "fails"),
        ([], [criterion("undecided")], [], "undecided"),
        ([finding("warning", open_bound=True)], [], [], "undecided"),
        ([], [], [one_slice(0.11)], "undecided"),
        ([], [], [one_slice(None)], "undecided"),
        # Slices that were too small do not keep an audit from passing if others could be tested.
        ([], [], [one_slice(None, "B"), one_slice(0.09)], "passes"),
        ([], [], [one_slice(0.2, computed=True)], "passes"),
        ([], [], [one_slice(0.2, label="cat")], "passes"),
        ([finding("alert")], [criterion("undecided")], [one_slice(0.2)], "fails"),
    ],
)
def test_outcome_evidence_gives_state(
    findings: list[Finding],
    criteria: list[CriterionResult],
    slices: list[SliceRecord],
    state: str,
) -> None:
    found = decide(GateSection(), SUMMARY, findings, criteria, slices)
    assert found.state == state
    assert bool(found.reasons) == (state != "passes")


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"n_evaluated": 29, "n_samples": 29}, "undecided"),
        ({"n_evaluated": 30, "n_samples": 30}, "passes"),
        ({"n_evaluated": 949, "n_unusable": 51}, "undecided"),
        ({"n_evaluated": 950, "n_unusable": 50}, "passes"),
        ({"n_evaluated": 0, "n_unusable": 1000}, "undecided"),
    ],
)
def test_outcome_too_few_usable_samples_is_undecided(changes: dict[str, int], state: str) -> None:
    summary = SUMMARY.model_copy(update=changes)
    assert decide(GateSection(), summary, [], [], []).state == state


@pytest.mark.parametrize(
    ("state", "when_undecided", "code"),
    [("alert", "fail", 1), ("note", "fail", 0), ("open", "fail", 4), ("open", "pass", 0)],
)
def test_outcome_state_gives_exit_code(state: str, when_undecided: Any, code: int) -> None:
    found = finding("warning", open_bound=True) if state == "open" else finding(state)  # type: ignore[arg-type]
    gate = GateSection(when_undecided=when_undecided)
    assert decide(gate, SUMMARY, [found], [], []).exit_code == code


def test_outcome_without_gate_only_reports() -> None:
    found = decide(GateSection(severity=None), SUMMARY, [finding("alert")], [], [])
    assert (found.state, found.reasons, found.exit_code) == ("no-gate", [], 0)


def test_outcome_failing_reasons_come_first_and_name_their_source() -> None:
    found = decide(
        GateSection(), SUMMARY, [finding("alert")], [criterion("undecided")], [one_slice(0.2, "B")]
    )
    assert [(one.state, one.kind, one.reference) for one in found.reasons] == [
        ("fails", "finding", "F1"),
        ("undecided", "criterion", "C1"),
        ("undecided", "power", None),
    ]


def test_outcome_slice_of_a_blocking_finding_is_not_named_again() -> None:
    found = decide(GateSection(), SUMMARY, [finding("alert")], [], [one_slice(0.2, "A")])
    assert [one.kind for one in found.reasons] == ["finding"]


def test_outcome_undecided_slice_states_the_missing_samples() -> None:
    (reason,) = decide(GateSection(), SUMMARY, [], [], [one_slice(0.15)]).reasons
    clusters = ClusterRecord(
        name="patient", n_clusters=50, n_missing=0, largest=20, correlation=0.1, design_effect=3.0
    )
    (clustered,) = decide(GateSection(), SUMMARY, [], [], [one_slice(0.15)], clusters).reasons
    # n = (z_0.975 + z_0.8)^2 · 0.1 · 0.9 / 0.1^2, less the 100 that there are.
    wanted = (norm.ppf(0.975) + norm.ppf(0.8)) ** 2 * 0.09 / 0.01
    assert wanted == pytest.approx(70.6, abs=0.1)
    # 100 would do on average. From no gap to its upper limit 15 points; for 10, (15 / 10)² · 100.
    assert reason.missing_samples == 125
    assert "If gaps stay as measured, about 125 more samples" in reason.text
    few = one_slice(0.15, support=40)
    assert decide(GateSection(), SUMMARY, [], [], [few]).reasons[0].missing_samples == 31
    # Three times as many, less 100.
    assert clustered.missing_samples == 112
    # 1,000 samples come from 50 patients, so that 112 come from 5.6.
    assert clustered.missing_clusters == 6
    assert clustered.text.endswith(
        "At 20 samples per cluster by patient, as in this audit, they would come from about 6 more clusters."
    )
    assert reason.missing_clusters is None


def test_outcome_attribute_without_a_testable_value_is_undecided_beside_tested_ones() -> None:
    untested = [one_slice(None, attributes={"stage": value}) for value in "xy"]
    found = decide(GateSection(), SUMMARY, [], [], [one_slice(0.05, "A"), *untested])
    assert found.state == "undecided"
    assert "No value of stage could be compared" in found.reasons[0].text


def test_single_evaluated_sample_is_counted_in_the_singular() -> None:
    summary = SUMMARY.model_copy(update={"n_samples": 1, "n_evaluated": 1})
    (reason,) = decide(GateSection(), summary, [], [], []).reasons
    assert reason.text == "1 sample was evaluated; at least 30 are required."


def test_clusters_of_one_sample_are_not_converted() -> None:
    clusters = ClusterRecord(
        name="patient",
        n_clusters=1000,
        n_missing=0,
        largest=1,
        correlation=None,
        design_effect=None,
    )
    (reason,) = decide(GateSection(), SUMMARY, [], [], [one_slice(0.15)], clusters).reasons
    assert "per cluster" not in reason.text
