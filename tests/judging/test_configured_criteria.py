"""Configured criteria for every slice and for gaps: states, corrections, missing samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from auditor.config.criteria import Criterion
from auditor.judging.criteria import ExaminedCriteria, examine_criteria, with_missed_criteria
from auditor.records import AuditData, Clusters, CriterionResult
from auditor.statistics import stratified_gap
from auditor.statistics.sample_size import samples_for_share

MakeEvidence = Callable[..., AuditData]
CLASSES = ("a", "b")


def audit_of(
    make_evidence: MakeEvidence,
    sites: Mapping[str, tuple[int, int]],
    more: Mapping[str, Sequence[str]] | None = None,
    **changes: Any,
) -> AuditData:
    """An audit with so many failures and samples by site; half of each have the label a."""
    label, predicted, site = [], [], []
    for name, (failures, samples) in sites.items():
        for k in range(samples):
            label.append(CLASSES[k % 2])
            predicted.append(CLASSES[(k + (k < failures)) % 2])
            site.append(name)
    attributes = {"site": site, **(more or {})}
    return make_evidence(label, predicted, attributes, classes=CLASSES, **changes)


def examined(audit: AuditData, *criteria: Mapping[str, Any], **changes: Any) -> ExaminedCriteria:
    configured = [Criterion.model_validate(one) for one in criteria]
    return examine_criteria(audit, 0, [], configured, **changes)


def states(results: Sequence[CriterionResult]) -> dict[str, str]:
    return {str(one.slice): one.state for one in results}


def test_every_slice_meets_or_misses_the_criterion_on_its_own(make_evidence: MakeEvidence) -> None:
    audit = audit_of(make_evidence, {"A": (4, 200), "B": (60, 200), "C": (20, 200)})
    found = examined(audit, {"metric": "accuracy", "at_least": 0.9, "slices": "every"})
    assert states(found.results) == {
        "site = A": "met",
        "site = B": "missed",
        "site = C": "undecided",
    }
    assert {one.criterion for one in found.results} == {"accuracy at least 90 % in every slice"}
    assert found.skipped == ()


def test_every_slice_significant_alone_is_undecided_after_the_correction(
    make_evidence: MakeEvidence,
) -> None:
    # 30 of 200 failures against 10 %: one-sided p = 0.01, which Holm multiplies by 6.
    sites = {"A": (30, 200)} | dict.fromkeys("BCDEF", (20, 200))
    audit = audit_of(make_evidence, sites)
    alone = {"metric": "accuracy", "at_least": 0.9, "slices": {"site": "A"}}
    every = {"metric": "accuracy", "at_least": 0.9, "slices": "every"}
    assert examined(audit, alone).results[0].state == "missed"
    first = examined(audit, every).results[0]
    assert first.state == "undecided"
    assert "not after the correction for 6 comparisons" in first.statement


def test_every_slice_of_some_attributes_leaves_out_the_others(make_evidence: MakeEvidence) -> None:
    audit = audit_of(
        make_evidence, {"A": (4, 200), "B": (4, 200)}, {"sex": ["f", "f", "m", "m"] * 100}
    )
    criterion = {"metric": "accuracy", "at_least": 0.9, "slices": "every", "attributes": ["sex"]}
    assert list(states(examined(audit, criterion).results)) == ["sex = f", "sex = m"]


def test_every_slice_too_small_is_listed_as_skipped(make_evidence: MakeEvidence) -> None:
    audit = audit_of(make_evidence, {"A": (4, 200), "B": (4, 200), "C": (0, 29)})
    found = examined(audit, {"metric": "accuracy", "at_least": 0.9, "slices": "every"})
    assert list(states(found.results)) == ["site = A", "site = B"]
    (skipped,) = found.skipped
    assert "site = C: 29 of 429 samples; at least 30" in skipped.reason


def test_every_slice_too_small_is_undecided_if_no_other_is_left(
    make_evidence: MakeEvidence,
) -> None:
    audit = audit_of(make_evidence, {"A": (0, 20), "B": (0, 20)})
    (found,) = examined(audit, {"metric": "accuracy", "at_least": 0.5, "slices": "every"}).results
    assert (found.state, found.support, found.estimate) == ("undecided", 0, None)


def test_gap_of_an_attribute_with_two_values_is_judged_once(make_evidence: MakeEvidence) -> None:
    audit = audit_of(make_evidence, {"A": (20, 400), "B": (20, 400)})
    (found,) = examined(audit, {"metric": "error_rate_gap", "at_most": 0.05}).results
    assert (str(found.slice), found.state, found.unit) == ("site = A", "met", "points")


def test_gap_in_error_rate_equals_the_stratified_gap(make_evidence: MakeEvidence) -> None:
    audit = audit_of(make_evidence, {"A": (60, 200), "B": (20, 200), "C": (20, 200)})
    found = examined(audit, {"metric": "error_rate_gap", "at_most": 0.05}).results
    # Failures of either label alternate: 30 of 100 in A, 10 of 100 in B and in C.
    expected = stratified_gap([[30, 30]], [[100, 100]], [[20, 20]], [[200, 200]]).gap[0]
    assert found[0].estimate is not None
    assert (found[0].estimate.value, found[0].estimate.low, found[0].estimate.high) == (
        pytest.approx((expected.value, expected.low, expected.high))
    )
    assert expected.value == pytest.approx(0.2)
    assert states(found)["site = A"] == "missed"
    accuracy = examined(audit, {"metric": "accuracy_gap", "at_most": 0.05}).results[0].estimate
    assert accuracy is not None
    assert (accuracy.value, accuracy.low) == pytest.approx((-expected.value, -expected.high))


@pytest.mark.parametrize(
    ("failures", "state"), [((40, 40), "met"), ((40, 200), "missed"), ((200, 40), "missed")]
)
def test_gap_in_a_metric_of_a_class_is_shown_inside_or_outside_of_the_limit(
    make_evidence: MakeEvidence, failures: tuple[int, int], state: str
) -> None:
    audit = audit_of(make_evidence, {"A": (failures[0], 800), "B": (failures[1], 800)})
    criterion = {"metric": "sensitivity_gap", "class": "a", "at_most": 0.05}
    (found,) = examined(audit, criterion).results
    assert (found.state, found.class_name, found.support) == (state, "a", 800)


def test_undecided_share_states_the_samples_of_the_binomial_search(
    make_evidence: MakeEvidence,
) -> None:
    audit = audit_of(make_evidence, {"A": (5, 100), "B": (0, 100)})
    criterion = {"metric": "accuracy", "at_least": 0.9, "slices": {"site": "A"}}
    (found,) = examined(audit, criterion).results
    # With half a case of each kind added, 95 of 100 become 95.5 / 101.
    wanted = samples_for_share(95.5 / 101, 0.9, 0.95, 0.8)
    assert wanted is not None
    assert found.state == "undecided"
    assert found.missing_samples == wanted - 100
    assert found.missing_clusters is None
    # Two significant digits: 203 becomes 210.
    assert wanted == 303
    assert "about 210 more samples would decide it" in found.statement


@pytest.mark.parametrize(
    ("metric", "kind"),
    [
        ("recall", "more a samples would"),
        ("specificity", "more samples that are not a would"),
        ("ppv", "more samples predicted as a would"),
        ("npv", "more samples not predicted as a would"),
    ],
)
def test_undecided_share_says_which_samples_are_missing(
    make_evidence: MakeEvidence, metric: str, kind: str
) -> None:
    audit = audit_of(make_evidence, {"A": (10, 200), "B": (10, 200)})
    (found,) = examined(audit, {"metric": metric, "class": "a", "at_least": 0.93}).results
    assert found.state == "undecided"
    assert kind in found.statement


def test_undecided_number_on_the_limit_has_no_number_of_missing_samples(
    make_evidence: MakeEvidence,
) -> None:
    audit = audit_of(make_evidence, {"A": (20, 200), "B": (0, 200)})
    criterion = {"metric": "accuracy", "at_least": 0.9, "slices": {"site": "A"}}
    (found,) = examined(audit, criterion).results
    assert (found.state, found.missing_samples) == ("undecided", None)
    assert "too close to the limit" in found.statement


def test_clusters_widen_the_interval_and_are_counted(make_evidence: MakeEvidence) -> None:
    audit = audit_of(make_evidence, {"A": (40, 400), "B": (0, 400)})
    # Clusters of ten consecutive samples: the failures of site A fill four of its 40 clusters.
    clustered = replace(audit, clusters=Clusters("patient", np.arange(800) // 10))
    criterion = {"metric": "accuracy", "at_least": 0.85, "slices": {"site": "A"}}
    (alone,) = examined(audit, criterion).results
    (found,) = examined(clustered, criterion).results
    assert (alone.state, found.state) == ("met", "undecided")
    assert found.missing_samples is not None
    assert found.missing_clusters == int(np.ceil(found.missing_samples / 10))
    assert "in 40 clusters" in found.statement
    assert "clusters by patient" in found.statement


def test_too_few_clusters_leave_a_criterion_undecided(make_evidence: MakeEvidence) -> None:
    audit = audit_of(make_evidence, {"A": (0, 400), "B": (0, 400)})
    clustered = replace(audit, clusters=Clusters("patient", np.arange(800) // 200))
    criterion = {"metric": "accuracy", "at_least": 0.5, "slices": {"site": "A"}}
    (found,) = examined(clustered, criterion).results
    assert found.state == "undecided"
    assert found.statement == (
        "Accuracy, site = A could not be judged (its samples come from 2 of the 5 clusters that are needed)."
    )


@pytest.mark.parametrize("metric", ["error_rate_gap", "sensitivity_gap"])
def test_gap_of_a_slice_with_too_few_clusters_is_undecided(
    make_evidence: MakeEvidence, metric: str
) -> None:
    audit = audit_of(make_evidence, {"A": (0, 60), "B": (0, 400)})
    # Site A is two clusters of 30, and site B forty of 10.
    cluster = np.concatenate([np.arange(60) // 30, 2 + np.arange(400) // 10])
    clustered = replace(audit, clusters=Clusters("patient", cluster))
    class_name = "a" if metric == "sensitivity_gap" else None
    criterion = {"metric": metric, "at_most": 0.2, "class": class_name}
    (found,) = examined(clustered, criterion).results
    assert (found.state, found.estimate) == ("undecided", None)
    assert "2 of the 5 clusters by patient" in found.statement


def test_confidence_of_the_criterion_decides_and_is_stated(make_evidence: MakeEvidence) -> None:
    audit = audit_of(make_evidence, {"A": (11, 200), "B": (11, 200)})
    wide, narrow = (
        examined(audit, {"metric": "accuracy", "at_least": 0.915, "confidence": one}).results[0]
        for one in (0.999, 0.9)
    )
    assert (wide.state, narrow.state) == ("undecided", "met")
    assert wide.confidence == 0.999
    assert "99.9 % interval" in wide.statement


def test_missed_slices_of_one_criterion_become_one_alert(make_evidence: MakeEvidence) -> None:
    audit = audit_of(make_evidence, {"A": (80, 200), "B": (80, 200), "C": (4, 200)})
    criterion = {"metric": "accuracy", "at_least": 0.9, "slices": "every", "why": "agreed in May"}
    results = examined(audit, criterion).results
    (alert,) = with_missed_criteria([], results)
    assert alert.title == (
        "Missed: accuracy at least 90 % in every slice, for site = A and site = B"
    )
    assert alert.severity == "alert"
    assert {one.why for one in results} == {"agreed in May"}


def test_criterion_that_does_not_block_becomes_a_note(make_evidence: MakeEvidence) -> None:
    audit = audit_of(make_evidence, {"A": (80, 200), "B": (80, 200)})
    criteria = (
        {"name": "shown", "metric": "accuracy", "at_least": 0.9},
        {"name": "required", "metric": "error-rate", "at_most": 0.9},
    )
    results = examined(audit, *criteria, blocking=["required"]).results
    assert [(one.criterion, one.blocking) for one in results] == [
        ("shown", False),
        ("required", True),
    ]
    (note,) = with_missed_criteria([], results)
    assert note.severity == "note"


def test_undefined_metric_is_undecided_with_its_reason(make_evidence: MakeEvidence) -> None:
    label = ["a"] * 60 + ["b"] * 60
    site = ["A"] * 60 + ["B"] * 60
    audit = make_evidence(label, label, {"site": site}, classes=CLASSES)
    criterion = {"metric": "sensitivity", "class": "a", "at_least": 0.9, "slices": "every"}
    found = examined(audit, criterion).results
    assert states(found) == {"site = A": "met", "site = B": "undecided"}
    assert "no positive samples" in found[1].statement


@pytest.mark.parametrize(
    ("criterion", "sentence"),
    [
        # Half of the samples have the label a, so that guessing it is right for 50 %.
        (
            {"metric": "accuracy", "at_least": 0.001},
            "Guessing would reach 50 %, so this limit is below",
        ),
        (
            {"metric": "accuracy", "at_least": 0.49},
            "Guessing would reach 50 %, so this limit is below",
        ),
        (
            {"metric": "error-rate", "at_most": 0.99},
            "Guessing would reach 50 %, so this limit is above",
        ),
        ({"metric": "balanced-accuracy", "at_least": 0.3}, "Guessing would reach 50 %"),
        ({"metric": "sensitivity", "class": "a", "at_least": 0.01}, "Guessing would reach 50 %"),
        ({"metric": "accuracy", "at_least": 0.9}, ""),
        ({"metric": "error-rate", "at_most": 0.1}, ""),
        ({"metric": "error-rate-gap", "at_most": 0.4}, ""),
    ],
)
def test_limit_that_guessing_meets_is_called_so(
    make_evidence: MakeEvidence, criterion: Mapping[str, Any], sentence: str
) -> None:
    audit = audit_of(make_evidence, {"A": (4, 200), "B": (10, 200)})
    for one in examined(audit, criterion).results:
        assert ("Guessing would reach" in one.statement) == bool(sentence)
        assert sentence in one.statement
