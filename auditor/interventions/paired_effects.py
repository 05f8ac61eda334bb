"""Interventions: which images are changed for which question, and what the model makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.interventions.matched_pairs import (
    MatchedPairs,
    Question,
    SearchAndTest,
    questions,
    sides,
)
from auditor.phrasing import percent, several
from auditor.records import MISSING, AuditData, Quantity, Skipped, SliceKey
from auditor.statistics import Floats, Integers, Interval, PairedMean, proportion_gap, sign_flip

_SHOWN = 12
_FEWEST_SEARCHED = 8
"""Images to search on: with fewer it would be chance."""
_LEAST_OF_LABEL = 8
"""Images of a label from which on it is looked at alone."""


@dataclass(frozen=True)
class Limits:
    """How much of an audit may be spent on interventions.

    Attributes:
        min_fall: smallest gap that is asked about.
        search: images of each side to search on.
        test: largest number of images of each side to test on.
        comparisons: attribute values at most.
    """

    min_fall: float
    search: int
    test: int
    comparisons: int


@dataclass(frozen=True)
class PairedEffect:
    """What an intervention did.

    Attributes:
        question: what was asked.
        swaps: the images.
        failed_with: (n,) whether the model fails with the value's content.
        failed_without: (n,) whether it fails with that of the others.
        fell: (n,) failure with the content that fares worse, minus failure with the other one.
        predicted: (n,) with the content that fares worse.
        here: mean of ``fell`` with its test.
    """

    question: Question
    swaps: MatchedPairs
    failed_with: NDArray[np.bool_]
    failed_without: NDArray[np.bool_]
    fell: Floats
    predicted: Integers
    here: PairedMean

    @classmethod
    def of(
        cls,
        question: Question,
        swaps: MatchedPairs,
        with_value: Integers,
        without: Integers,
        seed: int,
    ) -> PairedEffect:
        """Takes the classes (n,) predicted with the content of either side."""
        worse = question.worse[swaps.label]
        failed_with, failed_without = with_value != swaps.label, without != swaps.label
        fell = worse * (failed_with.astype(np.float64) - failed_without)
        return cls(
            question,
            swaps,
            failed_with,
            failed_without,
            fell,
            np.where(worse > 0, with_value, without),
            sign_flip(fell, seed=seed),
        )

    def turned_to(self, classes: tuple[str, ...]) -> tuple[str, float] | None:
        """The class that the predictions turn to, and the share of them that does."""
        turned = self.predicted[self.fell > 0]
        if len(turned) == 0:
            return None
        counts = np.bincount(turned, minlength=len(classes))
        return classes[int(counts.argmax())], float(counts.max() / len(turned))

    def into(self, classes: tuple[str, ...]) -> str:
        """Where the predictions turn to, as the end of a clause."""
        turned = self.turned_to(classes)
        return "" if turned is None else f", {percent(turned[1])} of these to {turned[0]}"

    def error_rates(self) -> tuple[Quantity, Quantity]:
        """Error rates with the content of either side."""
        with_value, without = float(self.failed_with.mean()), float(self.failed_without.mean())
        return (
            Quantity(name="error rate with the value's content", value=with_value, unit="share"),
            Quantity(name="error rate with the others' content", value=without, unit="share"),
        )

    def samples(self, audit: AuditData) -> tuple[str, ...]:
        """Ids of the images that were led astray."""
        rows = self.swaps.rows[self.fell > 0][:_SHOWN]
        return tuple(audit.predictions["sample"].iloc[rows].astype(str))

    def confirms(self, audit: AuditData) -> tuple[SliceKey, ...]:
        """What a claim on the value confirms: itself first, and the slices whose gap it explains."""
        key = SliceKey(attributes={self.question.name: self.question.value})
        return (key, *(one for one in self.confirmed(audit) if one != key))

    def confirmed(self, audit: AuditData) -> Iterator[SliceKey]:
        """The slices whose gap is brought about: values, and labels where it is in them alone."""
        question, seed = self.question, audit.seed
        keys = {1.0: {question.name: question.value}}
        if question.other is not None:
            keys[-1.0] = {question.name: question.other}
        # A value as a whole fails more only if the labels do not make up for each other.
        whole = sign_flip(self.failed_with.astype(np.float64) - self.failed_without, seed=seed)
        sign = float(np.sign(whole.change.value))
        if sign in keys and whole.p_value <= audit.alpha:
            yield SliceKey(attributes=keys[sign])
        codes, counts = np.unique(self.swaps.label, return_counts=True)
        large = codes[counts >= _LEAST_OF_LABEL]
        for code in large:
            alone = sign_flip(self.fell[self.swaps.label == code], seed=seed)
            sign = float(question.worse[code])
            if (
                sign in keys
                and alone.change.value > 0
                and alone.p_value <= audit.alpha / len(large)
            ):
                yield SliceKey(attributes=keys[sign], label=audit.classes[code])


def unchanged(audit: AuditData, question: Question, swaps: MatchedPairs) -> Interval:
    """The gap between images as they are, signed and weighted over labels as in `Outcome.fell`.

    Reference:
        G. Y. Zou and A. Donner, "Construction of confidence limits about effect measures: a general
        approach", Statistics in Medicine 27 (2008) 1693-1702, eq. 5, for the sum over labels.
    """
    frame = audit.predictions
    label: Integers = np.asarray(frame["label"].cat.codes, dtype=np.int64)
    failure = frame["failure"].to_numpy(dtype=np.float64)
    inside = (frame[question.name] == question.value).to_numpy(dtype=bool)
    known = (frame[question.name] != MISSING).to_numpy(dtype=bool)
    codes, counts = np.unique(swaps.label, return_counts=True)
    n_classes = len(audit.classes)
    own, rest = (
        (
            np.bincount(label[side], failure[side], n_classes)[codes],
            np.bincount(label[side], minlength=n_classes)[codes],
        )
        for side in (inside, known & ~inside)
    )
    gap = proportion_gap(*own, *rest).gap
    weight = question.worse[codes] * counts / len(swaps)
    value = float(weight @ gap.value)
    # Where the sign turns, so do the ends.
    down = np.where(weight > 0, gap.value - gap.low, gap.high - gap.value)
    up = np.where(weight > 0, gap.high - gap.value, gap.value - gap.low)
    low, high = (float(np.sqrt(((weight * arm) ** 2).sum())) for arm in (down, up))
    return Interval(value, value - low, value + high)


def comparisons(
    audit: AuditData, check: str, limits: Limits, nouns: str
) -> tuple[list[SearchAndTest], list[Skipped]]:
    """The images of every question that can be asked, and what can't be asked, and why.

    Args:
        audit: of the audit.
        check: the check's name, as in the configuration.
        limits: of the check.
        nouns: what is swapped, such as ``regions``.
    """
    wanted, idle = questions(audit, limits.min_fall)
    asked: list[SearchAndTest] = []
    reasons: list[str] = []
    for question in wanted[: limits.comparisons]:
        drawn = sides(audit, question, limits.search, limits.test)
        if len(drawn.test) < audit.min_support or len(drawn.search) < _FEWEST_SEARCHED:
            reasons.append(
                f"{question.name} = {question.value}: too few images to swap {nouns} among, in "
                "labels that have this value and others"
            )
        else:
            asked.append(drawn)
    if len(wanted) > limits.comparisons:
        reasons.append(
            f"{len(wanted) - limits.comparisons} attribute values with smaller gaps were left out "
            f"(checks.{check}.max_comparisons)"
        )
    if idle:
        reasons.append(
            f"no images were swapped for {several(idle)}: there is no gap in the error rate that "
            "could be confirmed"
        )
    return asked, [Skipped(check=check, reason=reason) for reason in reasons]
