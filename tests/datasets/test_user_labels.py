"""Labels from Python where classes are called by numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from auditor.datasets.user_labels import plain_label, require_unambiguous
from auditor.errors import DataError

SORTED_AS_TEXT = ("0", "1", "10", "2")
"""The order of torchvision's ImageFolder: the index 2 is the class 10."""


@pytest.mark.parametrize("one_hot", [[0, 0, 1, 0], np.array([0.0, 0.0, 1.0, 0.0])])
def test_one_hot_vector_is_the_class_at_its_position(one_hot: Any) -> None:
    assert plain_label(one_hot, "sample 0", "single-label", SORTED_AS_TEXT) == "10"


AMBIGUOUS: dict[str, tuple[list[Any], tuple[str, ...]]] = {
    "index of another class": ([0, 1, 2], SORTED_AS_TEXT),
    "reversed": ([0, 1], ("1", "0")),
    "from one on": ([1, 2], ("1", "2", "3")),
    "several labels": ([[0], [2, 1]], SORTED_AS_TEXT),
}


@pytest.mark.parametrize(("labels", "classes"), AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_number_that_is_index_and_name_of_different_classes_is_refused(
    labels: list[Any], classes: tuple[str, ...]
) -> None:
    with pytest.raises(DataError, match=r"pass `classes\[label\]` if .*`str\(label\)` if"):
        require_unambiguous(labels, classes)


CLEAR: dict[str, tuple[list[Any], tuple[str, ...]]] = {
    "same order": ([0, 1, 2], ("0", "1", "2")),
    "text": (["2", "10"], SORTED_AS_TEXT),
    "other names": ([0, 1], ("cat", "dog")),
    "only names fit": ([1, 2, 3], ("1", "2", "3")),
    "no label": ([None, 0, 1], ("cat", "dog")),
}


@pytest.mark.parametrize(("labels", "classes"), CLEAR.values(), ids=CLEAR.keys())
def test_labels_with_one_reading_are_accepted(labels: list[Any], classes: tuple[str, ...]) -> None:
    require_unambiguous(labels, classes)
