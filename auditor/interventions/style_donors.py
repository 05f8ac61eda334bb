"""Style donors: effects of a style transfer with donors of the same label and of other labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from auditor.interventions.examples import paired_examples
from auditor.interventions.matched_pairs import MatchedPairs
from auditor.interventions.paired_effects import PairedEffect
from auditor.interventions.regions import ImageArray
from auditor.interventions.staged_test import Columns, in_stages
from auditor.interventions.style_transfer import StyleTransfer
from auditor.interventions.value_contrasts import ValueContrast
from auditor.records import AuditData, InterventionExample, ModelAccess
from auditor.statistics import Floats, Integers, is_futile


@dataclass(frozen=True)
class StyleEffects:
    """The effects of a style transfer on the test images that were reached.

    Attributes:
        same_label: of styles from images of the same label.
        other_labels: of styles from images of other labels.
        probabilities: (n, K) with styles of the same label: of images with the value, and of others.
        n_planned: number of images of the full test; more than n if the test was stopped.
    """

    same_label: PairedEffect
    other_labels: PairedEffect
    probabilities: tuple[Floats, Floats]
    n_planned: int

    @property
    def stopped(self) -> bool:
        """Whether the test was stopped because it was futile."""
        return len(self.same_label.pairs) < self.n_planned


@dataclass(frozen=True)
class StyleDonors:
    """Images with their style donors.

    Attributes:
        model: the audited model.
        contrast: the attribute value.
        pairs: positions of the images and donors.
        of_other_labels: (n,) indices of the pairs, of another label, whose donors serve as well.
    """

    model: ModelAccess
    contrast: ValueContrast
    pairs: MatchedPairs
    of_other_labels: Integers

    def cost(self, transfer: StyleTransfer) -> float:
        """Probability that the label loses with the style of the side with the higher error rate.

        Args:
            transfer: the style transfer.

        Returns:
            The smaller of the losses with styles of the same label and of other labels.
        """
        chosen = np.arange(len(self.pairs))
        each, label = np.arange(len(chosen)), self.pairs.label[chosen]
        direction = self.contrast.direction[label]
        found = self._probabilities(transfer, chosen, self.model.search)
        return min(
            float((direction * (without_value - with_value)[each, label]).mean())
            for with_value, without_value in (found[:2], found[2:])
        )

    def effects(self, transfer: StyleTransfer, seed: int, limit: float) -> StyleEffects:
        """The effects of styles from images of the same label, and from images of other labels.

        Args:
            transfer: the style transfer.
            seed: of the sign-flip tests.
            limit: the smallest drop in accuracy that is reported; a test that will hardly show it is
                stopped.
        """

        def effects(chosen: Integers, found: Columns) -> tuple[PairedEffect, PairedEffect]:
            part, decided = self.pairs.at(chosen), [self.model.decide(one) for one in found]
            return (
                PairedEffect.of(self.contrast, part, decided[0], decided[1], seed),
                PairedEffect.of(self.contrast, part, decided[2], decided[3], seed),
            )

        def futile(chosen: Integers, found: Columns) -> bool:
            same, other = effects(chosen, found)
            planned = len(self.pairs)
            return is_futile(same.difference, planned, limit) or is_futile(
                other.difference, planned, 0.0
            )

        result = in_stages(
            len(self.pairs),
            lambda chosen: self._probabilities(transfer, chosen, self.model.predict),
            futile,
        )
        same, other = effects(result.chosen, result.columns)
        probabilities = result.columns[0], result.columns[1]
        return StyleEffects(same, other, probabilities, len(self.pairs))

    def examples(
        self, audit: AuditData, transfer: StyleTransfer, effects: StyleEffects
    ) -> tuple[InterventionExample, ...]:
        """Images before and after, with styles of the same label.

        Args:
            audit: the audited data.
            transfer: the style transfer.
            effects: what came of it.
        """
        pairs = effects.same_label.pairs

        def styled(donors: Integers) -> Callable[[Integers], ImageArray]:
            return lambda chosen: transfer(
                self.model.images(pairs.rows[chosen]), self.model.images(donors[chosen])
            )

        made = styled(pairs.with_value), styled(pairs.without_value)
        return paired_examples(audit, self.contrast, pairs, effects.probabilities, made, "Style of")

    def _probabilities(
        self, transfer: StyleTransfer, chosen: Integers, predict: Callable[[ImageArray], Floats]
    ) -> tuple[Floats, ...]:
        """Probabilities (k, K) of the images at some positions (k,), in four styles.

        Returns:
            With the value's style and without it, first with donors of the same label, then with
            donors of other labels.
        """
        images = self.model.images(self.pairs.rows[chosen])
        donors = (
            side[places]
            for places in (chosen, self.of_other_labels[chosen])
            for side in (self.pairs.with_value, self.pairs.without_value)
        )
        return tuple(predict(transfer(images, self.model.images(rows))) for rows in donors)
