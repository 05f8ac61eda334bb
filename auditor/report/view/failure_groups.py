"""Failures grouped by label and prediction, so that a short list of them shows every kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from auditor.report.view.sample_cards import SampleCard


@dataclass(frozen=True)
class FailureGroup:
    """Explained failures with the same label and prediction.

    Attributes:
        label: their label.
        predicted: their predicted class.
        n_failures: how many there are.
        cards: those that are shown, the highest loss first.
    """

    label: str
    predicted: str
    n_failures: int
    cards: tuple[SampleCard, ...]

    @property
    def n_shown(self) -> int:
        """How many of them are shown."""
        return len(self.cards)


def failure_groups(
    failures: Sequence[SampleCard], most: int, most_per_group: int
) -> tuple[FailureGroup, ...]:
    """Groups of failures, the largest first.

    The places are dealt out in rounds: each group gets its first before any gets its second.

    Args:
        failures: explained failures, the highest loss first.
        most: cards over all groups.
        most_per_group: cards of a group.
    """
    by_pair: dict[tuple[str, str], list[SampleCard]] = {}
    for card in failures:
        by_pair.setdefault((card.label, card.predicted), []).append(card)
    ordered = sorted(by_pair.items(), key=lambda item: -len(item[1]))
    places = _places([len(cards) for _, cards in ordered], most, most_per_group)
    return tuple(
        FailureGroup(label, predicted, len(cards), tuple(cards[:n]))
        for ((label, predicted), cards), n in zip(ordered, places, strict=True)
        if n
    )


def _places(sizes: Sequence[int], most: int, most_per_group: int) -> list[int]:
    """How many of each group are shown."""
    places = [0] * len(sizes)
    for turn in range(most_per_group):
        for k, size in enumerate(sizes):
            if size > turn and sum(places) < most:
                places[k] += 1
    return places
