"""Criteria about metrics, classes and slices that the audit does not have are refused in advance."""

from __future__ import annotations

from typing import Any

import pytest

from auditor.attributes.known_values import KnownValues
from auditor.config.criteria import Criterion
from auditor.errors import ConfigError
from auditor.judging.criteria import KnownNames, require_known_names
from auditor.records.decisions import TaskName

ATTRIBUTES = KnownValues(
    values={"site": ("A", "B"), "one": ("x",)},
    support={"site": (50, 50), "one": (100,)},
    left_out={"one": "every sample has the value 'x'; there is nothing to compare it with"},
)


def check(criterion: dict[str, Any], task: TaskName = "single-label", **changes: Any) -> None:
    known = KnownNames(task, ("a", "b", "c"), changes.get("attributes", ATTRIBUTES))
    require_known_names([Criterion.model_validate(criterion)], known)


RECALL = {"metric": "recall", "at_least": 0.5}
ACCURACY = {"metric": "accuracy", "at_least": 0.5}


@pytest.mark.parametrize(
    ("criterion", "task", "text"),
    [
        (
            {"metric": "top-5", "at_least": 0.9},
            "binary",
            "metric: expected a metric of the task binary; top-5 is one of single-label only",
        ),
        (
            {"metric": "top_5_gap", "at_most": 0.1},
            "multi-label",
            "expected a metric of the task multi-label",
        ),
        ({**RECALL, "class": "x"}, "single-label", "one of the classes a, b and c, or `each`"),
        ({**RECALL, "class": "x"}, "binary", "one of the classes a, b and c, or `each`"),
        (RECALL, "single-label", "class: expected a class name or `each` for recall"),
        ({**ACCURACY, "class": "a"}, "single-label", "class: expected no class for accuracy"),
        (
            {**ACCURACY, "slices": {"sex": "f"}},
            "single-label",
            "one of the attributes site and one",
        ),
        ({**ACCURACY, "slices": {"site": "Z"}}, "single-label", "expected one of A and B; got 'Z'"),
        (
            {**ACCURACY, "slices": "every", "attributes": ["sex"]},
            "single-label",
            "attributes: expected one of the attributes site; got 'sex'",
        ),
        (
            {"metric": "accuracy_gap", "at_most": 0.1, "attributes": ["one"]},
            "single-label",
            "attributes: expected an attribute whose values can be compared; one: every sample",
        ),
    ],
)
def test_criterion_on_unknown_names_is_refused(
    criterion: dict[str, Any], task: TaskName, text: str
) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        check(criterion, task)
    assert str(caught.value).startswith("criteria[0]")


@pytest.mark.parametrize("criterion", [{**ACCURACY, "slices": "every"}, {"metric": "f1_gap"}])
def test_criterion_for_slices_without_attributes_is_refused(criterion: dict[str, Any]) -> None:
    limit = {"at_most": 0.1, "class": "a"} if criterion["metric"] == "f1_gap" else {}
    with pytest.raises(ConfigError, match=r"the data has none: state `data\.attributes`"):
        check(criterion | limit, attributes=KnownValues({}, {}, {}))


@pytest.mark.parametrize(
    ("criterion", "task"),
    [
        ({**RECALL, "class": "each", "slices": "every"}, "single-label"),
        (RECALL, "binary"),
        (RECALL, "multi-label"),
        ({**ACCURACY, "class": "a"}, "multi-label"),
        ({"metric": "auroc", "at_least": 0.8}, "single-label"),
        ({**ACCURACY, "slices": {"site": "A", "one": "x"}}, "single-label"),
    ],
)
def test_criterion_on_known_names_is_accepted(criterion: dict[str, Any], task: TaskName) -> None:
    check(criterion, task)
