"""The spread of the values of an attribute, as shown in a finding."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from auditor.phrasing import NOT_AVAILABLE, change, count, limits, with_limits
from auditor.records import ClaimRecord, ValueSpread
from auditor.report.view.tables import TextTable


@dataclass(frozen=True)
class ValueSpreadView:
    """The values of an attribute, each compared with the best one or with a reference value.

    Attributes:
        name: name of its chart, unique in the document.
        part: the evidence.
        marked: the best value, or the reference value.
        table: error rates and differences.
    """

    name: str
    part: ValueSpread
    marked: str
    table: TextTable


def value_spreads(claims: Iterable[ClaimRecord], address: str) -> tuple[ValueSpreadView, ...]:
    """The comparisons of values behind a finding, without duplicates.

    Args:
        claims: the finding and its supporting claims.
        address: of the finding in the document.
    """
    parts = {
        (part.attribute, part.compared_with): part
        for claim in claims
        for part in claim.evidence
        if isinstance(part, ValueSpread)
    }
    return tuple(
        ValueSpreadView(f"{address}-values-{place}", part, _marked(part), _table(part))
        for place, part in enumerate(parts.values(), start=1)
    )


def _marked(part: ValueSpread) -> str:
    if part.compared_with == "best":
        return part.furthest_apart[1]
    return next(one.compared_with for one in part.values if one.compared_with is not None)


def _table(part: ValueSpread) -> TextTable:
    rows = tuple(
        (
            one.value,
            count(one.support),
            NOT_AVAILABLE if one.error_rate is None else with_limits(one.error_rate, "share"),
            NOT_AVAILABLE
            if one.gap is None
            else f"{change(one.gap.value)} ({limits(one.gap, 'points')})",
            one.compared_with or NOT_AVAILABLE,
        )
        for one in part.values
    )
    columns = ("Value", "Samples", "Error rate", "Difference, points", "Compared with")
    return TextTable(f"Values of {part.attribute} compared", columns, rows)
