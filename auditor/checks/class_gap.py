"""Class gap: is a class recognised far less often than the others?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from auditor.checks import Check
from auditor.comparisons.clusters import effective, enough_clusters, inflation, shares_of
from auditor.comparisons.slice_counts import Counts, SliceCounter
from auditor.phrasing import count, interval, is_or_are, members, percent, plural, points, quoted
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
    SliceKey,
)
from auditor.records.decisions import TaskName
from auditor.records.predictions import codes
from auditor.registry import plugin
from auditor.statistics import Floats, Integers, Intervals, holm, proportion_gap, worse_p_values
from auditor.statistics.intervals import subtract

NAME = "class-gap"
_FEWEST = 10
"""With fewer samples, even a class that is never recognised hardly differs from the others."""


@plugin("check", NAME)
class ClassGap(Check):
    """Is a class recognised far less often than the others?

    The recall of each class is compared with the median recall of the other classes (the lower one of
    two), by a one-sided Fisher's exact test (mid-p) against the class with this recall, with Holm's
    correction over classes. Classes differ in difficulty in any model, so a class is reported only if
    its recall is below a share of the median, and it is an alert only if the interval of the difference
    shows this. Half of the median leaves room for classes that are merely harder.
    """

    handles_clusters: ClassVar[bool] = True
    tasks: ClassVar[frozenset[TaskName]] = frozenset({"single-label"})

    min_share: float = Field(0.5, gt=0, lt=1)
    """Smallest acceptable recall of a class, as a share of the median recall of the others (0 to 1)."""

    def examine(self, audit: AuditData) -> Examination:
        """Compares the recall of every class with the median of the others."""
        label = codes(audit.predictions["label"])
        rows = [np.flatnonzero(label == k) for k in range(len(audit.classes))]
        tested = np.array(
            [
                k
                for k, own in enumerate(rows)
                if len(own) >= _FEWEST and enough_clusters(audit, own)
            ],
            dtype=np.int64,
        )
        if len(tested) < 2:
            reason = f"fewer than two classes have {_FEWEST} samples"
            return Examination(skipped=(Skipped(check=NAME, reason=reason),))
        return Examination(tuple(_Recalls.of(audit, tested, rows).claims(self.min_share)))


@dataclass(frozen=True)
class _Recalls:
    """Recalls of the classes that have enough samples.

    Attributes:
        audit: the audited data.
        classes: (C,) their indices.
        rows: C arrays of the samples of each.
        recall: (C,) with intervals.
        median: (C,) position of the class with the median recall of the others.
        p_value: (C,) of "the recall is no lower than that of this class", adjusted for all classes.
    """

    audit: AuditData
    classes: Integers
    rows: tuple[Integers, ...]
    recall: Intervals
    median: Integers
    p_value: Floats

    @classmethod
    def of(cls, audit: AuditData, classes: Integers, rows: list[Integers]) -> _Recalls:
        own = tuple(rows[k] for k in classes)
        failed = audit.predictions["failure"].to_numpy(dtype=bool)
        recall = shares_of(audit, ~failed, own)
        missed = np.array([failed[one].sum() for one in own], dtype=np.float64)
        totals = np.array([len(one) for one in own], dtype=np.float64)
        counts = Counts(missed[:, None], totals[:, None])
        worth = effective(counts, inflation(audit, failed, own))
        bad, n = np.rint(worth.failures[:, 0]), np.rint(worth.totals[:, 0])
        median = _median_of_others(recall.value)
        gaps = proportion_gap(np.minimum(bad, n), n, np.minimum(bad, n)[median], n[median])
        return cls(audit, classes, own, recall, median, holm(worse_p_values(gaps)))

    def claims(self, min_share: float) -> Iterator[Claim]:
        """One claim for each class below the limit, or for the class with the lowest recall."""
        typical = Intervals(*(part[self.median] for part in _parts(self.recall)))
        below = subtract(typical, self.recall)
        limits = (1 - min_share) * typical.value
        far = np.flatnonzero(below.value > limits)
        for k in far if len(far) else [int(below.value.argmax())]:
            effect = Effect.measured("recall below the median", below[int(k)], "points")
            yield self._claim(int(k), effect, float(limits[k]))

    def _claim(self, k: int, effect: Effect, limit: float) -> Claim:
        name = self.audit.classes[self.classes[k]]
        one = Slice(SliceKey(label=name), self.rows[k])
        recall, median = self.recall[k], float(self.recall.value[self.median[k]])
        counter = SliceCounter(self.audit)
        of_others = "the median recall of the other classes"
        if len(self.classes) == 2:
            of_others = "that of the other class"
        n, hits = one.support, round(recall.value * one.support)
        return Claim(
            check=NAME,
            kind=ClassGap.kind,
            title=f"{percent(recall.value)} of the {members(name)} are recognised; "
            f"{self._typical(k, median)}",
            slice=one.key,
            effect=effect,
            limit=limit,
            p_value=float(self.p_value[k]),
            support=n,
            samples=counter.highest_loss(one),
            statement=(
                (
                    f"{hits} of {plural(n, f'{quoted(name)} sample')} {is_or_are(hits, n)} recognised "
                    f"({percent(recall.value)}; {interval(recall)})."
                ),
                (
                    f"The recall is {points(effect.value)} lower than {of_others}, {percent(median)} "
                    f"({interval(effect, ' points')})."
                ),
                *_most_predicted(counter.most_predicted(one), n - hits),
            ),
            action=f"Check the labels of the {quoted(name)} samples and how many of them were used for "
            "training; then compare their maps with those of the class that is predicted.",
            limits="Some classes are harder than others; the comparison does not say why.",
            evidence=(
                Quantities(
                    items=(
                        Quantity(name="recall", value=Estimate.of(recall), unit="share"),
                        Quantity(name="median recall of the others", value=median, unit="share"),
                    )
                ),
            ),
            weight=max(0.0, effect.value) * n,
            accounts_for=frozenset(self._failures(k).tolist()),
            question="class",
            joint="classes",
        )

    def _typical(self, k: int, median: float) -> str:
        """What the recall of a class is compared with, as a clause."""
        if len(self.classes) > 2:
            return f"the median of the {len(self.classes) - 1} other classes is {percent(median)}"
        other = self.audit.classes[self.classes[self.median[k]]]
        return f"{percent(median)} of the {members(other)}"

    def _failures(self, k: int) -> Integers:
        failed: NDArray[np.bool_] = self.audit.predictions["failure"].to_numpy(dtype=bool)
        return self.rows[k][failed[self.rows[k]]]


def _median_of_others(values: Floats) -> Integers:
    """(C,) position of the median of all others; the lower one of two."""
    order = np.argsort(values, kind="stable")
    rank = np.empty(len(values), dtype=np.int64)
    rank[order] = np.arange(len(values))
    middle = (len(values) - 2) // 2
    return np.asarray(order[middle + (rank <= middle)], dtype=np.int64)


def _most_predicted(found: tuple[str, int] | None, failures: int) -> Iterator[str]:
    if found is not None:
        yield (
            f"{count(found[1])} of {plural(failures, 'failure')} {is_or_are(found[1], failures)} "
            f"predicted as {quoted(found[0])}."
        )


def _parts(intervals: Intervals) -> tuple[Floats, Floats, Floats]:
    return intervals.value, intervals.low, intervals.high
