"""Style donors: effects of a style transfer with donors of the same label and of other labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from auditor.interventions.examples import paired_examples
from auditor.interventions.matched_pairs import MatchedPairs
from auditor.interventions.paired_effects import PairedEffect
from auditor.interventions.regions import ImageArray
from auditor.interventions.style_transfer import StyleTransfer
from auditor.interventions.value_contrasts import ValueContrast
from auditor.records import AuditData, InterventionExample, ModelAccess
from auditor.statistics import Floats, Integers


@dataclass(frozen=True)
class StyleEffects:
    """The effects of a style transfer.

    Attributes:
        same_label: of styles from images of the same label.
        other_labels: of styles from images of other labels.
        probabilities: (n, K) with styles of the same label: of images with the value, and of others.
    """

    same_label: PairedEffect
    other_labels: PairedEffect
    probabilities: tuple[Floats, Floats]


@dataclass(frozen=True)
class StyleDonors:
    """Images with their style donors.

    Attributes:
        model: the audited model.
        contrast: the attribute value.
        pairs: positions of the images and donors.
        of_other_labels: (n,) indices of the pairs, of another label, whose donors serve as well.
        images: (n, 3, H, W) recipients.
        with_value: (n, 3, H, W) donors with the attribute value.
        without_value: (n, 3, H, W) donors without it.
    """

    model: ModelAccess
    contrast: ValueContrast
    pairs: MatchedPairs
    of_other_labels: Integers
    images: ImageArray
    with_value: ImageArray
    without_value: ImageArray

    @classmethod
    def load(
        cls,
        model: ModelAccess,
        contrast: ValueContrast,
        pairs: MatchedPairs,
        of_other_labels: Integers,
    ) -> StyleDonors:
        """Reads the images."""
        images, with_value, without_value = (
            model.images(rows) for rows in (pairs.rows, pairs.with_value, pairs.without_value)
        )
        return cls(model, contrast, pairs, of_other_labels, images, with_value, without_value)

    def cost(self, transfer: StyleTransfer) -> float:
        """Probability that the label loses with the style of the side with the higher error rate.

        Returns:
            The smaller of the losses with styles of the same label and of other labels.
        """
        each, label = np.arange(len(self.pairs)), self.pairs.label
        direction = self.contrast.direction[label]
        return min(
            float((direction * (without_value - with_value)[each, label]).mean())
            for with_value, without_value in self._probabilities(transfer)
        )

    def effects(self, transfer: StyleTransfer, seed: int) -> StyleEffects:
        """The effects of styles from images of the same label, and from images of other labels."""
        of_same_label, of_other_labels = self._probabilities(transfer)
        same, other = (
            PairedEffect.of(
                self.contrast,
                self.pairs,
                self.model.decide(with_value),
                self.model.decide(without_value),
                seed,
            )
            for with_value, without_value in (of_same_label, of_other_labels)
        )
        return StyleEffects(same, other, of_same_label)

    def examples(
        self, audit: AuditData, transfer: StyleTransfer, probabilities: tuple[Floats, Floats]
    ) -> tuple[InterventionExample, ...]:
        """Images before and after, with styles of the same label.

        Args:
            audit: the audited data.
            transfer: the style transfer.
            probabilities: (n, K) with styles of images with the value, and of others.
        """

        def styled(donors: ImageArray) -> Callable[[Integers], ImageArray]:
            return lambda chosen: transfer(self.images[chosen], donors[chosen])

        made = styled(self.with_value), styled(self.without_value)
        return paired_examples(audit, self.contrast, self.pairs, probabilities, made, "Style of")

    def _probabilities(self, transfer: StyleTransfer) -> Iterator[tuple[Floats, Floats]]:
        """Probabilities (n, K) with the value's style and without it.

        Yields:
            First with donors of the same label, then with donors of other labels.
        """
        of_same_label: Integers = np.arange(len(self.pairs))
        for order in (of_same_label, self.of_other_labels):
            with_value, without_value = (
                self.model.predict(transfer(self.images, donors[order]))
                for donors in (self.with_value, self.without_value)
            )
            yield with_value, without_value
