from __future__ import annotations

import math

import pytest

from auditor.attributes.spelling import as_numbers, is_number, number_text, sorted_values


@pytest.mark.parametrize(
    "text",
    ["0", "7", "-3", "+4", "2.5", ".5", "5.", "0.05", "1e-05", "1E+16", "1.5e3", "-3e2", "inf"],
)
def test_is_number_plain_spelling_is_accepted(text: str) -> None:
    assert is_number(text)


@pytest.mark.parametrize(
    "text",
    [
        *("01", "007", "-01", "00.5"),  # leading zeros
        *("1e5", "12E4"),  # hexadecimal numbers
        "1234567890123456",  # 16 digits are not exact as float64
        *("", ".", "-", "e5", "1,5", "1_000", "0x1f", "12a", "nan", "NA", "5 %", "2024-01-31", "٣"),
    ],
)
def test_is_number_codes_and_words_are_refused(text: str) -> None:
    assert not is_number(text)


def test_as_numbers_usual_tokens_are_missing_only_among_numbers() -> None:
    found = as_numbers({"1", "2.5", "NA", "n/a", "None"})
    assert found is not None
    assert (found["1"], found["2.5"]) == (1, 2.5)
    assert all(math.isnan(found[text]) for text in ("NA", "n/a", "None"))
    assert as_numbers({"NA", "None"}) is None
    assert as_numbers({"NA", "1", "x"}) is None
    assert as_numbers({"01", "NA"}) is None


def test_as_numbers_version_numbers_stay_text() -> None:
    assert as_numbers({"1.1", "1.9", "1.10"}) is None
    assert as_numbers({"1", "1.0", "2.50"}) is not None
    # With many values they are measurements: 0.5 and 0.50 are the same.
    assert as_numbers({f"{k / 100}" for k in range(60)} | {"0.50"}) is not None


def test_number_text_is_short() -> None:
    assert [number_text(one) for one in (3.0, 2.5, -0.0, 1e300, math.inf)] == [
        "3", "2.5", "0", "1e+300", "inf",
    ]  # fmt: skip


def test_sorted_values_codes_and_dates_have_an_order_and_words_do_not() -> None:
    assert sorted_values({"10", "02", "1"}) == ("1", "02", "10")
    assert sorted_values({"2024-02", "2023-11"}) == ("2023-11", "2024-02")
    assert sorted_values({"mild", "severe"}) is None
    assert sorted_values({"1", "e5"}) is None
