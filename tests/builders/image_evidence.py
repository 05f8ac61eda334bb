"""Audit data with images, maps and a model that is a plain function, for checks on images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auditor.config import SliceSection
from auditor.records import AuditData, Cell, Images, Maps
from auditor.stages.slicing import slice_samples

ImageArray = NDArray[np.uint8]
Probabilities = NDArray[np.float64]


@dataclass
class Model:
    """An audited model without a network: each answer comes from an array or a function."""

    seen: ImageArray
    ask: Callable[[ImageArray], Probabilities]
    described: NDArray[np.float32] | None = None
    shown: NDArray[np.bool_] | None = None
    looked: Callable[[ImageArray, NDArray[np.int64]], NDArray[np.float32]] | None = None
    describe: Callable[[Images, NDArray[np.int64]], NDArray[np.float32]] | None = None
    asked: int = 0

    def images(self, rows: NDArray[np.int64]) -> ImageArray:
        return self.seen[rows]

    def predict(self, images: ImageArray) -> Probabilities:
        self.asked += len(images)
        return self.ask(images)

    def features(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        assert self.described is not None
        return self.described[rows]

    def features_of(self, images: Images, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        assert self.describe is not None
        return self.describe(images, rows)

    def cams(self, rows: NDArray[np.int64], targets: NDArray[np.int64]) -> NDArray[np.float32]:
        assert self.looked is not None
        return self.looked(self.seen[rows], targets)

    def objects(self, rows: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        return None if self.shown is None else self.shown[rows]


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
