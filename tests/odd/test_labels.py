"""Spellings of labels: audited and reference labels are matched by one function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from builders.files import write_image

from auditor.config import SliceSection
from auditor.datasets.folder import Folder
from auditor.datasets.labels import label_codes, map_labels, resolve_classes
from auditor.errors import DataError
from auditor.stages.slicing import Slicing, slice_samples


@pytest.mark.parametrize(
    ("labels", "classes", "codes"),
    [
        (["0", "1"], ("a", "b"), [0, 1]),
        ([0, 1], ("a", "b"), [0, 1]),
        ([0.0, 1.0], ("a", "b"), [0, 1]),
        (["0.0", "1.0"], ("a", "b"), [0, 1]),
        (["A ", "b"], ("a", "b"), [0, 1]),
        (["Gro\u0308\u00dfe", "b"], ("gr\u00f6\u00dfe", "b"), [0, 1]),  # ö as two characters
        (["\u00e9", "e\u0301"], ("\u00e9", "e\u0301"), [0, 1]),  # two classes: only exactly
        (["1.0", "0.0"], ("0", "1"), [1, 0]),
        (["1.0", "2.0"], ("2", "1"), [1, 0]),
        (["c", None, "a"], ("a", "b"), [-1, -1, 0]),
        (["2", "-1"], ("a", "b"), [-1, -1]),
        (["2.0"], ("0", "1"), [-1]),
        (["9" * 5000], ("a", "b"), [-1]),
    ],
)
def test_label_codes_of_a_spelling(
    labels: list[Any], classes: tuple[str, ...], codes: list[int]
) -> None:
    column = pd.Series(labels, dtype=object)
    assert label_codes(column, classes).tolist() == codes
    if min(codes) >= 0:
        assert map_labels(column, classes).tolist() == codes
    else:
        with pytest.raises(DataError, match="label: expected one"):
            map_labels(column, classes)


def test_labels_that_are_written_as_decimals_fit_the_classes_derived_from_them() -> None:
    labels = pd.Series(["1.0", "0.0", "2.0"])
    classes = resolve_classes(None, None, None, labels)
    assert classes == ("0", "1", "2")
    assert map_labels(labels, classes).tolist() == [1, 0, 2]


def test_date_as_label_is_refused_as_an_index() -> None:
    with pytest.raises(DataError, match="got 20241231: name the column"):
        resolve_classes(None, None, None, pd.Series(["20241231", "3"]))


def _sliced(reference_labels: list[Any]) -> Slicing:
    predictions = pd.DataFrame(
        {
            "sample": ["s0", "s1"],
            "label": pd.Categorical(["a", "b"], categories=["a", "b"]),
            "predicted": pd.Categorical(["a", "b"], categories=["a", "b"]),
            "failure": np.array([False, False]),
        }
    )
    reference = pd.DataFrame({"label": pd.Series(reference_labels, dtype=object)})
    return slice_samples(predictions, reference, ("a", "b"), (), SliceSection())


@pytest.mark.parametrize("labels", [[0, 1, 1], ["0", "1", "1"], ["A", "b", "B "], [0.0, 1.0, 1.0]])
def test_reference_labels_are_matched_as_audited_labels_are(labels: list[Any]) -> None:
    found = _sliced(labels)
    assert found.reference is not None
    assert found.reference["label"].tolist() == ["a", "b", "b"]
    assert not [one for one in found.skipped if one.check == "reference"]


def test_reference_rows_without_a_class_are_counted() -> None:
    found = _sliced(["a", "c", None, 1])
    assert found.reference is not None
    assert found.reference["label"].tolist() == ["a", "b"]
    (note,) = [one.reason for one in found.skipped if one.check == "reference"]
    assert note.startswith("2 of 4 rows of the reference have a label that is not a class")


def test_folder_of_an_archive_tool_is_no_class(tmp_path: Path) -> None:
    for name in ("cat/1.png", "dog/1.png", "__MACOSX/cat/1.png"):
        write_image(tmp_path / name)
    found = Folder(path=tmp_path).open()
    assert found.classes == ("cat", "dog")
    assert found.samples["label"].tolist() == ["cat", "dog"]
