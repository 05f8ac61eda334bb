"""Paired effects: how often the model fails with content from either side of a contrast."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from auditor.interventions.matched_pairs import MatchedPairs
from auditor.interventions.value_contrasts import ValueContrast
from auditor.phrasing import percent, quoted
from auditor.records import AuditData, Quantity, SliceKey
from auditor.statistics import Floats, Integers, PairedMean, sign_flip

_MAX_SAMPLES = 12
"""Sample ids that a claim names at most."""
_MIN_OF_LABEL = 8
"""Images of a label that are needed to test it alone."""


_MIN_FOR_RATES = 10
"""Images of a label whose error rates are reported."""


@dataclass(frozen=True)
class LabelRates:
    """Error rates of one label with content of either side.

    Attributes:
        code: class index of the label.
        with_value: share of its images that fail with content of images with the value.
        without_value: the same with content of other images.
        n: number of its images.
    """

    code: int
    with_value: float
    without_value: float
    n: int

    @property
    def change(self) -> float:
        """Additional failures with content of images with the value, as a share."""
        return self.with_value - self.without_value


@dataclass(frozen=True)
class PairedEffect:
    """The effect of an intervention on each recipient image.

    Attributes:
        contrast: the attribute value.
        pairs: the images.
        fails_with_value: (n,) whether the model fails with content of images with the value.
        fails_without_value: (n,) whether it fails with content of other images.
        difference: (n,) failure with the content of the side that has the higher error rate for that
            label, minus failure with that of the other side; -1, 0 or 1.
        predicted: (n,) class indices with the content of the side with the higher error rate.
        mean: mean of the differences, with its test.
    """

    contrast: ValueContrast
    pairs: MatchedPairs
    fails_with_value: NDArray[np.bool_]
    fails_without_value: NDArray[np.bool_]
    difference: Floats
    predicted: Integers
    mean: PairedMean

    @classmethod
    def of(
        cls,
        contrast: ValueContrast,
        pairs: MatchedPairs,
        with_value: Integers,
        without_value: Integers,
        seed: int,
    ) -> PairedEffect:
        """Compares predictions.

        Args:
            contrast: the attribute value.
            pairs: the images.
            with_value: (n,) classes predicted with content of images with the value.
            without_value: (n,) classes predicted with content of other images.
            seed: of the sign-flip test.
        """
        direction = contrast.direction[pairs.label]
        fails_with, fails_without = with_value != pairs.label, without_value != pairs.label
        difference = direction * (fails_with.astype(np.float64) - fails_without)
        return cls(
            contrast=contrast,
            pairs=pairs,
            fails_with_value=fails_with,
            fails_without_value=fails_without,
            difference=difference,
            predicted=np.where(direction > 0, with_value, without_value),
            mean=sign_flip(difference, seed=seed, groups=pairs.cluster),
        )

    def flipped_to(self, classes: tuple[str, ...]) -> str | None:
        """The class that most flipped predictions go to; None without any."""
        counts = self._flipped(classes)
        return classes[int(counts.argmax())] if counts.any() else None

    def flip_clause(self, classes: tuple[str, ...]) -> str:
        """Where the flipped predictions go to, as the end of a sentence; empty without any."""
        counts = self._flipped(classes)
        if not counts.any():
            return ""
        most = int(counts.argmax())
        share = percent(float(counts[most] / counts.sum()))
        return f"; {share} of the flipped predictions go to {quoted(classes[most])}"

    def error_rates(self) -> tuple[Quantity, Quantity]:
        """Error rates with donors from either side, as further numbers behind a claim."""
        with_value = float(self.fails_with_value.mean())
        without_value = float(self.fails_without_value.mean())
        return (
            Quantity(
                name="error rate with donors that have the value", value=with_value, unit="share"
            ),
            Quantity(name="error rate with other donors", value=without_value, unit="share"),
        )

    def rates_by_label(self) -> tuple[LabelRates, ...]:
        """Error rates of each label with enough images, if the effect differs between labels.

        It differs if one label's mean effect is further from that of the other labels than chance
        explains (two-sided normal test at 1 %, Bonferroni-corrected for the labels).
        """
        codes, counts = np.unique(self.pairs.label, return_counts=True)
        large = codes[counts >= _MIN_FOR_RATES]
        limit = norm.isf(0.005 / max(len(large), 1))
        if len(large) < 2 or not any(self._distance(int(code)) > limit for code in large):
            return ()
        here = {int(code): self.pairs.label == code for code in large}
        return tuple(
            LabelRates(
                code,
                float(self.fails_with_value[rows].mean()),
                float(self.fails_without_value[rows].mean()),
                int(rows.sum()),
            )
            for code, rows in here.items()
        )

    def _distance(self, code: int) -> float:
        """Difference of a label's mean effect and that of the others, in standard errors."""
        change = self.fails_with_value.astype(np.float64) - self.fails_without_value
        own, rest = change[self.pairs.label == code], change[self.pairs.label != code]
        if min(len(own), len(rest)) < _MIN_FOR_RATES:
            return 0.0
        # A constant effect still has the uncertainty of one image that may differ.
        variance = sum(max(part.var(), 1 / len(part)) / len(part) for part in (own, rest))
        return float(abs(own.mean() - rest.mean()) / np.sqrt(variance))

    def samples(self, audit: AuditData) -> tuple[str, ...]:
        """Ids of images whose prediction flips to a failure, as the gap predicts."""
        rows = self.pairs.rows[self.difference > 0][:_MAX_SAMPLES]
        return tuple(audit.predictions["sample"].iloc[rows].astype(str))

    def confirmed_slices(self, audit: AuditData) -> tuple[SliceKey, ...]:
        """The slices whose gap the intervention reproduces, the contrast's own value first."""
        key = SliceKey(attributes={self.contrast.attribute: self.contrast.value})
        return (key, *(one for one in self._reproduced(audit) if one != key))

    def _flipped(self, classes: tuple[str, ...]) -> Integers:
        """(K,) how many flipped predictions go to each class."""
        return np.bincount(self.predicted[self.difference > 0], minlength=len(classes))

    def _reproduced(self, audit: AuditData) -> Iterator[SliceKey]:
        """A value as a whole, and values within the labels whose gap is significant alone."""
        contrast, seed = self.contrast, audit.seed
        keys = {1.0: {contrast.attribute: contrast.value}}
        if contrast.other is not None:
            keys[-1.0] = {contrast.attribute: contrast.other}
        # A value has a gap as a whole only if the labels' gaps do not cancel out.
        overall = sign_flip(
            self.fails_with_value.astype(np.float64) - self.fails_without_value,
            seed=seed,
            groups=self.pairs.cluster,
        )
        sign = float(np.sign(overall.change.value))
        if sign in keys and overall.p_value <= audit.alpha:
            yield SliceKey(attributes=keys[sign])
        present, counts = np.unique(self.pairs.label, return_counts=True)
        large = present[counts >= _MIN_OF_LABEL]
        for code in large:
            here, cluster = self.pairs.label == code, self.pairs.cluster
            groups = None if cluster is None else cluster[here]
            alone = sign_flip(self.difference[here], seed=seed, groups=groups)
            sign = float(contrast.direction[code])
            significant = alone.change.value > 0 and alone.p_value <= audit.alpha / len(large)
            if sign in keys and significant:
                yield SliceKey(attributes=keys[sign], label=audit.classes[code])
