"""The only place where numbers and names become text.

Checks, reports and the comparison all use these functions, so that a number reads the same
everywhere. Fixed texts (severities, verdicts, the glossary) are in `auditor.phrasing.glossary`.
"""

from auditor.phrasing.metrics import metric_limits, metric_number, metric_value
from auditor.phrasing.names import (
    advice,
    class_and_slice,
    field_name,
    quoted,
    reading_order,
    sentence_start,
    several,
    slice_name,
    whom,
)
from auditor.phrasing.numbers import (
    NOT_AVAILABLE,
    amount,
    any_value,
    change,
    count,
    date,
    effect,
    interval,
    limits,
    p_value,
    percent,
    percents,
    plural,
    points,
    points_of,
    probability,
    signed_points,
    size,
    with_limits,
)

__all__ = [
    "NOT_AVAILABLE",
    "advice",
    "amount",
    "any_value",
    "change",
    "class_and_slice",
    "count",
    "date",
    "effect",
    "field_name",
    "interval",
    "limits",
    "metric_limits",
    "metric_number",
    "metric_value",
    "p_value",
    "percent",
    "percents",
    "plural",
    "points",
    "points_of",
    "probability",
    "quoted",
    "reading_order",
    "sentence_start",
    "several",
    "signed_points",
    "size",
    "slice_name",
    "whom",
    "with_limits",
]
