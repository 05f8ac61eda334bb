"""Audit data with images, maps and a model that is a plain function, for checks on images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auditor.config import SliceSection
from auditor.records import AuditData, Cell, Images, Maps, PreprocessingAdvice
from auditor.records.small_copies import Detail, KeptCopies
from auditor.stages.slicing import slice_samples

ImageArray = NDArray[np.uint8]
Probabilities = NDArray[np.float64]


@dataclass
class Model:
    """An audited model without a network: each answer comes from an array or a function.

    Attributes:
        inputs: (N, 3, H, W) the images that the network would see.
        predict_with: returns the probabilities (n, K) of images.
        feature_vectors: (N, C) features of the samples.
        object_masks: (N, H, W) where the object is.
        cams_with: returns the maps of images and targets.
        features_with: returns the features (n, C) of other images at some positions.
        probabilities_with: returns the probabilities (n, K) of other images at some positions.
        n_predicted: how many images were predicted so far.
        better: a sentence about a better preprocessing.
    """

    inputs: ImageArray
    predict_with: Callable[[ImageArray], Probabilities]
    feature_vectors: NDArray[np.float32] | None = None
    object_masks: NDArray[np.bool_] | None = None
    cams_with: Callable[[ImageArray, NDArray[np.int64]], NDArray[np.float32]] | None = None
    features_with: Callable[[Images, NDArray[np.int64]], NDArray[np.float32]] | None = None
    probabilities_with: Callable[[Images, NDArray[np.int64]], Probabilities] | None = None
    n_predicted: int = 0
    better: str | None = None

    def images(self, rows: NDArray[np.int64]) -> ImageArray:
        return self.inputs[rows]

    def predict(self, images: ImageArray) -> Probabilities:
        self.n_predicted += len(images)
        return self.predict_with(images)

    def search(self, images: ImageArray) -> Probabilities:
        return self.predict(images)

    def decide(self, probabilities: Probabilities) -> NDArray[np.int64]:
        return np.asarray(probabilities.argmax(1), dtype=np.int64)

    def features(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        assert self.feature_vectors is not None
        return self.feature_vectors[rows]

    def features_of(self, images: Images, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        assert self.features_with is not None
        return self.features_with(images, rows)

    def probabilities_of(self, images: Images, rows: NDArray[np.int64]) -> Probabilities:
        assert self.probabilities_with is not None
        return self.probabilities_with(images, rows)

    def read_reference(self, rows: NDArray[np.int64], copies: KeptCopies, detail: Detail) -> None:
        """Reads nothing ahead."""

    def preprocessing_advice(self, rows: NDArray[np.int64]) -> PreprocessingAdvice:
        return PreprocessingAdvice(len(rows), ("values from 0 to 255",), self.better)

    def cams(self, rows: NDArray[np.int64], targets: NDArray[np.int64]) -> NDArray[np.float32]:
        assert self.cams_with is not None
        return self.cams_with(self.inputs[rows], targets)

    def objects(self, rows: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        return None if self.object_masks is None else self.object_masks[rows]


def audit_data(
    label: NDArray[np.int64],
    share: Probabilities,
    attributes: dict[str, NDArray[np.str_]],
    *,
    cams: NDArray[np.float32] | None = None,
    model: Model | None = None,
    seed: int = 0,
) -> AuditData:
    """Samples with labels, probabilities (N, K) and attributes; every sample has a map, if any has."""
    classes = tuple("abcdefghij"[: share.shape[1]])
    predicted = share.argmax(1)
    frame = pd.DataFrame(
        {
            "sample": [f"s{k:04d}" for k in range(len(label))],
            "path": [f"{k}.png" for k in range(len(label))],
            "label": pd.Categorical(np.array(classes)[label], categories=list(classes)),
            "predicted": pd.Categorical(np.array(classes)[predicted], categories=list(classes)),
            "confidence": share.max(1),
            "loss": -np.log(np.maximum(share[np.arange(len(label)), label], 1e-9)),
            "failure": predicted != label,
            **attributes,
        }
    )
    cut = slice_samples(frame, None, classes, tuple(attributes), SliceSection())
    cells = [
        Cell(name, str(value), classes[k], np.flatnonzero((values == value) & (label == k)))
        for name, values in attributes.items()
        for value in np.unique(values)
        for k in range(len(classes))
    ]
    return AuditData(
        predictions=cut.predictions,
        classes=classes,
        attributes=cut.attributes,
        slices=cut.slices,
        reference=None,
        alpha=0.05,
        min_support=30,
        seed=seed,
        maps=None if cams is None else Maps(np.arange(len(label)), cams, tuple(cells)),
        model=model,
    )
