"""Values of metrics as text."""

from __future__ import annotations

from auditor.phrasing.numbers import limits, percent, with_limits
from auditor.records.base import IntervalLike, Unit


def metric_number(value: float, unit: Unit) -> str:
    """A value of a metric: ``91 %``, ``0.912``."""
    if unit == "share":
        return percent(value)
    text = f"{value:.3f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")


def metric_limits(estimate: IntervalLike, unit: Unit) -> str:
    """The limits of a metric: ``88–94 %``, ``0.884–0.936``, ``−0.212 to 0.104``."""
    if unit == "share":
        return limits(estimate, unit)
    low, high = metric_number(estimate.low, unit), metric_number(estimate.high, unit)
    return f"{low}{' to ' if low.startswith('−') else '–'}{high}"


def metric_value(estimate: IntervalLike, unit: Unit) -> str:
    """A value of a metric with its interval: ``91 % (88–94 %)``."""
    if unit == "share":
        return with_limits(estimate, unit)
    return f"{metric_number(estimate.value, unit)} ({metric_limits(estimate, unit)})"
