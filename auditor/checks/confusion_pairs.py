"""Confusion pairs: which class is predicted for which, and for which samples more often?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from auditor.checks import Check
from auditor.comparisons.clusters import inflation, widened
from auditor.comparisons.value_associations import attributes_holding
from auditor.phrasing import (
    class_name,
    count,
    interval,
    is_or_are,
    members,
    members_of,
    percent,
    percents,
    plural,
    points,
    predicted_as,
    quoted,
    sentence_start,
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
    SliceKey,
)
from auditor.records.decisions import ONE_CLASS, TaskName
from auditor.records.predictions import codes
from auditor.registry import plugin
from auditor.statistics import (
    Confusions,
    Gaps,
    Integers,
    Interval,
    clustered_gap,
    confusions,
    proportion_gap,
)

NAME = "confusion-pairs"
_SHOWN = 12
"""Sample ids that a claim carries at most."""
_OTHERS = 10
"""Smallest number of failures of other labels whose shares are stated."""


@plugin("check", NAME)
class ConfusionPairs(Check):
    """Which class is predicted for which, and which attribute makes that more frequent?

    Similar classes are confused by any model, so a pair by itself is described and not tested: where
    more of a label's failures go to the class than of the other labels' failures, and more than if
    they were spread evenly. The
    test is whether the confusion is more frequent for an attribute value than for the rest of the
    label (Newcombe's interval, Fisher's exact test, mid-p). The pairs are chosen by their number,
    which is independent of the attribute.
    """

    handles_clusters: ClassVar[bool] = True
    tasks: ClassVar[frozenset[TaskName]] = ONE_CLASS

    min_count: int = Field(10, ge=1)
    """Confusions that occurred less often are not examined."""
    max_pairs: int = Field(20, ge=1)
    """How many of the most frequent confusions are examined."""
    min_excess: float = Field(0.1, ge=0, le=1)
    """Smallest reported excess: share of the label's failures above that of the other labels' failures,
    and above an even spread over the wrong classes."""
    max_gap: float = Field(0.05, ge=0, le=1)
    """Largest acceptable gap of a confusion's rate between an attribute value and the rest."""

    def examine(self, audit: AuditData) -> Examination:
        """Describes the most frequent confusions and tests which attributes they depend on."""
        n_classes = len(audit.classes)
        if n_classes < 3:
            reason = "there are two classes, so that a label can be confused with one class only"
            return Examination(skipped=(Skipped(check=NAME, reason=reason),))
        label, predicted = codes(audit.predictions["label"]), codes(audit.predictions["predicted"])
        matrix = np.bincount(label * n_classes + predicted, minlength=n_classes**2)
        found = confusions(matrix.reshape(n_classes, n_classes))
        wrong = found.counts * ~np.eye(n_classes, dtype=bool)
        order = np.argsort(-wrong, axis=None, kind="stable")[: self.max_pairs]
        claims: list[Claim] = []
        for flat in order:
            row, column = (int(k) for k in np.unravel_index(int(flat), wrong.shape))
            if wrong[row, column] < self.min_count:
                break
            of_label = np.flatnonzero(label == row)
            pair = _Pair(audit, row, column, of_label, predicted[of_label] == column)
            claims += pair.described(found, self.min_excess)
            claims += pair.tested(self.max_gap)
        skipped: tuple[Skipped, ...] = ()
        if not audit.attributes:
            reason = (
                "without attributes, confusions were only counted: it was not tested for which samples they "
                "are more frequent"
            )
            skipped = (Skipped(check=NAME, reason=reason),)
        return Examination(tuple(claims), skipped)


class _Pair:
    """One label for which one other class is predicted."""

    def __init__(
        self,
        audit: AuditData,
        row: int,
        column: int,
        of_label: NDArray[np.int64],
        confused: NDArray[np.bool_],
    ) -> None:
        self._audit = audit
        self._row, self._column = row, column
        self._label, self._predicted = audit.classes[row], audit.classes[column]
        self._of_label = of_label
        self._confused = confused

    def described(self, found: Confusions, limit: float) -> Iterator[Claim]:
        """The claim that the label's failures concentrate on the class, if they do."""
        failing = codes(self._audit.predictions["predicted"])[self._of_label] != self._row
        worth = inflation(self._audit, self._everywhere(), [self._of_label[failing]])
        share = widened(found.share[self._row, self._column], float(worth[0]), 0.0)
        others, expected = self._others(found), found.expected
        usual = expected if others is None else max(others, expected)
        if share.low <= usual:
            return
        n = int(self._confused.sum())
        excess = Interval(share.value - usual, share.low - usual, share.high - usual)
        yield Claim(
            check=NAME,
            kind=ConfusionPairs.kind,
            title=f"{percent(n / len(self._of_label))} of the {members(self._label)} are "
            f"{predicted_as(self._label, self._predicted)}",
            slice=SliceKey(label=self._label, predicted=self._predicted),
            effect=Effect.measured(
                "share of the label's failures above the usual one", excess, "share"
            ),
            limit=limit,
            p_value=None,
            support=n,
            samples=self._highest_loss(self._confused),
            statement=(
                (
                    f"{count(n)} of {plural(len(self._of_label), f'{quoted(self._label)} sample')} "
                    f"{is_or_are(n, len(self._of_label))} predicted as {class_name(self._predicted)}. They "
                    f"make up {percent(share.value)} of the failures of that label ({interval(share)})."
                ),
                self._usual_share(others, expected),
            ),
            action=f"Compare the maps for {class_name(self._label)} and for "
            f"{class_name(self._predicted)} side by side, and check the labels of these samples.",
            limits="Similar classes are confused by any model; this is a description, not a test.",
            evidence=(
                Quantities(
                    items=(
                        Quantity(name="confusions", value=float(n), unit="count"),
                        Quantity(
                            name="share of the label's failures",
                            value=Estimate.of(share),
                            unit="share",
                        ),
                        Quantity(
                            name="share if spread evenly over the classes",
                            value=expected,
                            unit="share",
                        ),
                        *self._others_quantity(others),
                    )
                ),
            ),
            weight=max(0.0, excess.value) * n,
            # A pair that occurs mostly in one slice is a part of the finding on that slice.
            explained_by=attributes_holding(self._audit, self._everywhere()),
        )

    def _others(self, found: Confusions) -> float | None:
        """Share of the other labels' failures that are predicted as the class; None with too few."""
        if found.n_others[self._row, self._column] < _OTHERS:
            return None
        return float(found.of_others[self._row, self._column])

    def _usual_share(self, others: float | None, expected: float) -> str:
        even = f"if failures were spread evenly over the wrong classes, it would be {percent(expected)}"
        if others is None:
            return f"{sentence_start(even)}."
        return (
            f"Of the failures of the other labels, {percent(others)} are predicted as "
            f"{class_name(self._predicted)}; {even}."
        )

    def _others_quantity(self, others: float | None) -> Iterator[Quantity]:
        if others is not None:
            yield Quantity(name="share of the other labels' failures", value=others, unit="share")

    def tested(self, limit: float) -> Iterator[Claim]:
        """One claim for each attribute value with enough samples of the label."""
        needed = self._audit.min_support
        n_label = len(self._of_label)
        for name in self._audit.attributes:
            column = self._audit.predictions[name]
            value = codes(column)[self._of_label]
            values = [str(one) for one in column.cat.categories]
            totals = np.bincount(value, minlength=len(values))
            counts = np.bincount(value[self._confused], minlength=len(values))
            gaps = self._gaps(value, counts, totals)
            for k, word in enumerate(values):
                enough = min(totals[k], n_label - totals[k]) >= needed
                if enough and np.isfinite(gaps.p_value[k]):
                    rate = float(counts[k] / totals[k])
                    chosen = self._confused & (value == k)
                    yield self._claim(name, word, gaps, k, rate, chosen, limit)

    def _gaps(self, value: Integers, counts: Integers, totals: Integers) -> Gaps:
        """Gap of each value in the rate of the confusion."""
        clusters = self._audit.clusters
        if clusters is None:
            return proportion_gap(
                counts, totals, self._confused.sum() - counts, len(self._of_label) - totals
            )
        return clustered_gap(
            self._confused.astype(np.float64),
            [np.flatnonzero(value == k) for k in range(len(totals))],
            np.zeros(len(value)),
            clusters.of_sample[self._of_label],
            seed=self._audit.seed,
        )

    def _everywhere(self) -> NDArray[np.bool_]:
        """(n,) which samples have the confusion, among all."""
        confused = np.zeros(len(self._audit.predictions), dtype=bool)
        confused[self._of_label] = self._confused
        return confused

    def _claim(
        self,
        name: str,
        value: str,
        gaps: Gaps,
        k: int,
        rate: float,
        chosen: NDArray[np.bool_],
        limit: float,
    ) -> Claim:
        gap, rest, total = gaps.gap[k], float(gaps.base_rate[k]), int(gaps.n_slice[k])
        key = SliceKey(attributes={name: value}, label=self._label)
        who = whom(key)
        own_rate, rest_rate = percents(rate, rest)
        return Claim(
            check=NAME,
            kind=ConfusionPairs.kind,
            title=f"{own_rate} of the {members_of(key)} are "
            f"{predicted_as(self._label, self._predicted)}; {rest_rate} of the other "
            f"{members(self._label)}",
            slice=SliceKey(attributes={name: value}, label=self._label, predicted=self._predicted),
            effect=Effect.measured("confusion-rate gap", gap, "points"),
            limit=limit,
            p_value=float(gaps.p_value[k]),
            support=total,
            samples=self._highest_loss(chosen) if gap.value > 0 else (),
            statement=(
                (
                    f"Of {count(total)} {who}, {percent(rate)} are predicted as "
                    f"{class_name(self._predicted)}; of the other "
                    f"{quoted(self._label)} samples, {percent(rest)}."
                ),
                f"The gap is {points(gap.value)} ({interval(gap, ' points')}).",
            ),
            action=f"Compare the maps of these failures with those of correctly classified "
            f"{quoted(self._predicted)} samples, and train with more {who}.",
            limits="It compares rates within the label; what else differs is not held fixed.",
            evidence=(
                Quantities(
                    items=(
                        Quantity(name="confusion rate", value=rate, unit="share"),
                        Quantity(name="confusion rate of the rest", value=rest, unit="share"),
                    )
                ),
            ),
            weight=max(0.0, gap.value) * float(total),
        )

    def _highest_loss(self, chosen: NDArray[np.bool_]) -> tuple[str, ...]:
        frame = self._audit.predictions.iloc[self._of_label[chosen]]
        ranked = frame.sort_values("loss", ascending=False, kind="stable").head(_SHOWN)
        return tuple(str(sample) for sample in ranked["sample"])
