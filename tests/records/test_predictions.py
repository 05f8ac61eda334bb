"""The schema of ``predictions.parquet``."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from auditor.records.predictions import (
    FIXED,
    arrow_schema,
    attribute_columns,
    is_reserved,
    probability_column,
    property_column,
    property_name,
    reserved_names,
    sample_columns,
    usable_rows,
)

EXAMPLE = Path(__file__).parents[2] / "reports" / "example" / "predictions.parquet"


def test_arrow_schema_of_the_example_run_equals_its_file() -> None:
    attributes = {"mark": pa.string(), "stroke": pa.string()}
    expected = arrow_schema([str(digit) for digit in range(10)], attributes)
    assert pq.read_schema(EXAMPLE).equals(expected)


def test_attribute_columns_of_the_example_run_are_those_of_its_configuration() -> None:
    assert attribute_columns(pq.read_schema(EXAMPLE).names) == ("mark", "stroke")


def test_sample_columns_leave_out_properties_and_probabilities() -> None:
    assert sample_columns(pq.read_schema(EXAMPLE).names) == [*FIXED, "mark", "stroke"]


def test_sample_columns_without_fingerprints_are_those_that_exist() -> None:
    names = ["age", "status", "sample", "p:cat", "image.hue"]
    assert sample_columns(names) == ["sample", "status", "age"]


@pytest.mark.parametrize(
    "name",
    ["sample", "path", "label", "predicted", "confidence", "loss", "status", "sha256", "phash",
     "failure", "image.brightness", "image.anything", "p:cat", "p:"],
)  # fmt: skip
def test_reserved_name_is_no_attribute(name: str) -> None:
    assert is_reserved(name)
    assert attribute_columns([name]) == ()


@pytest.mark.parametrize(
    "name", ["age", "image", "images.count", "p", "phases", "Label", "status "]
)
def test_name_that_only_resembles_a_reserved_one_is_an_attribute(name: str) -> None:
    assert not is_reserved(name)
    assert attribute_columns([name]) == (name,)


def test_reserved_names_lists_every_column_and_both_prefixes() -> None:
    listed = reserved_names()
    assert all(name in listed for name in (*FIXED, "failure", "image.…", "p:…"))


def test_column_names_of_properties_and_probabilities() -> None:
    assert property_column("hue") == "image.hue"
    assert property_name("image.hue") == "hue"
    assert probability_column("cat") == "p:cat"


def test_usable_rows_are_those_with_the_status_ok() -> None:
    table = pd.DataFrame({"status": ["ok", "truncated", None, "ok"]})
    assert usable_rows(table).tolist() == [True, False, False, True]
