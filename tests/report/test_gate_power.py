from __future__ import annotations

import pytest

from auditor.records import Estimate, GatePower, SliceRecord
from auditor.report.view.gate_power import gate_power_text, probability


def _slice(value: str, power: GatePower | None, *, tested: bool = True) -> SliceRecord:
    return SliceRecord(
        attributes={"site": value},
        label=None,
        support=1200,
        n_failures=12,
        error_rate=Estimate(value=0.01, low=0.005, high=0.02),
        gap=Estimate(value=0.0, low=-0.01, high=0.01) if tested else None,
        p_value=0.5 if tested else None,
        q_value=1.0 if tested else None,
        gate_power=power,
    )


WEAK = GatePower(gap=0.1, blocked=0.15, not_passed=0.96)
STRONG = GatePower(gap=0.1, blocked=0.8, not_passed=1.0)
NONE = GatePower(gap=0.1, blocked=0.0, not_passed=0.0)


def test_gate_power_names_the_slice_with_the_lowest_power() -> None:
    assert gate_power_text([_slice("A", STRONG), _slice("C", WEAK), _slice("D", None)]) == (
        "With these samples, a gap of 10 points in site = C (n = 1 200) would have blocked the gate in "
        "15 % of audits, and passed in at most 4 %; the others could not have been judged."
    )


def test_gate_power_untested_slices_are_counted_and_not_the_weakest() -> None:
    text = gate_power_text([_slice("A", STRONG), _slice("B", NONE, tested=False)])
    assert "in site = A" in text
    # 1 - 1.0 is not written as 0 %.
    assert "passed in at most 0.1 %" in text
    assert text.endswith(
        " 1 attribute value has too few samples to be tested; a gap there would not have blocked the gate."
    )


def test_gate_power_is_empty_without_a_gate_or_tested_slices() -> None:
    assert gate_power_text([_slice("A", None)]) == ""
    assert gate_power_text([_slice("A", NONE, tested=False)]) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0 %"), (0.0002, "< 0.1 %"), (0.153, "15 %"), (0.9999, "> 99.9 %"), (1.0, "> 99.9 %")],
)
def test_probability_near_the_ends_is_not_rounded_to_them(value: float, text: str) -> None:
    assert probability(value) == text
