"""Confusion pairs: which class is taken for which, and for which samples is it likelier?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from auditor.phrasing import effect, interval, numbers, percent, points, quoted, whom
from auditor.records import AuditData, Claim, Examination, Skipped, SliceKey
from auditor.registry import Options, plugin
from auditor.statistics import Confusions, Interval, confusions, proportion_gap

NAME = "confusion-pairs"
_SHOWN = 12


@plugin("check", NAME)
class ConfusionPairs(Options):
    """Which class is taken for which, and which attribute makes that likelier?

    That some classes resemble each other accuses nobody: a pair is described and not tested. What
    is tested is whether the confusion is likelier for an attribute value than for the rest of the
    label (Newcombe's interval, Fisher's exact test, mid-p). The pairs are chosen by how often they
    occur, which says nothing about the attribute.
    """

    min_count: int = Field(10, ge=1)
    """Confusions that occurred less often are not examined."""
    max_pairs: int = Field(20, ge=1)
    """How many of the most frequent confusions are examined."""
    min_excess: float = Field(0.1, ge=0, le=1)
    """A pair is told from here on: share of the label's failures above the expected one."""
    max_gap: float = Field(0.05, ge=0, le=1)
    """Largest acceptable gap of a confusion's rate between an attribute value and the rest."""

    def examine(self, audit: AuditData) -> Examination:
        """Describes the most frequent confusions and tests what they depend on."""
        n_classes = len(audit.classes)
        if n_classes < 3:
            return Examination(
                skipped=(
                    Skipped(
                        check=NAME,
                        reason="there are two classes, so the confusion of a label is its error rate, "
                        "which performance-gap examines",
                    ),
                )
            )
        label = audit.predictions["label"].cat.codes.to_numpy(dtype=np.int64)
        predicted = audit.predictions["predicted"].cat.codes.to_numpy(dtype=np.int64)
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
        return Examination(tuple(claims))


class _Pair:
    """One label that is taken for one other class."""

    def __init__(
        self,
        audit: AuditData,
        row: int,
        column: int,
        of_label: NDArray[np.int64],
        confused: NDArray[np.bool_],
    ) -> None:
        self._evidence = audit
        self._row, self._column = row, column
        self._label, self._predicted = audit.classes[row], audit.classes[column]
        self._of_label = of_label
        self._confused = confused

    def described(self, found: Confusions, limit: float) -> Iterator[Claim]:
        share, expected = found.share[self._row, self._column], found.expected
        usual = float(expected[self._row, self._column])
        if share.low <= usual:
            return
        n = int(self._confused.sum())
        excess = Interval(share.value - usual, share.low - usual, share.high - usual)
        yield Claim(
            check=NAME,
            title=f"{percent(share.value)} of the failures of {self._label} are called "
            f"{self._predicted}",
            slice=SliceKey(label=self._label, predicted=self._predicted),
            effect=effect("share of the label's failures above the expected one", excess),
            limit=limit,
            p_value=None,
            support=n,
            samples=self._worst(self._confused),
            statement=f"{n} of {len(self._of_label)} {quoted(self._label)} samples are called "
            f"{self._predicted}: {percent(share.value)} of the failures of that label "
            f"({interval(share)}); as often as other labels are called {self._predicted}, it would be "
            f"{percent(usual)}.",
            action=f"Look at the maps for {self._label} and for {self._predicted} side by side; check "
            "the labels of these samples.",
            limits="Classes that resemble each other are confused by any model; it is described, not "
            "tested.",
            evidence={"count": n, "share": numbers(share), "expected": usual},
            weight=max(0.0, excess.value) * n,
        )

    def tested(self, limit: float) -> Iterator[Claim]:
        needed = self._evidence.min_support
        n_confused, n_label = int(self._confused.sum()), len(self._of_label)
        for name in self._evidence.attributes:
            column = self._evidence.predictions[name].cat
            codes = column.codes.to_numpy(dtype=np.int64)[self._of_label]
            values = [str(value) for value in column.categories]
            totals = np.bincount(codes, minlength=len(values))
            counts = np.bincount(codes[self._confused], minlength=len(values))
            gaps = proportion_gap(counts, totals, n_confused - counts, n_label - totals)
            for k, value in enumerate(values):
                if min(totals[k], n_label - totals[k]) < needed:
                    continue
                gap, rate, rest = (
                    gaps.gap[k],
                    float(counts[k] / totals[k]),
                    float(gaps.base_rate[k]),
                )
                key = SliceKey(
                    attributes={name: value}, label=self._label, predicted=self._predicted
                )
                who = whom(SliceKey(attributes={name: value}, label=self._label))
                yield Claim(
                    check=NAME,
                    title=f"{percent(rate)} of the {who} are called {self._predicted}; "
                    f"{percent(rest)} of the other {quoted(self._label)} samples",
                    slice=key,
                    effect=effect("confusion-rate gap", gap),
                    limit=limit,
                    p_value=float(gaps.p_value[k]),
                    support=int(totals[k]),
                    samples=self._worst(self._confused & (codes == k)) if gap.value > 0 else (),
                    statement=f"Of {totals[k]} {who}, {percent(rate)} are called {self._predicted}; "
                    f"of the other {quoted(self._label)} samples {percent(rest)}. The gap is "
                    f"{points(gap.value)} ({interval(gap, ' points')}).",
                    action=f"Compare the maps of these failures with those of {self._predicted} "
                    f"samples that are recognised; train with more {who}.",
                    limits="It compares rates within the label; what else differs is not held fixed.",
                    evidence={"rate": rate, "rest_rate": rest},
                    weight=max(0.0, gap.value) * float(totals[k]),
                )

    def _worst(self, chosen: NDArray[np.bool_]) -> tuple[str, ...]:
        frame = self._evidence.predictions.iloc[self._of_label[chosen]]
        ranked = frame.sort_values("loss", ascending=False, kind="stable").head(_SHOWN)
        return tuple(str(sample) for sample in ranked["sample"])
