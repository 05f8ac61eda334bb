"""Adjusted gap: is the error rate of a value higher with all other attributes held fixed?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import Field

from auditor.checks import Check
from auditor.comparisons.clusters import too_few_clusters
from auditor.comparisons.confounding import SEPARABLE
from auditor.comparisons.slice_counts import SliceCounter
from auditor.comparisons.value_cells import ValueCells
from auditor.phrasing import (
    advice,
    attribute_name,
    interval,
    points,
    several,
    signed_points,
    value_name,
    whom,
)
from auditor.records import (
    AuditData,
    Claim,
    Effect,
    Estimate,
    Examination,
    Quantities,
    Quantity,
    Skipped,
    Slice,
)
from auditor.records.predictions import codes
from auditor.registry import plugin
from auditor.statistics import (
    AdjustedGaps,
    Interval,
    adjusted_gaps,
    clustered_adjusted_gaps,
    stratified_gap,
)

NAME = "adjusted-gap"


@plugin("check", NAME)
class AdjustedGap(Check):
    """Is the error rate of a value higher than that of the rest with all other attributes held fixed?

    Associated attributes can mask each other's gaps: a group may fail more often at every age, but be
    younger, and fail less often for that reason. Each value is tested by a regression of failure on
    the label and all attributes. Attributes that ``slices.roles`` declares as mediators are not held
    fixed, because the part that goes through them belongs to the gap.

    Reference:
        The docstring of ``auditor.statistics.adjusted_gaps``.
    """

    handles_clusters: ClassVar[bool] = True
    compares_attributes: ClassVar[bool] = True

    max_gap: float = Field(0.05, ge=0, le=1)
    """Largest acceptable gap in error rate with the other attributes held fixed (a share, 0 to 1)."""

    def examine(self, audit: AuditData) -> Examination:
        """Compares every value of every attribute with the rest."""
        mediators = audit.declared.with_role("mediator")
        held = tuple(name for name in audit.attributes if name not in mediators)
        claims: list[Claim] = []
        skipped: list[Skipped] = []
        compared = [(held, held)] if len(held) > 1 else []
        if held:
            compared += [((*held, name), (name,)) for name in audit.attributes if name in mediators]
        for columns, asked in compared:
            found = _Regression.of(audit, columns)
            if found is None:
                reason = (
                    f"{several([attribute_name(name) for name in asked])}: {len(audit.predictions)} "
                    "samples are too few to hold all "
                    "other attributes fixed jointly"
                )
                skipped.append(Skipped(check=NAME, reason=reason))
                continue
            for name in asked:
                claims += found.claims(name, self.max_gap)
                skipped += found.skipped(name)
        return Examination(tuple(claims), tuple(skipped))


@dataclass(frozen=True)
class _Regression:
    """A regression of failure on the label and several attributes.

    Attributes:
        audit: the samples.
        counter: counts samples.
        gaps: by attribute, the gaps of its values with all others held fixed.
        slices: by attribute, its slices in the order of the gaps.
    """

    audit: AuditData
    counter: SliceCounter
    gaps: dict[str, AdjustedGaps]
    slices: dict[str, list[Slice]]

    @classmethod
    def of(cls, audit: AuditData, columns: Sequence[str]) -> _Regression | None:
        """Fits the regression; None if there are too few samples."""
        frame = audit.predictions
        cells = ValueCells.of(
            np.arange(len(frame)),
            codes(frame["label"]),
            frame["failure"].to_numpy(dtype=bool),
            {name: codes(frame[name]) for name in columns},
        )
        if not cells.are_enough:
            return None
        if audit.clusters is None:
            found = adjusted_gaps(
                cells.failures, cells.totals, [cells.codes[name] for name in columns], cells.label
            )
        else:
            found = clustered_adjusted_gaps(
                frame["failure"].to_numpy(dtype=np.float64),
                [codes(frame[name]) for name in columns],
                codes(frame["label"]),
                audit.clusters.of_sample,
            )
        slices: dict[str, list[Slice]] = {name: [] for name in columns}
        for one in audit.slices:
            if len(one.key.attributes) == 1 and one.key.label is None and not one.tail:
                (name,) = one.key.attributes
                if name in slices:
                    slices[name].append(one)
        gaps = dict(zip(columns, found, strict=True))
        return cls(audit, SliceCounter(audit), gaps, slices)

    def claims(self, name: str, limit: float) -> Iterator[Claim]:
        """One claim for each value that is large enough."""
        own = self.counter.of(self.slices[name])
        rest = self.counter.overall - own
        plain = stratified_gap(own.failures, own.totals, rest.failures, rest.totals).gap
        for k, one in enumerate(self.slices[name]):
            if self._is_large(one) and self._is_separable(name, k):
                yield self._claim(one, self.gaps[name], k, plain[k], limit)

    def skipped(self, name: str) -> Iterator[Skipped]:
        """The values that the other attributes nearly determine."""
        values = [
            value_name(name, one.key.attributes[name])
            for k, one in enumerate(self.slices[name])
            if self._is_large(one) and not self._is_separable(name, k)
        ]
        if values:
            reason = (
                f"{attribute_name(name)} = {several(values, 6)}: nearly determined by the other "
                "attributes, so it "
                "cannot be compared with them held fixed"
            )
            yield Skipped(check=NAME, reason=reason)

    def _is_large(self, one: Slice) -> bool:
        needed = self.audit.min_support
        if not needed <= one.support <= len(self.audit.predictions) - needed:
            return False
        return too_few_clusters(self.audit, one) is None

    def _is_separable(self, name: str, k: int) -> bool:
        gaps = self.gaps[name]
        return bool(gaps.kept[k] >= SEPARABLE and gaps.worth[k] >= self.audit.min_support)

    def _claim(
        self, one: Slice, gaps: AdjustedGaps, k: int, plain: Interval, limit: float
    ) -> Claim:
        gap, two_sided = gaps.gap[k], float(gaps.p_value[k])
        others = [attribute_name(name) for name in self.gaps if name not in one.key.attributes]
        n = len(self.audit.predictions)
        more = "more" if gap.value >= 0 else "less"
        return Claim(
            check=NAME,
            kind=AdjustedGap.kind,
            title=f"With {several(others)} held fixed, {whom(one.key)} fail {more} often than others, by "
            f"{points(gap.value)}",
            slice=one.key,
            effect=Effect.measured(
                "error-rate gap with other attributes held fixed", gap, "points"
            ),
            limit=limit,
            p_value=two_sided / 2 if gap.value > 0 else 1 - two_sided / 2,
            support=one.support,
            samples=self.counter.highest_loss(one) if gap.value > 0 else (),
            statement=tuple(_statement(others, gap, plain)),
            action=advice(one.key),
            limits="The regression assumes that the effects of the attributes add up, and holds only "
            "annotated attributes fixed.",
            evidence=(
                Quantities(
                    items=(
                        Quantity(name="adjusted gap", value=Estimate.of(gap), unit="points"),
                        Quantity(
                            name="gap without adjustment", value=Estimate.of(plain), unit="points"
                        ),
                        Quantity(
                            name="adjusted error rate of the rest",
                            value=float(gaps.base_rate[k]),
                            unit="share",
                        ),
                        Quantity(
                            name="effective samples",
                            value=float(round(gaps.worth[k])),
                            unit="count",
                        ),
                    )
                ),
            ),
            # The claim without adjustment, which comes first, accounts for the other failures.
            weight=max(0.0, gap.value - max(0.0, plain.value)) * one.support,
            question="others held fixed",
            level_weight=1 - one.support / n,
        )


def _statement(others: Sequence[str], gap: Interval, plain: Interval) -> Iterator[str]:
    yield (
        f"In a regression with the label, {several(others, 6)} held fixed, the gap is "
        f"{signed_points(gap.value)} ({interval(gap, ' points')})."
    )
    without = f"{signed_points(plain.value)} ({interval(plain, ' points')})"
    if gap.low > 0 >= plain.low:
        yield f"Without them, it is {without}: they mask the gap."
    else:
        yield f"With only the label held fixed, it is {without}."
