"""Acceptance criteria in the configuration: what is read, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from builders.configurations import MINIMAL

from auditor.config import AuditConfig
from auditor.config.criteria import Criterion
from auditor.errors import ConfigError

Raw = dict[str, Any]


def parsed(*criteria: Raw, **sections: Any) -> tuple[Criterion, ...]:
    return AuditConfig.parse(MINIMAL | {"criteria": list(criteria)} | sections).criteria


def test_criteria_of_the_documentation_are_read() -> None:
    every, gap, one, ece = parsed(
        {"metric": "sensitivity", "at_least": 0.90, "slices": "every", "confidence": 0.95},
        {"metric": "error_rate_gap", "at_most": 0.05, "attributes": ["sex", "site"]},
        {"metric": "auroc", "at_least": 0.85},
        {"metric": "calibration_error", "at_most": 0.05, "why": "threshold on probabilities"},
    )
    assert (every.per_slice, every.limit, every.measured.name) == (True, 0.9, "sensitivity")
    assert (gap.is_gap, gap.metric, gap.measured.name) == (True, "error-rate-gap", "error-rate")
    assert (one.per_slice, one.slices, one.confidence) == (False, "all", 0.95)
    assert (ece.metric, ece.why) == ("calibration-error", "threshold on probabilities")


@pytest.mark.parametrize(
    ("name", "canonical"),
    [("recall", "sensitivity"), ("precision", "ppv"), ("top-3", "top-3"), ("Macro_F1", "macro-f1")],
)
def test_metric_synonyms_are_read(name: str, canonical: str) -> None:
    (found,) = parsed({"metric": name, "at_least": 0.5})
    assert found.measured.name == canonical


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"min": 0.9}, {"at_least": 0.9}),
        ({"max": 0.9}, {"at_most": 0.9}),
        ({"at_least": 0.9, "slice": {"site": "A"}}, {"at_least": 0.9, "slices": {"site": "A"}}),
    ],
)
def test_former_keys_still_work_with_a_warning(old: Raw, new: Raw) -> None:
    with pytest.warns(DeprecationWarning, match="is now called"):
        found = parsed({"metric": "accuracy"} | old)
    assert found == parsed({"metric": "accuracy"} | new)


def test_values_that_are_whole_numbers_are_texts() -> None:
    (found,) = parsed({"metric": "recall", "class": 9, "at_least": 0.5, "slices": {"site": 1}})
    assert (found.class_name, found.one_slice) == ("9", {"site": "1"})


def test_effective_criteria_are_read_again() -> None:
    criteria = [{"metric": "recall", "class": "a", "at_least": 0.5, "slices": "every"}]
    config = AuditConfig.parse(MINIMAL | {"criteria": criteria})
    assert AuditConfig.parse(config.effective()).criteria == config.criteria


ACCURACY = {"metric": "accuracy", "at_least": 0.9}


@pytest.mark.parametrize(
    ("criterion", "text"),
    [
        ({"at_least": 0.9}, r"criteria\.0\.metric: expected a value; it is missing"),
        ({"metric": "sensitvity", "at_least": 0.9}, "did you mean 'sensitivity'"),
        ({"metric": "gap", "at_most": 0.1}, "expected the name of a metric; got 'gap'"),
        ({"metric": "top-0", "at_least": 0.9}, "expected the name of a metric"),
        ({"metric": "accuracy"}, "expected either `at_least` or `at_most`"),
        ({**ACCURACY, "at_most": 0.95}, "expected either `at_least` or `at_most`"),
        ({**ACCURACY, "confidence": 95}, "a share between 0.5 and 1, such as 0.95; got 95"),
        ({**ACCURACY, "confidence": 0.05}, "a share between 0.5 and 1"),
        (
            {**ACCURACY, "confidence": "high"},
            "criteria.0.confidence: expected a number",
        ),
        ({"metric": "accuracy", "at_least": 90}, "a limit from 0 to 1, such as 0.9 for 90 %"),
        ({"metric": "accuracy", "at_least": -0.1}, "a limit from 0 to 1"),
        ({"metric": "accuracy", "at_least": float("nan")}, "expected a finite number"),
        ({"metric": "accuracy", "at_least": 0}, "no value is below 0"),
        ({"metric": "error_rate", "at_most": 1}, "no value is above 1"),
        ({"metric": "accuracy", "at_least": 1}, "no data can show a value of exactly 1"),
        ({"metric": "error-rate", "at_most": 0}, "no data can show a value of exactly 0"),
        ({"metric": "error-rate-gap", "at_least": 0.1}, "expected `at_most` for a gap"),
        ({"metric": "error-rate-gap", "at_most": 0}, "expected a limit above 0 for a gap"),
        ({"metric": "error-rate-gap", "at_most": 5}, "a limit below 1 for a gap, such as 0.05"),
        (
            {"metric": "error-rate-gap", "at_most": 0.1, "slices": {"site": "A"}},
            "limit it with `attributes`",
        ),
        ({**ACCURACY, "attributes": ["site"]}, "expected `slices: every` beside `attributes`"),
        ({**ACCURACY, "slices": "every", "attributes": []}, "at least one name in `attributes`"),
        ({**ACCURACY, "slices": "each"}, "expected `all`, `every`, or attribute values"),
        ({**ACCURACY, "slices": ["site"]}, "expected `all`, `every`, or attribute values"),
        ({**ACCURACY, "slices": {"site": True}}, "expected text; got True: put it in quotes"),
        ({**ACCURACY, "at_leats": 0.8}, "unknown key; did you mean 'at_least'"),
        ({**ACCURACY, "name": ""}, "criteria.0.name"),
        ({**ACCURACY, "why": ""}, "criteria.0.why"),
    ],
)
def test_invalid_criterion_is_refused_with_its_place(criterion: Raw, text: str) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        parsed(criterion)
    assert "criteria.0" in str(caught.value)


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        (ACCURACY, ACCURACY, "criteria 0 and 1 both state `at_least` for the same accuracy"),
        (ACCURACY, {"metric": "accuracy", "at_least": 0.8}, "both state `at_least`"),
        (
            {"metric": "recall", "at_least": 0.9, "class": "a"},
            {"metric": "sensitivity", "at_least": 0.9, "class": "a"},
            "both state `at_least`",
        ),
        (ACCURACY, {"metric": "accuracy", "at_most": 0.8}, "of at least 0.9 and at most 0.8"),
        (ACCURACY, {"metric": "accuracy", "at_most": 0.9}, "of at least 0.9 and at most 0.9"),
        (
            {**ACCURACY, "name": "one"},
            {"metric": "auroc", "at_least": 0.9, "name": "one"},
            "are both called 'one'",
        ),
    ],
)
def test_repeated_or_contradictory_criteria_are_refused(first: Raw, second: Raw, text: str) -> None:
    with pytest.raises(ConfigError, match=f"criteria: .*{text}"):
        parsed(first, second)


@pytest.mark.parametrize(
    "second",
    [
        {"metric": "accuracy", "at_most": 0.99},
        {"metric": "accuracy", "at_least": 0.8, "slices": "every"},
        {"metric": "accuracy", "at_least": 0.8, "slices": {"site": "A"}},
        {"metric": "accuracy_gap", "at_most": 0.1},
        {"metric": "recall", "at_least": 0.9, "class": "a"},
    ],
)
def test_different_questions_are_accepted_together(second: Raw) -> None:
    assert len(parsed(ACCURACY, second)) == 2


def test_blocking_names_have_to_be_those_of_criteria() -> None:
    named = {**ACCURACY, "name": "accurate"}
    assert parsed(named, gate={"blocking": ["accurate"]})[0].name == "accurate"
    with pytest.raises(ConfigError, match=r"gate\.blocking: expected names .* accurate; got 'x'"):
        parsed(named, gate={"blocking": ["x"]})
    with pytest.raises(ConfigError, match="none has a `name`"):
        parsed(ACCURACY, gate={"blocking": ["x"]})
