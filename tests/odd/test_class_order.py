"""Classes in the wrong order: the audit says which ones, and what accuracy would be."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from auditor.config import SliceSection
from auditor.judging.criteria.defaults import examine_defaults
from auditor.stages.slicing import slice_samples
from auditor.statistics import exchanged_classes

CASES = {
    "right order": ([[49, 1], [2, 48]], {}),
    "two exchanged": ([[1, 49], [48, 2]], {0: 1, 1: 0}),
    "two of three exchanged": ([[40, 0, 0], [0, 3, 37], [0, 38, 2]], {1: 2, 2: 1}),
    "three in a circle": ([[0, 20, 0], [0, 0, 20], [20, 0, 0]], {0: 1, 1: 2, 2: 0}),
    "always one class": ([[0, 60], [0, 40]], {}),
    "a coin": ([[24, 26], [27, 23]], {}),
    # P(at least 4 of 4 go to the other class) of a fair coin is 1/16.
    "too few samples": ([[0, 2], [2, 0]], {}),
    # The class without samples is the partner of the other one.
    "one class without samples": ([[0, 20], [0, 0]], {0: 1}),
    "no samples": ([[0, 0], [0, 0]], {}),
}


@pytest.mark.parametrize(("counts", "expected"), CASES.values(), ids=CASES.keys())
def test_exchanged_classes_of_a_confusion_matrix(
    counts: list[list[int]], expected: dict[int, int]
) -> None:
    assert exchanged_classes(np.array(counts)) == expected


def _statements(counts: list[list[int]]) -> dict[str, str]:
    names = list("xyz"[: len(counts)])
    pairs = [(a, b) for a, row in enumerate(counts) for b, n in enumerate(row) for _ in range(n)]
    frame = pd.DataFrame(
        {
            "sample": [f"s{k}" for k in range(len(pairs))],
            "label": pd.Categorical([names[a] for a, _ in pairs], categories=names),
            "predicted": pd.Categorical([names[b] for _, b in pairs], categories=names),
            "confidence": 0.9,
            "failure": [a != b for a, b in pairs],
        }
    )
    cut = slice_samples(frame, None, names, (), SliceSection())
    audit = cut.audit_data(names, alpha=0.05, min_support=30, seed=0)
    found = examine_defaults(audit, 0, ("baseline", "recall"))
    return {one.class_name or "all": one.statement for one in found}


def test_exchanged_classes_are_named_with_the_accuracy_that_they_would_have() -> None:
    statements = _statements([[40, 0, 0], [0, 3, 37], [0, 38, 2]])
    # (40 + 37 + 38) of 120
    hint = (
        "With the classes y and z exchanged, accuracy would be 96 %: check the order of the classes "
        "in model.classes."
    )
    plain = {
        name: text.replace("\u202f", " ").replace("\u00a0", " ")
        for name, text in statements.items()
    }
    assert {name for name, text in plain.items() if hint in text} == {"all", "y", "z"}


def test_classes_in_the_right_order_get_no_hint() -> None:
    assert not any("order" in text for text in _statements([[30, 10], [12, 28]]).values())
