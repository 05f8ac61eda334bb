"""Values of metrics as text."""

from __future__ import annotations

from auditor.phrasing.numbers import limits, percent
from auditor.records.base import IntervalLike, Unit


def metric_number(value: float, unit: Unit) -> str:
    """A value of a metric: ``91 %``, ``0.912``."""
    return percent(value) if unit == "share" else f"{value:.3f}".replace("-", "−")


def metric_limits(estimate: IntervalLike, unit: Unit) -> str:
    """The limits of a metric: ``88–94 %``, ``0.884–0.936``, ``−0.212 to 0.104``."""
    if unit == "share":
        return limits(estimate, unit)
    between = "–" if estimate.low >= 0 else " to "
    return f"{metric_number(estimate.low, unit)}{between}{metric_number(estimate.high, unit)}"


def metric_value(estimate: IntervalLike, unit: Unit) -> str:
    """A value of a metric with its interval: ``91 % (88–94 %)``."""
    return f"{metric_number(estimate.value, unit)} ({metric_limits(estimate, unit)})"
