"""Error trend: does the error rate rise or fall along an ordered attribute, such as age?"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from pydantic import Field

from auditor.checks import Check
from auditor.comparisons.explanations import explained_by, held_fixed, title_suffix
from auditor.comparisons.slice_counts import SliceCounter
from auditor.comparisons.trends import LinearTrend, OrderedBands, TrendCounter
from auditor.phrasing import advice, attribute_name, count, interval, percent, plural, points
from auditor.records import (
    AuditData,
    Claim,
    Effect,
    Examination,
    Skipped,
    Slice,
    SliceKey,
)
from auditor.registry import plugin

NAME = "error-trend"
_LEAST_BANDS = 3
"""With two values, a trend is just the gap between them."""


@plugin("check", NAME)
class ErrorTrend(Check):
    """Does the error rate rise or fall along an ordered attribute, such as age or skin type?

    A steady rise over all bands can be large even if no single band has a clearly higher error rate
    than the rest. Each ordinal or numeric attribute gets one test for a linear trend within
    labels. The effect is the gap between the two ends of the straight line. Numbers are cut into up to
    ten bands of about equal support, named by their edges; of a sensitive attribute, bands that are not
    slices are not shown.

    Reference:
        N. Mantel, "Chi-square tests with one degree of freedom; extensions of the Mantel-Haenszel
        procedure", JASA 58 (1963) 690-700: the score test of a logistic regression on the ordered
        attribute and the label.
    """

    handles_clusters: ClassVar[bool] = True
    compares_attributes: ClassVar[bool] = True

    max_gap: float = Field(0.05, ge=0, le=1)
    """Largest acceptable gap in error rate between the two ends of an ordered attribute (a share)."""

    def examine(self, audit: AuditData) -> Examination:
        """Tests every ordered attribute."""
        counter, slices = TrendCounter(audit), SliceCounter(audit)
        claims, skipped = [], []
        for name, values in audit.ordered.items():
            bands = OrderedBands.of(name, values, audit.min_support)
            if len(bands.names) < _LEAST_BANDS:
                continue
            found = counter.trend(bands)
            if found is None or len(bands.rows) < 2 * audit.min_support:
                have = plural(len(bands.rows), "sample")
                reason = f"{attribute_name(name)}: {have} with a value, too few for a trend"
                skipped.append(Skipped(check=NAME, reason=reason))
                continue
            claim = self._claim(audit, found, slices)
            claims.append(_with_others_fixed(claim, found, counter, audit))
        return Examination(tuple(claims), tuple(skipped))

    def _claim(self, audit: AuditData, found: LinearTrend, slices: SliceCounter) -> Claim:
        bands, gap = found.bands, found.gap
        name = bands.attribute
        worst = bands.rows[bands.band == found.worst]
        key = SliceKey(attributes={name: str(audit.predictions[name].iloc[int(worst[0])])})
        verb = "rises" if found.rising else "falls"
        ends = _ends(audit, found)
        return Claim(
            check=NAME,
            kind=self.kind,
            title=f"The error rate {verb} with {attribute_name(name)}" + (ends and f": {ends}"),
            slice=key,
            effect=Effect.measured(
                f"error-rate gap between the ends of {attribute_name(name)}", gap, "points"
            ),
            limit=self.max_gap,
            p_value=found.p_value,
            support=len(bands.rows),
            samples=slices.highest_loss(Slice(key, worst)),
            statement=(
                (
                    f"Over {count(len(bands.rows))} samples with a value of {attribute_name(name)}, the "
                    f"error rate {verb} {ends and f'{ends} '}along a straight line fitted within labels."
                ),
                f"The gap between the two ends is {points(gap.value)} ({interval(gap, ' points')}).",
            ),
            action=advice(key),
            limits="A straight line describes a steady rise or fall; a rise at only one end, or at both, "
            "shows in the comparisons of single bands. Other differences along the attribute are not held "
            "fixed.",
            evidence=(found.curve(),),
            weight=found.excess,
            question="value",
        )


def _ends(audit: AuditData, found: LinearTrend) -> str:
    """The error rates of the first and the last band; empty if no document may name these.

    Bands of a sensitive attribute that are not its slices would reveal the samples between an edge of a
    band and one of a slice.
    """
    bands = found.bands
    name, values = bands.attribute, audit.predictions[bands.attribute].cat.categories
    if name in audit.declared.sensitive and not set(bands.names) <= set(map(str, values)):
        return ""
    low, high = bands.names[0], bands.names[-1]
    return f"from {percent(found.line[0])} ({low}) to {percent(found.line[-1])} ({high})"


def _with_others_fixed(
    claim: Claim, found: LinearTrend, counter: TrendCounter, audit: AuditData
) -> Claim:
    """Adds to a significant trend what remains of it with other attributes held fixed."""
    if found.p_value > audit.alpha or found.gap.value <= 0:
        return claim
    held = held_fixed(list(counter.with_others_fixed(found, claim.limit)), found.gap)
    sensitive = found.bands.attribute in audit.declared.sensitive
    return replace(
        claim,
        title=claim.title + title_suffix(held, found.gap),
        evidence=(*claim.evidence, held),
        explained_by=() if sensitive else explained_by(held),
    )
