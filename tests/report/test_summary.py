from __future__ import annotations

import pytest

from auditor.records import AuditOutcome, AuditResult, Estimate, SliceRecord
from auditor.report.view.summary import (
    data_faults_text,
    faults_of_samples,
    untested_text,
    verdict_text,
)
from auditor.run_folder import RunFolder


@pytest.fixture
def result(run_folder: RunFolder) -> AuditResult:
    return run_folder.read_result()


def test_verdict_failing_audit_counts_its_reasons(result: AuditResult) -> None:
    verdict = verdict_text(result)
    assert (verdict.state, verdict.headline) == ("fails", "Does not pass")
    failing = [one for one in result.outcome.reasons if one.state == "fails"]
    assert verdict.reason.startswith(f"{len(failing)} reasons not to pass")
    assert verdict.reasons == tuple(result.outcome.reasons)


def test_verdict_passing_audit_claims_no_more_than_was_tested(result: AuditResult) -> None:
    verdict = verdict_text(result.model_copy(update={"outcome": AuditOutcome(state="passes")}))
    assert (verdict.state, verdict.headline) == ("passes", "Passes")
    assert verdict.reason.endswith("This holds only for what was tested here, on these samples.")


def test_verdict_passing_audit_counts_criteria_for_information_that_are_not_met(
    result: AuditResult,
) -> None:
    one = result.criteria[0]
    of_slices = [
        one.model_copy(update={"criterion": "strict", "state": state, "blocking": False})
        for state in ("missed", "undecided", "met")
    ]
    other = one.model_copy(update={"criterion": "other", "state": "undecided", "blocking": False})
    passing = {"outcome": AuditOutcome(state="passes"), "criteria": [*of_slices, other]}
    reason = verdict_text(result.model_copy(update=passing)).reason
    assert "every criterion that blocks the gate is met" in reason
    assert "Of the criteria that do not block it, 1 is missed and 1 is undecided." in reason
    passing["criteria"] = [one.model_copy(update={"state": "met"})]
    reason = verdict_text(result.model_copy(update=passing)).reason
    assert "and every criterion is met." in reason


def test_verdict_without_gate_only_reports(result: AuditResult) -> None:
    verdict = verdict_text(result.model_copy(update={"outcome": AuditOutcome(state="no-gate")}))
    assert (verdict.state, verdict.headline) == ("no-gate", "No gate was set")


def test_verdict_says_that_no_groups_were_compared_without_attributes(result: AuditResult) -> None:
    assert verdict_text(result).groups == ""
    computed = [one for one in result.slices if one.computed]
    without = result.model_copy(update={"attributes": [], "slices": computed})
    verdict = verdict_text(without)
    assert verdict.groups.startswith("The data has no attributes, so no groups were compared")
    assert "(bias) cannot be judged" in verdict.groups
    passing = without.model_copy(update={"outcome": AuditOutcome(state="passes")})
    assert "It says nothing of bias: no groups were compared." in verdict_text(passing).reason


def test_verdict_says_that_no_group_is_large_enough(result: AuditResult) -> None:
    small = [one.model_copy(update={"gap": None}) for one in result.slices]
    verdict = verdict_text(result.model_copy(update={"slices": small}))
    assert verdict.groups.startswith("No group has enough samples to be compared")


def test_verdict_names_the_worst_class_and_slice(result: AuditResult) -> None:
    verdict = verdict_text(result)
    recalls = {one.name: one.recall.value for one in result.classes if one.recall is not None}
    assert verdict.worst_class.startswith(min(recalls, key=lambda name: recalls[name]))
    assert "error rate" in verdict.worst_slice


def test_data_faults_are_an_addition_to_the_accuracy(result: AuditResult) -> None:
    summary = result.summary
    assert data_faults_text(result).startswith(
        f"Of {summary.n_failures} failures, 2 may be the data’s fault (copies with different labels 1, "
        "suspected label errors 2; some for two reasons); all other numbers count them as failures. "
        "The model contradicts an estimated 1.2 % of the labels (0.4–2.5 %) "
    )
    assert summary.accuracy is not None
    n_correct = summary.n_evaluated - summary.n_failures
    assert summary.accuracy.value == n_correct / summary.n_evaluated


def test_result_of_an_older_version_has_no_data_faults(result: AuditResult) -> None:
    older = result.model_copy(update={"data_faults": None})
    assert data_faults_text(older) == ""
    assert faults_of_samples(None) == {}


def test_fault_of_a_check_without_labels_is_shown_by_its_name(result: AuditResult) -> None:
    assert result.data_faults is not None
    bare = result.data_faults.model_copy(update={"labels": {}})
    assert "(duplicates 1, label-errors 2;" in data_faults_text(
        result.model_copy(update={"data_faults": bare})
    )
    assert set(faults_of_samples(bare).values()) == {
        "label doubtful",
        "label doubtful; label doubtful",
    }


@pytest.mark.parametrize(
    ("n_untested", "n_skipped", "text"),
    [
        (0, 0, "Every slice was large enough, and every check could be done."),
        (5, 0, "5 of 26 slices have too few samples."),
        (0, 1, "1 part of the checks could not be done."),
        (5, 2, "5 of 26 slices have too few samples, and 2 parts of the checks could not be done."),
    ],
)
def test_untested_parts_are_counted(n_untested: int, n_skipped: int, text: str) -> None:
    assert untested_text(26, n_untested, n_skipped) == text


def test_verdict_worst_slice_is_that_of_the_pooled_estimate(result: AuditResult) -> None:
    def value(name: str, n: int, rate: float, pooled: float | None) -> SliceRecord:
        low, high = rate - 0.01, rate + 0.01
        return SliceRecord(
            attributes={"site": name},
            label=None,
            support=n,
            n_failures=round(n * rate),
            error_rate=Estimate(value=rate, low=low, high=high),
            gap=None,
            p_value=None,
            q_value=None,
            pooled_rate=None if pooled is None else Estimate(value=pooled, low=0.1, high=0.5),
        )

    # Two of three samples of A fail, and 30 of 100 of B; C was neither tested nor pooled.
    slices = [value("A", 3, 2 / 3, 0.22), value("B", 100, 0.3, 0.29), value("C", 2, 1.0, None)]
    text = verdict_text(result.model_copy(update={"slices": slices})).worst_slice
    assert text == ("site = B: error rate 30 % (29–31 %; n = 100); pooled estimate 29 % (10–50 %)")
