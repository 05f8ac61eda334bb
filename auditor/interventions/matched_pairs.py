"""Images of one label that lend each other a region: who has an attribute value, who has not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.records import MISSING, AuditData
from auditor.statistics import Floats, Integers, proportion_gap, stratified_gap

_FEWEST_OF_LABEL = 4
"""Samples of a label on each side, so that search and test both find two to swap among."""


@dataclass(frozen=True)
class MatchedPairs:
    """Images and, of the same label, those that lend them a region.

    Attributes:
        rows: (n,) positions of the images.
        label: (n,) indices.
        inside: (n,) whether the image itself has the attribute value.
        have: (n,) positions of lenders with the value.
        lack: (n,) positions of lenders without it.
    """

    rows: Integers
    label: Integers
    inside: NDArray[np.bool_]
    have: Integers
    lack: Integers

    def __len__(self) -> int:
        return len(self.rows)

    def across(self, seed: int) -> Integers | None:
        """For each image, one of another label (n,), 0 to n-1; None where there is but one label.

        Its lenders lend to this image, too: both are then of one label, which is not its own.
        """
        generator = np.random.default_rng(seed)
        other = np.zeros(len(self), dtype=np.int64)
        for code in np.unique(self.label):
            here, rest = np.flatnonzero(self.label == code), np.flatnonzero(self.label != code)
            if len(rest) == 0:
                return None
            other[here] = np.resize(generator.permutation(rest), len(here))
        return other


@dataclass(frozen=True)
class Question:
    """An attribute value against the others.

    Attributes:
        name: of the attribute.
        value: its value.
        other: the other value, where there are but two.
        worse: (K,) for each label 1 where the value fares worse than the others, -1 where better, 0
            where there is no gap to be brought about.
    """

    name: str
    value: str
    other: str | None
    worse: Floats


@dataclass(frozen=True)
class SearchAndTest:
    """The samples of one comparison, those of the search apart from those of the test."""

    question: Question
    search: MatchedPairs
    test: MatchedPairs


def questions(audit: AuditData, limit: float) -> tuple[list[Question], list[str]]:
    """Attribute values with a gap, overall or within a label, the largest first; names of the rest.

    Of two values one is enough, because swapping the other's content is the same.
    """
    frame = audit.predictions
    n_classes = len(audit.classes)
    label: Integers = np.asarray(frame["label"].cat.codes, dtype=np.int64)
    failure = frame["failure"].to_numpy(dtype=np.float64)
    found: list[tuple[float, Question]] = []
    idle: list[str] = []
    for name in audit.attributes:
        values = [str(value) for value in frame[name].cat.categories if value != MISSING]
        known = (frame[name] != MISSING).to_numpy(dtype=bool)
        asked: list[tuple[float, float, Question]] = []
        for value in values:
            inside = (frame[name] == value).to_numpy(dtype=bool)
            own, rest = (
                (
                    np.bincount(label[side], failure[side], n_classes),
                    np.bincount(label[side], minlength=n_classes),
                )
                for side in (inside, known & ~inside)
            )
            gap = proportion_gap(*own, *rest).gap
            overall = stratified_gap(own[0][None], own[1][None], rest[0][None], rest[1][None]).gap
            size = np.where(np.isfinite(gap.value), gap.value, 0.0)
            clear = (np.abs(size) >= limit) & ((gap.low > 0) | (gap.high < 0))
            if float(overall.value[0]) >= limit or clear.any():
                other = next((one for one in values if one != value), None)
                # A label whose gap may be chance goes with the value as a whole, or does not count:
                # by the sign of chance, whatever a change of images does would seem to fit.
                usual = 1.0 if float(overall.value[0]) >= limit else 0.0
                question = Question(
                    name,
                    value,
                    other if len(values) == 2 else None,
                    np.where(clear, np.sign(size), usual),
                )
                moved = float((np.abs(size) * own[1]).sum())
                asked.append((float(overall.value[0]), moved, question))
        asked.sort(key=lambda one: -one[0])
        found += [one[1:] for one in (asked[:1] if len(values) == 2 else asked)]
        idle += [] if asked else [name]
    return [question for _, question in sorted(found, key=lambda one: -one[0])], idle


def sides(audit: AuditData, question: Question, search: int, test: int) -> SearchAndTest:
    """Draws the images: as many with the value as without, label by label."""
    frame = audit.predictions
    generator = np.random.default_rng(audit.seed)
    label: Integers = np.asarray(frame["label"].cat.codes, dtype=np.int64)
    inside = (frame[question.name] == question.value).to_numpy(dtype=bool)
    known = (frame[question.name] != MISSING).to_numpy(dtype=bool)
    pools: list[tuple[Integers, Integers]] = []
    for code in range(len(audit.classes)):
        here = (label == code) & known
        own = _shuffled(np.flatnonzero(here & inside), generator)
        rest = _shuffled(np.flatnonzero(here & ~inside), generator)
        n = min(len(own), len(rest))
        if n >= _FEWEST_OF_LABEL:
            pools.append((own[:n], rest[:n]))
    total = sum(len(own) for own, _ in pools)
    parts: tuple[list[MatchedPairs], list[MatchedPairs]] = ([], [])
    for have, lack in pools:
        # A third at most is searched on, and two at least.
        first = max(min(round(search * len(have) / total), len(have) // 3), 2)
        last = max(round(test * len(have) / total), 2)
        parts[0].append(_swaps(label, have[:first], lack[:first], generator))
        parts[1].append(_swaps(label, have[first:][:last], lack[first:][:last], generator))
    return SearchAndTest(question, _joined(parts[0]), _joined(parts[1]))


def _shuffled(rows: Integers, generator: np.random.Generator) -> Integers:
    shuffled: Integers = generator.permutation(rows)
    return shuffled


def _swaps(
    label: Integers, own: Integers, rest: Integers, generator: np.random.Generator
) -> MatchedPairs:
    """Everyone gets a lender of either side, and nobody is their own."""
    rows = np.concatenate([own, rest])
    inside = np.arange(len(rows)) < len(own)
    turn = int(generator.integers(1, len(own))) if len(own) > 1 else 0
    return MatchedPairs(
        rows,
        label[rows],
        inside,
        np.concatenate([np.roll(own, turn), own]),
        np.concatenate([rest, np.roll(rest, turn)]),
    )


def _joined(parts: list[MatchedPairs]) -> MatchedPairs:
    none = np.zeros(0, dtype=np.int64)
    return MatchedPairs(
        rows=np.concatenate([none, *(part.rows for part in parts)]),
        label=np.concatenate([none, *(part.label for part in parts)]),
        inside=np.concatenate([none.astype(bool), *(part.inside for part in parts)]),
        have=np.concatenate([none, *(part.have for part in parts)]),
        lack=np.concatenate([none, *(part.lack for part in parts)]),
    )
