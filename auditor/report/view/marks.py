"""The one rule for what charts and tables mark.

A slice is marked if it has significantly more errors than the rest, by more than the largest acceptable
gap; a metric of a slice, if a finding reports its gap and the same holds for it. Tables show the mark as
▲ and bold, charts as orange with a diamond. Nothing else is orange in a chart: everything that is not
marked is blue or grey, and a row that is only the subject of a finding is bold. In images of
differences, orange and blue are more and less, and their captions say so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from auditor.records import AuditResult, ClaimRecord, MetricComparison, SliceKey, SliceRecord

LEGEND = (
    "Orange with a diamond: more errors than the rest, significantly and beyond what is acceptable"
)
"""Explains the mark below a chart that has one."""

SliceId = tuple[tuple[tuple[str, str], ...], str | None]
"""Sorted attribute values, and the label."""

_SIGNIFICANT = frozenset({"supported", "confirmed"})
_METRICS_OF_ERRORS = ("accuracy", "error-rate")
"""Metrics whose gap is that of the table of slices."""


@dataclass(frozen=True)
class Marks:
    """What is marked in a report.

    Attributes:
        slices: slices of the table.
        metrics: metric, class and slice.
    """

    slices: frozenset[SliceId]
    metrics: frozenset[tuple[str, str | None, SliceId]]

    @classmethod
    def of(cls, result: AuditResult, alpha: float) -> Marks:
        """The marks of an audit.

        Args:
            result: the audit.
            alpha: a q-value up to this is significant.
        """
        slices = frozenset(
            slice_id(one.attributes, one.label)
            for one in result.slices
            if exceeds_limit(one, result.max_gap, alpha)
        )
        return cls(slices, frozenset(_metrics(result, slices)))

    def slice(self, attributes: Mapping[str, str], label: str | None = None) -> bool:
        """Whether a slice is marked."""
        return slice_id(attributes, label) in self.slices


def exceeds_limit(one: SliceRecord, max_gap: float | None, alpha: float) -> bool:
    """Whether a slice's gap is above the largest acceptable one and significant."""
    return (
        max_gap is not None
        and one.gap is not None
        and one.gap.value > max_gap
        and is_significant(one, alpha)
    )


def is_significant(one: SliceRecord, alpha: float) -> bool:
    """Whether the test of a slice is significant after the correction."""
    return one.q_value is not None and one.q_value <= alpha


def slice_id(attributes: Mapping[str, str], label: str | None) -> SliceId:
    """What identifies a slice."""
    return tuple(sorted(attributes.items())), label


def _metrics(
    result: AuditResult, slices: frozenset[SliceId]
) -> Iterator[tuple[str, str | None, SliceId]]:
    for key in slices:
        if key[1] is None:
            yield from ((name, None, key) for name in _METRICS_OF_ERRORS)
    for finding in result.findings:
        for claim in (finding, *finding.supporting):
            if _is_marked(claim):
                for part in claim.evidence:
                    if isinstance(part, MetricComparison):
                        yield part.metric, part.class_name, _attributes_only(claim.slice)


def _is_marked(claim: ClaimRecord) -> bool:
    return (
        claim.verdict in _SIGNIFICANT
        and claim.effect is not None
        and (claim.limit is None or claim.effect.value > claim.limit)
    )


def _attributes_only(key: SliceKey) -> SliceId:
    return slice_id(key.attributes, None)
