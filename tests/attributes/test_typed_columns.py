from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from auditor.attributes.typed_columns import type_attributes, typed_column
from auditor.errors import DataError
from auditor.records import Dataset, StatedType


def _dataset(samples: pd.DataFrame, **options: Any) -> Dataset:
    return Dataset(samples, images=(), attributes=("a",), adapter="test", **options)


def test_typed_column_reference_follows_the_audited_data() -> None:
    # The training data spells the same numbers differently, and has a word among them.
    audited, reference = pd.Series(["1", "2", "6"] * 9), pd.Series(["1.0", "6.0", "unknown", "NA"])
    found = typed_column(audited, reference, "skin_type")
    assert found.spec.type == "ordinal"
    assert found.reference is not None
    assert found.reference.text.tolist() == ["1", "6", "unknown", None]
    codes = typed_column(pd.Series(["01", "1"]), pd.Series([1, 1]), "site")
    assert codes.reference is not None
    assert codes.reference.text.tolist() == ["1", "1"]


@pytest.mark.parametrize(
    ("values", "stated", "order"),
    [
        (["10", "02", "1"], "ordinal", None),  # codes with a leading zero: text, in order
        (["1", "2", "3"], "ordinal", None),
        (["small", "large"], ("small", "medium", "large"), ("small", "medium", "large")),
        ([1.0, 2.0], ("2.0", "1"), ("2", "1")),
        (["007", "8"], "numeric", None),
        (["1", "2"], "categorical", None),
    ],
)
def test_typed_column_stated_type_is_kept(
    values: list[Any], stated: StatedType, order: tuple[str, ...] | None
) -> None:
    spec = typed_column(pd.Series(values), None, "a", stated).spec
    assert not spec.guessed
    assert spec.type == ("ordinal" if isinstance(stated, tuple) else stated)
    assert spec.order == (("1", "02", "10") if values[0] == "10" else order)


@pytest.mark.parametrize(
    ("values", "stated", "message"),
    [
        (["31", "x"], "numeric", r"expected numbers.* 1 of 2 rows: row 2 \('x'\): .*data.missing"),
        (["mild", "worse"], ("mild", "severe"), r"one of the stated values mild and severe; .*'worse'"),
        (["mild", "severe"], "ordinal", r"state the values in order instead, such as `a: \[mild, severe"),
        (["1"], "number", "expected the type categorical, ordinal, numeric"),
    ],
)  # fmt: skip
def test_typed_column_cells_that_do_not_fit_raise(
    values: list[Any], stated: Any, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        typed_column(pd.Series(values), None, "a", stated)


def test_typed_column_stated_numeric_ignores_missing_values() -> None:
    found = typed_column(pd.Series(["31", "NA", "", "unknown"]), None, "a", "numeric", ["unknown"])
    assert found.cells.text.tolist() == ["31", None, None, None]


def test_type_attributes_columns_hold_numbers_or_text() -> None:
    samples = pd.DataFrame({"path": ["x", "y"], "a": ["1", "NA"]})
    reference = pd.DataFrame({"label": ["p"], "a": ["1.0"]})
    data, specs = type_attributes(_dataset(samples, reference=reference))
    assert data.samples["a"].dtype == "Int64"
    assert data.samples["path"].tolist() == ["x", "y"]
    assert data.reference is not None
    assert data.reference["a"].tolist() == [1]
    assert specs["a"].guessed
    assert samples["a"].tolist() == ["1", "NA"]  # the data set itself is left alone


def test_type_attributes_configured_edges_mean_bands() -> None:
    samples = pd.DataFrame({"a": [1, 2, 3] * 9})
    assert type_attributes(_dataset(samples))[1]["a"].type == "ordinal"
    spec = type_attributes(_dataset(samples), with_edges={"a": (2.0,)})[1]["a"]
    assert (spec.type, spec.guessed) == ("numeric", True)


def test_type_attributes_unknown_name_raises() -> None:
    with pytest.raises(DataError, match=r"no such attribute; a$"):
        type_attributes(_dataset(pd.DataFrame({"a": [1]}), stated_types={"age": "numeric"}))
