from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from auditor import phrasing
from auditor.records import Effect, Estimate, Unit


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0 %"),
        (0.0004, "0 %"),
        (0.034, "3.4 %"),
        (0.09949, "9.9 %"),
        (0.0996, "10 %"),
        (0.5, "50 %"),
        (0.724, "72 %"),
        (0.9939, "99.4 %"),
        (0.9996, "100 %"),
        (1.0, "100 %"),
    ],
)
def test_percent_near_the_ends_keeps_a_decimal(share: float, text: str) -> None:
    assert phrasing.percent(share) == text


def test_percents_that_round_alike_have_as_many_decimals_as_differ() -> None:
    assert phrasing.percents(0.72, 0.31) == ("72 %", "31 %")
    assert phrasing.percents(0.973, 0.974) == ("97.3 %", "97.4 %")
    assert phrasing.percents(0.97301, 0.97342) == ("97.30 %", "97.34 %")
    # Equal numbers are alike, and a difference below a thousandth of a point is none.
    assert phrasing.percents(0.973, 0.973) == ("97 %", "97 %")
    assert phrasing.percents(0.973, 0.9730001) == ("97 %", "97 %")


def test_percent_with_decimals_keeps_them() -> None:
    assert phrasing.percent(0.9, 1) == "90.0 %"
    assert phrasing.percent(-0.0001, 1) == "0.0 %"


@pytest.mark.parametrize(
    ("gap", "text"),
    [
        (0.0, "0"),
        (0.0004, "0"),
        (-0.0004, "0"),
        (-0.005, "−0.5"),
        (0.025, "+2.5"),
        (0.0996, "+10"),
        (-0.4, "−40"),
    ],
)
def test_change_always_has_its_sign(gap: float, text: str) -> None:
    assert phrasing.change(gap) == text


def test_points_have_a_singular() -> None:
    assert phrasing.points(0.01) == "1 point"
    assert phrasing.points(-0.69) == "69 points"
    assert phrasing.signed_points(-0.025) == "−2.5 points"
    assert phrasing.signed_points(0.025) == "2.5 points"


def test_points_of_a_whole_are_named_once() -> None:
    assert phrasing.points_of(0.06, 0.16) == "6 of 16 points"
    assert phrasing.points_of(-0.025, 0.16) == "−2.5 of 16 points"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.45, "points", "+45 points"),
        (-0.01, "points", "−1 point"),
        (0.0, "points", "0 points"),
        (0.17, "share", "17 %"),
        (0.712, "score", "0.71"),
        (-0.056, "score", "−0.056"),
        (0.012, "score", "0.012"),
        (0.0, "score", "0.00"),
        (2900.0, "score", "2 900"),
        (373.4, "ratio", "373×"),
        (1.8, "ratio", "1.80×"),
        (1078.0, "count", "1 078"),
    ],
)
def test_amount_is_written_by_its_unit(value: float, unit: Unit, text: str) -> None:
    assert phrasing.amount(value, unit) == text


@pytest.mark.parametrize(
    ("unit", "text"),
    [
        ("points", "+15 points (−2.5 to +30)"),
        ("share", "15 % (−2.5 to 30 %)"),
        ("score", "0.15 (−0.025 to 0.30)"),
    ],
)
def test_effect_is_written_by_its_unit_not_its_name(unit: Unit, text: str) -> None:
    one = Effect(name="over-confidence", value=0.15, low=-0.025, high=0.3, unit=unit)
    assert phrasing.effect(one) == text


def test_interval_in_a_sentence_names_its_confidence() -> None:
    one = Estimate(value=0.72, low=0.67, high=0.77)
    assert phrasing.interval(one) == "95 % interval 67–77 %"
    assert phrasing.limits(one, "share") == "67–77 %"
    below = Estimate(value=0.1, low=-0.12, high=0.4)
    assert phrasing.interval(below, " points") == "95 % interval −12 to 40 points"


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (0.0004, "< 0.001"), (0.0412, "0.041"), (0.63, "0.63")]
)
def test_p_value_has_as_many_digits_as_matter(value: float | None, text: str) -> None:
    assert phrasing.p_value(value) == text


def test_count_groups_thousands_with_plain_spaces() -> None:
    assert phrasing.count(1234567) == "1 234 567"
    assert phrasing.plural(1, "slice") == "1 slice"
    assert phrasing.plural(1078, "hypothesis", "hypotheses") == "1 078 hypotheses"


def test_date_is_in_utc_without_leading_zero() -> None:
    assert phrasing.date(datetime(2026, 1, 2, 3, 4, tzinfo=UTC)) == "2 January 2026, 03:04 UTC"
    east = timezone(timedelta(hours=2))
    assert phrasing.date(datetime(2026, 1, 2, 1, 4, tzinfo=east)) == "1 January 2026, 23:04 UTC"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (True, "yes"),
        (1078, "1 078"),
        (-0.123456, "−0.1235"),
        ({"a": 1, "b": [True, "x"]}, "a 1, b yes, x"),
        ((), ""),
        ("text", "text"),
    ],
)
def test_any_value_becomes_text(raw: Any, text: str) -> None:
    assert phrasing.any_value(raw) == text


@pytest.mark.parametrize(
    ("estimate", "unit", "text"),
    [
        # Limits that would be written alike get more decimals, and so does the number.
        ((0.0002, 0.0, 0.0004), "share", "0.02 % (0.00–0.04 %)"),
        ((0.8662, 0.8658, 0.8664), "share", "86.62 % (86.58–86.64 %)"),
        ((0.9996, 0.9994, 0.9999), "share", "100 % (99.9–100 %)"),
        ((0.0, 0.0, 0.0), "share", "0 % (0 %)"),
        ((-0.0003, -0.04, 0.03), "points", "0 points (−4 to +3)"),
        ((0.0002, -0.0001, 0.0004), "points", "+0.02 points (−0.01 to +0.04)"),
        ((0.16, 0.11, 0.18), "points", "+16 points (+11 to +18)"),
    ],
)
def test_precision_follows_the_interval(
    estimate: tuple[float, float, float], unit: Unit, text: str
) -> None:
    value, low, high = estimate
    assert phrasing.with_limits(Estimate(value=value, low=low, high=high), unit) == text


def test_number_written_as_0_has_no_sign() -> None:
    assert phrasing.signed_points(-0.0004) == "0 points"
    assert phrasing.points_of(-0.0004, 0.16) == "0 of 16 points"
    assert phrasing.metric_number(-0.0001, "score") == "0.000"
    one = Estimate(value=-0.0004, low=-0.0004, high=0.03)
    assert phrasing.interval(one, " points") == "95 % interval 0–3 points"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.5"), (0.0123456, "0.0123"), (0.9999999, "0.9999999"), (0.99951, "0.9995"), (1, "1")],
)
def test_probability_below_1_is_not_written_as_1(value: float, text: str) -> None:
    assert phrasing.probability(value) == text


def test_limit_close_to_the_ends_keeps_its_digits() -> None:
    assert phrasing.size(0.9999, "share") == "99.99 %"
    assert phrasing.size(0.0001, "share") == "0.01 %"
    assert phrasing.size(0.9, "share") == "90 %"
    assert phrasing.any_value(0.9999999) == "0.9999999"
