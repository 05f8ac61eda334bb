from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from builders.configurations import MINIMAL
from pydantic import BaseModel, ValidationError

from auditor import registry
from auditor.config import AuditConfig
from auditor.config.budget import CheckBudget
from auditor.config.messages import messages
from auditor.errors import ConfigError

WRONG: tuple[Any, ...] = (
    17.5,
    -3,
    True,
    "zz",
    [],
    [["a"]],
    [{"a": 1}],
    {"a": "b"},
    {"a": ["b"]},
    {1: 2},
    ["x", "y"],
)
"""Values of which every option refuses some."""
JARGON = re.compile(
    r"valid (tuple|string|dict|integer|number|bool|list|frozen)|[Ii]nput |instance of|type=|function-|"
    r"lax|union|literal|model_|tuple\[|dict\[|class '|\[key\]|pydantic|Value error",
)


def _models(model: type[BaseModel], place: str) -> Iterator[tuple[type[BaseModel], str]]:
    yield model, place
    for name, field in model.model_fields.items():
        annotations = [field.annotation]
        while annotations:
            one: Any = annotations.pop()
            if isinstance(one, type) and issubclass(one, BaseModel):
                yield from _models(one, f"{place}{field.alias or name}.")
            annotations += get_args(one)


ROOTS: dict[str, tuple[type[BaseModel], ...]] = {"configuration": (AuditConfig, CheckBudget)}
for _kind in registry.PACKAGES:
    ROOTS[_kind] = tuple(registry.all_of(_kind).values())


@pytest.mark.parametrize("kind", ROOTS)
def test_wrong_type_of_every_option_gives_a_message_in_plain_words(kind: str) -> None:
    for root in ROOTS[kind]:
        for model, place in _models(root, f"{root.__name__}."):
            for name, field in model.model_fields.items():
                key = field.alias or name
                faults = [fault for value in WRONG for fault in _faults(model, key, value, place)]
                assert faults, f"{place}{key} accepts everything"
                for fault in faults:
                    assert fault.startswith((f"{place}{key}", f"{place[:-1]}: ")), fault
                    assert "expected " in fault or "unknown key; known keys: " in fault
                    assert not JARGON.search(fault), fault


def _faults(model: type[BaseModel], key: str, value: object, place: str) -> list[str]:
    raw = {key: value}
    try:
        model.model_validate(raw)
    except ValidationError as error:
        found = messages(model, raw, error.errors(), place)
        return [one for one in found if not one.endswith("expected a value; it is missing")]
    return []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": {"labels": "tags"}}, "data.labels: expected a list, such as [tags]; got 'tags'"),
        ({"model": {"classes": 5}}, "model.classes: expected a list or a path; got 5"),
        ({"model": {"classes": "http://x"}}, "model.classes: expected a path; URLs are not"),
        (
            {"preprocess": {"resize": ["x", 1]}},
            "preprocess.resize.0: expected a whole number; got 'x'",
        ),
        (
            {"decision": {"threshold": {"a": "b"}}},
            "decision.threshold.a: expected a number; got 'b'",
        ),
        ({"slices": 3}, "slices: expected a mapping with keys among edges, intersections"),
        ({"slices": {"edges": {5: [1]}}}, "slices.edges.5: expected a name that is text; got 5:"),
        ({"name": 2026}, "name: expected text; got 2026: put it in quotes"),
        ({"seed": -1}, "seed: expected a number of at least 0; got -1"),
        ({"judge": {"alpha": 1.5}}, "judge.alpha: expected a number below 1; got 1.5"),
    ],
)
def test_wrong_value_is_named_with_its_place_in_the_file(
    changes: dict[str, Any], message: str
) -> None:
    raw: dict[str, Any] = dict(MINIMAL)
    for section, value in changes.items():
        known = raw.get(section)
        raw[section] = known | value if isinstance(known, dict) else value
    with pytest.raises(ConfigError) as caught:
        AuditConfig.parse(raw)
    assert message in str(caught.value)
    assert not JARGON.search(str(caught.value))


def test_wrong_value_of_a_former_name_is_named_by_the_current_one() -> None:
    raw = MINIMAL | {"criteria": [{"metric": "accuracy", "min": "x"}]}
    with (
        pytest.warns(DeprecationWarning, match="now called at_least"),
        pytest.raises(ConfigError, match=r"^criteria\.0\.at_least: expected a number; got 'x'$"),
    ):
        AuditConfig.parse(raw)
