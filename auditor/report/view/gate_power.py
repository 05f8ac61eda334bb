"""The power of the gate against a gap, in words."""

from __future__ import annotations

from collections.abc import Sequence

from auditor.phrasing import count, percent, plural, points
from auditor.records import SliceRecord

_SMALLEST = 0.001
"""Smallest probability that is printed: 0.1 %."""


def gate_power_text(slices: Sequence[SliceRecord]) -> str:
    """How often a gap would have blocked or passed the gate, in the slice with the lowest power.

    Args:
        slices: of the audit; those without a `GatePower` do not count.

    Returns:
        One or two sentences; empty where there is no gate, or no slice was tested.
    """
    known = [(one, one.gate_power) for one in slices if one.gate_power is not None]
    tested = [(one, power) for one, power in known if one.gap is not None]
    if not tested:
        return ""
    weakest, power = min(tested, key=lambda one: (one[1].blocked, one[1].not_passed))
    name = " and ".join(f"{name} = {value}" for name, value in weakest.attributes.items())
    text = (
        f"With these samples, a gap of {points(power.gap)} in {name} (n = {count(weakest.support)}) would "
        f"have blocked the gate in {_percent(power.blocked)} of audits, and passed in at most "
        f"{_percent(1 - power.not_passed)}; the others could not have been judged."
    )
    n_untested = len(known) - len(tested)
    if n_untested:
        has = "has" if n_untested == 1 else "have"
        text += (
            f" {plural(n_untested, 'attribute value')} {has} too few samples to be tested; a gap there "
            "would not have blocked the gate."
        )
    return text


def probability(value: float) -> str:
    """A probability in a table; it is never rounded to 0 or 1."""
    if 0 < value < _SMALLEST:
        return f"< {percent(_SMALLEST)}"
    return f"> {percent(1 - _SMALLEST)}" if value > 1 - _SMALLEST else percent(value)


def _percent(value: float) -> str:
    return percent(min(max(value, _SMALLEST), 1 - _SMALLEST))
