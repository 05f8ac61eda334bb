from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from auditor.datasets.labels import map_labels, resolve_classes
from auditor.errors import ConfigError, DataError


def _labels(*values: Any, dtype: Any = None) -> pd.Series[Any]:
    samples = [f"s{position}" for position in range(len(values))]
    labels: pd.Series[Any] = pd.Series(values, index=samples, dtype=dtype)
    return labels


def test_resolve_classes_prefers_configuration_then_weights_then_data() -> None:
    labels = _labels(0, 1)
    assert resolve_classes(["x"], ["y"], ["z"], labels) == ("x",)
    assert resolve_classes(None, ["y"], ["z"], labels) == ("y",)
    assert resolve_classes(None, None, ["z"], labels) == ("z",)


@pytest.mark.parametrize(
    "labels", [_labels(0, 3, 1), _labels("0", "3", dtype="string"), _labels(3.0, 0.0)]
)
def test_resolve_classes_indices_without_names_are_their_own_names(labels: pd.Series[Any]) -> None:
    assert resolve_classes(None, None, None, labels) == ("0", "1", "2", "3")


def test_resolve_classes_labels_without_order_raise() -> None:
    with pytest.raises(
        DataError, match=r"labels are not indices \('cat', 'dog'\): set model.classes"
    ):
        resolve_classes(None, None, None, _labels("dog", "cat", "dog"))
    with pytest.raises(DataError, match=r"'-1'"):
        resolve_classes(None, None, None, _labels(0, -1))


@pytest.mark.parametrize(
    ("names", "message"),
    [(["a", "b", "a"], "'a' is repeated"), ([], "the list is"), ([""], "a name is empty")],
)
def test_resolve_classes_configured_names_must_be_distinct(names: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve_classes(names, None, None, _labels(0))


def test_resolve_classes_repeated_names_of_weights_get_their_index() -> None:
    assert resolve_classes(None, ["crane", "owl", "crane"], None, _labels(0)) == (
        "crane",
        "owl",
        "crane (2)",
    )


@pytest.mark.parametrize(
    ("labels", "classes", "codes"),
    [
        (_labels("dog", "cat", dtype="string"), ["cat", "dog"], [1, 0]),
        (_labels(" Dog", "CAT "), ["cat", "dog"], [1, 0]),
        (_labels("Cat", "cat"), ["cat", "Cat"], [1, 0]),  # the exact name first
        (_labels(1, 0), ["cat", "dog"], [1, 0]),
        (_labels("1", "0", "dog"), ["cat", "dog"], [1, 0, 1]),
        (_labels(1.0, 0.0), ["cat", "dog"], [1, 0]),
        (_labels(7, 3), ["3", "7"], [1, 0]),  # class names that are numbers are names
        (_labels("NA", "None"), ["NA", "None"], [0, 1]),
    ],
)
def test_map_labels_by_name_then_by_index(
    labels: pd.Series[Any], classes: list[str], codes: list[int]
) -> None:
    mapped = map_labels(labels, classes)
    assert mapped.tolist() == codes
    assert mapped.dtype == "int64"


@pytest.mark.parametrize(
    ("labels", "classes", "message"),
    [
        (
            _labels("a", "bird", "x", "bird"),
            ["a"],
            r"3 of 4 .*'bird' \(2 samples, first s1\); 'x' \(1 ",
        ),
        (_labels(0, 2), ["a", "b"], r"2 classes 'a', 'b', or an index below 2; 1 of 2 .*'2'"),
        (_labels(0, -1), ["a", "b"], r"'-1'"),
        (_labels(0.5), ["a", "b"], r"'0.5'"),
        # Is 1 the second class or the class "1"? The label 0 shows that the labels are indices.
        (_labels(0, 1), ["1", "2"], r"2 classes '1', '2'; 1 of 2 .*'0'"),
        (_labels("CAT"), ["cat", "Cat"], r"'CAT'"),
        (_labels(*"pqrstuv"), ["a"], r"'p' .*'t' \(1 sample, first s4\) …: correct them, or set"),
        (_labels("a", None, "a", None), ["a"], r"2 of 4 have none \(s1, s3\): add them"),
    ],
)
def test_map_labels_unknown_labels_are_listed(
    labels: pd.Series[Any], classes: list[str], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        map_labels(labels, classes)
