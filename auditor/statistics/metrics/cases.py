"""Samples that metrics are measured on: binary decisions, or predictions of one of several classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.statistics.intervals import Floats, Integers

Booleans = NDArray[np.bool_]


@dataclass(frozen=True)
class BinaryCases:
    """Decisions whether something is present.

    Attributes:
        truth: (n,) bool, whether it is present.
        called: (n,) bool, whether the model says so.
        score: (n,) its probability in [0, 1], or None if it is unknown.

    Raises:
        ValueError: the lengths differ, or a score is not in [0, 1].
    """

    truth: Booleans
    called: Booleans
    score: Floats | None = None

    def __post_init__(self) -> None:
        shapes = {self.truth.shape, self.called.shape}
        if self.score is not None:
            shapes.add(self.score.shape)
            _require_probabilities(self.score)
        _require_one_length(shapes)

    def __len__(self) -> int:
        return len(self.truth)

    def taken(self, rows: Integers) -> BinaryCases:
        """The decisions at some positions."""
        score = None if self.score is None else self.score[rows]
        return BinaryCases(self.truth[rows], self.called[rows], score)

    def opposite(self) -> BinaryCases:
        """The same decisions about the negative class."""
        return BinaryCases(
            ~self.truth, ~self.called, None if self.score is None else 1 - self.score
        )


@dataclass(frozen=True)
class ClassCases:
    """Predictions of one of K classes.

    Attributes:
        label: (n,) class index of the label.
        predicted: (n,) class index of the prediction.
        n_classes: number of classes, K.
        probabilities: (n, K) in [0, 1], or None if they are unknown.
        confidence: (n,) probability of the predicted class, in [0, 1].

    Raises:
        ValueError: the lengths differ, or a probability is not in [0, 1].
    """

    label: Integers
    predicted: Integers
    n_classes: int
    probabilities: NDArray[np.floating] | None
    confidence: Floats

    def __post_init__(self) -> None:
        _require_one_length({self.label.shape, self.predicted.shape, self.confidence.shape})
        _require_probabilities(self.confidence)
        if self.probabilities is not None:
            if self.probabilities.shape != (len(self.label), self.n_classes):
                raise ValueError(
                    f"expected probabilities of shape {(len(self.label), self.n_classes)}; got "
                    f"{self.probabilities.shape}: pass one row a sample and one column a class"
                )
            _require_probabilities(self.probabilities)

    def __len__(self) -> int:
        return len(self.label)

    def taken(self, rows: Integers) -> ClassCases:
        """The predictions at some positions."""
        probabilities = None if self.probabilities is None else self.probabilities[rows]
        return ClassCases(
            self.label[rows],
            self.predicted[rows],
            self.n_classes,
            probabilities,
            self.confidence[rows],
        )

    @property
    def correct(self) -> Booleans:
        """(n,) whether the prediction is the label."""
        return np.asarray(self.label == self.predicted)

    def of_class(self, k: int) -> BinaryCases:
        """The decisions between class k and the rest."""
        score = None
        if self.probabilities is not None:
            score = self.probabilities[:, k].astype(np.float64)
        return BinaryCases(self.label == k, self.predicted == k, score)


def _require_one_length(shapes: set[tuple[int, ...]]) -> None:
    if len(shapes) != 1 or len(next(iter(shapes))) != 1:
        raise ValueError(
            f"expected one-dimensional arrays of one length; got shapes {sorted(shapes)}: pass one "
            "value a sample in each"
        )


def _require_probabilities(values: NDArray[np.floating]) -> None:
    # NaN fails both comparisons.
    if values.size and not (values.min() >= 0 and values.max() <= 1):
        raise ValueError(
            "expected probabilities in [0, 1]; got some outside: pass probabilities, not logits"
        )
