"""Performance gap: is the error rate of a slice higher than that of the rest, class by class?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from pydantic import Field

from auditor.checks import Check
from auditor.comparisons.confounding import Confounding
from auditor.comparisons.explanations import shown_to_explain, with_explanation
from auditor.comparisons.intersections import Intersections
from auditor.comparisons.limits import Limits
from auditor.comparisons.slice_claims import SliceClaims
from auditor.comparisons.slice_counts import SliceCounter
from auditor.records import AuditData, Claim, Examination, Slice, SliceKey
from auditor.registry import plugin

NAME = "performance-gap"
_WORK = 5e9
"""Samples × attributes² of all gaps that are examined with other attributes held fixed: two minutes."""
_FEWEST = 10
"""Number of claims, those with most failures first, that are examined in any case."""


@plugin("check", NAME)
class PerformanceGap(Check):
    """Is the error rate of a slice higher than that of the rest, class by class?

    Three questions, each with its own one-sided test: an attribute value against the rest of the same
    labels (Mantel and Haenszel's weights, Cochran–Mantel–Haenszel test); an attribute value within one
    label (Newcombe's interval, Fisher's exact test, mid-p); two values together against the rest of
    *each* of them and against the sum of what both add, so that a pair is found only for what its values
    do not already explain. On request (``slices.intersections: 3``), three values together likewise
    against the rest of each of their pairs. These are intersection-union tests: the p-value is the
    largest of several one-sided ones.

    Limits:
        Samples are compared within labels, so that harder classes do not count against a slice. Other
        differences between the slice and the rest are not held fixed: ``adjusted-gap`` does that for
        annotated attributes.

    Reference:
        R. L. Berger, "Multiparameter hypothesis testing and acceptance sampling", Technometrics 24
        (1982) 295-300, for the intersection-union test.
    """

    handles_clusters: ClassVar[bool] = True
    compares_attributes: ClassVar[bool] = True

    max_gap: float = Field(0.05, ge=0, le=1)
    """Largest acceptable gap in error rate (a share, 0 to 1)."""
    max_ratio: float | None = Field(2.0, gt=1, le=1e6)
    """Largest acceptable ratio of error rates of up to 10 %; null: no limit."""

    def examine(self, audit: AuditData) -> Examination:
        """Compares every slice with the rest."""
        counter = SliceCounter(audit)
        values, within, crossed = _by_question(audit.slices)
        limits = Limits(self.max_gap, self.max_ratio)
        found = SliceClaims(NAME, self.kind, limits, audit, counter)
        claims = [*found.of_values(values), *found.of_labels(within)]
        held = _with_others_fixed(claims, values + within, audit, self.max_gap)
        intersections = Intersections(NAME, self.max_gap, audit, counter)
        crossed_claims = intersections.claims(crossed)
        return Examination((*held, *crossed_claims), tuple(intersections.skipped()))


def _by_question(slices: Sequence[Slice]) -> tuple[list[Slice], list[Slice], list[Slice]]:
    single = [one for one in slices if len(one.key.attributes) == 1]
    return (
        [one for one in single if one.key.label is None],
        [one for one in single if one.key.label is not None],
        [one for one in slices if len(one.key.attributes) > 1 and one.key.label is None],
    )


def _with_others_fixed(
    claims: Sequence[Claim], slices: Sequence[Slice], audit: AuditData, max_gap: float
) -> Iterator[Claim]:
    """Adds to every significant gap what remains of it with other attributes held fixed."""
    significant = [
        one
        for one in claims
        if one.effect is not None and one.effect.value > 0 and one.p_value is not None
        if one.p_value <= audit.alpha
    ]
    work = len(audit.predictions) * max(len(audit.attributes), 1) ** 2
    # Values come first, because their explanations also hold within their labels.
    ordered = sorted(significant, key=lambda one: (one.slice.label is not None, -one.weight))
    examined = {id(one) for one in ordered[: max(_FEWEST, int(_WORK / max(work, 1)))]}
    confounding = Confounding(audit, max_gap)
    overall: dict[str, tuple[str, ...]] = {}
    for claim, one in zip(claims, slices, strict=True):
        if id(claim) not in examined:
            yield claim
            continue
        value = str(SliceKey(attributes=one.key.attributes))
        found = with_explanation(claim, one, confounding, audit.declared, overall.get(value, ()))
        if one.key.label is None:
            overall[value] = shown_to_explain(found)
        yield found
