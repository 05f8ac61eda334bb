"""Error rates of a slice and of the rest in words, so that the numbers of a sentence add up.

A gap within labels is the difference of two rates in which every label has the same weight on both
sides. The error rate of all samples of the slice has other weights; a sentence never has both kinds.
"""

from __future__ import annotations

from dataclasses import dataclass

from auditor.phrasing import interval, percent, percents, points, sentence_start
from auditor.statistics import Interval

_ALIKE = 0.001
"""Largest difference between the error rate and the weighted one at which only the former is stated."""


@dataclass(frozen=True)
class RatesOfGap:
    """The rates behind the gap of a slice.

    Attributes:
        rate: error rate of all samples of the slice.
        rest: error rate of the rest, with labels weighted alike.
        gap: the gap with labels weighted alike.
    """

    rate: Interval
    rest: float
    gap: Interval

    @property
    def weighted(self) -> float:
        """Error rate of the slice with labels weighted as in the rest."""
        return self.rest + self.gap.value

    @property
    def is_plain(self) -> bool:
        """Whether the weighted rate is the error rate of all samples of the slice."""
        return abs(self.weighted - self.rate.value) < _ALIKE

    def difference(self, who: str, outcome: str = "misclassified") -> str:
        """A title with the size of the gap.

        Args:
            who: the slice, such as ``samples with site = north``.
            outcome: what happens to the failures.
        """
        if self.is_plain:
            return (
                f"{percent(self.rate.value)} of {who} are {outcome}, "
                f"{points(self.gap.value)} {self._more} than others"
            )
        # The rate of all samples and the weighted gap would not fit each other.
        often = f"{self._more} often than others, by {points(self.gap.value)}"
        return f"{sentence_start(who)} are {outcome} {often}"

    def both(self, who: str, outcome: str = "misclassified") -> str:
        """A title with both rates."""
        own, rest = percents(self.rate.value if self.is_plain else self.weighted, self.rest)
        start = "" if self.is_plain else "With labels weighted alike, "
        return f"{start}{own} of {who} are {outcome}, {rest} of others"

    def sentences(self, who: str, outcome: str = "misclassified") -> tuple[str, ...]:
        """The rates and the gap.

        Args:
            who: the slice with its number, such as ``120 samples with site = north``.
            outcome: what happens to the failures.
        """
        gap = f"{points(self.gap.value)} ({interval(self.gap, ' points')})"
        own = f"Of {who}, {percent(self.rate.value)} are {outcome} ({interval(self.rate)})"
        if self.is_plain:
            return (
                f"{own}; of other samples with the same mix of labels, {percent(self.rest)}.",
                f"The gap is {gap}.",
            )
        return (
            f"{own}.",
            (
                f"With labels weighted alike, it is {percent(self.weighted)} against "
                f"{percent(self.rest)} of the others: a gap of {gap}."
            ),
        )

    @property
    def _more(self) -> str:
        return "more" if self.gap.value >= 0 else "less"
