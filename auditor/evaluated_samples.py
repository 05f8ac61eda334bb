"""The evaluated samples as the model sees them: numpy in, numpy out, so that checks need no torch."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditor.audited_model import AuditedModel
from auditor.classifiers.preprocessing import better_preprocessing
from auditor.datasets.object_regions import has_regions, object_mask, usable_regions
from auditor.input_pipeline import readable
from auditor.preprocessing_trials import try_preprocessing
from auditor.records import (
    DataNote,
    Dataset,
    Images,
    ImageSubset,
    PreprocessingAdvice,
    UnchangedImages,
)
from auditor.records.predictions import IMAGE_SAMPLE, LABEL, PATH, SAMPLE, SHA256, codes


@dataclass(frozen=True)
class EvaluatedSamples:
    """The model together with the samples that it was evaluated on.

    Fulfils `records.ModelAccess`. Nothing is kept between
    two calls.

    Attributes:
        model: the audited model.
        dataset: the data set.
        table: the evaluated samples, as in ``AuditData.predictions``. The arguments ``rows`` are
            positions in this table.
    """

    model: AuditedModel
    dataset: Dataset
    table: pd.DataFrame

    @cached_property
    def positions(self) -> NDArray[np.int64]:
        """(n,) position of each evaluated sample in the data set."""
        column = IMAGE_SAMPLE if IMAGE_SAMPLE in self.table else SAMPLE
        asked, known = self.table[column], self.dataset.samples.index
        # As a rule, all of them in order; looking up a million ids takes more memory than the ids.
        if len(asked) == len(known) and bool((asked.array == known.array).all()):
            return np.arange(len(known), dtype=np.int64)
        return np.asarray(known.get_indexer(pd.Index(asked)), dtype=np.int64)

    @cached_property
    def _predicted(self) -> Dataset:
        """The data set with images that can't be read if they were changed since they were predicted."""
        if SHA256 not in self.table:
            return self.dataset
        rows = np.full(len(self.dataset), -1, dtype=np.int64)
        rows[self.positions] = np.arange(len(self.positions))
        digests = pa.array(self.table[SHA256], pa.string(), from_pandas=True)
        if isinstance(digests, pa.ChunkedArray):
            digests = digests.combine_chunks()
        return replace(self.dataset, images=UnchangedImages(self.dataset.images, rows, digests))

    @property
    def originals(self) -> Images:
        """The images of the evaluated samples as they are stored, before any resize."""
        return ImageSubset(self._predicted.images, self.positions)

    def read(self, rows: NDArray[np.int64]) -> Iterator[Tensor]:
        """Decodes the images of some samples, batch by batch.

        Args:
            rows: (n,) positions in the evaluated samples.

        Yields:
            uint8 (b, 3, H, W), in the order given.

        Raises:
            LostImageError: an image can no longer be read, or was changed.
        """
        return self._read(self._predicted, self.positions[rows])

    def read_present(
        self, rows: NDArray[np.int64], lengths: Sequence[int] | None = None
    ) -> Generator[tuple[Tensor, list[str]]]:
        """Decodes the images of some samples as far as they can still be read, unchanged, batch by batch.

        Args:
            rows: (n,) positions in the evaluated samples.
            lengths: images in each batch; None: as many as the model takes.

        Yields:
            uint8 (b, 3, H, W) of those that can be read, and the status of each that was asked for, in the
            order given.
        """
        for batch in self.model.batches(self._predicted, self.positions[rows], lengths=lengths):
            yield batch.images, batch.status

    def images(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The images of some samples, resized and cropped.

        Args:
            rows: (n,) positions in the evaluated samples, at least one.

        Returns:
            (n, 3, H, W), in the order given.

        Raises:
            LostImageError: an image can no longer be read, or was changed.
        """
        return np.concatenate([part.numpy() for part in self.read(rows)])

    def inputs(self, rows: NDArray[np.int64]) -> Tensor:
        """The network's input for some samples, float32 (n, 3, H, W); see ``images``."""
        return self.model.inputs(torch.from_numpy(self.images(rows)))

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Probabilities of any images.

        Args:
            images: (n, 3, H, W), at least one.

        Returns:
            (n, K).
        """
        return self.model.probabilities(torch.from_numpy(np.ascontiguousarray(images)))

    def decide(self, probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
        """Predicted classes, for tasks with one class per sample.

        Args:
            probabilities: (n, K).

        Returns:
            (n,) class indices.
        """
        return self.model.rule.decide(probabilities)[:, 0]

    def features(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Spatial mean of the target layer's maps.

        Args:
            rows: (n,) positions in the evaluated samples, at least one.

        Returns:
            (n, C), in the order given.

        Raises:
            LostImageError: an image can no longer be read, or was changed.
        """
        return self._features(self.read(rows))

    def features_of(self, images: Images, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Spatial mean of the target layer's maps of other images, preprocessed in the same way.

        Args:
            images: any images.
            rows: (n,) positions in ``images``, at least one.

        Returns:
            (n, C), in the order given.

        Raises:
            DataError: an image can't be read, or two images have different sizes after
                preprocessing.
        """
        return self._features(self._read(self._with_images(images), rows))

    def probabilities_of(self, images: Images, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Probabilities of other images, preprocessed in the same way.

        Args:
            images: any images.
            rows: (n,) positions in ``images``, at least one.

        Returns:
            (n, K), in the order given.

        Raises:
            DataError: as ``features_of``.
        """
        decoded = self._read(self._with_images(images), rows)
        return np.concatenate([self.model.probabilities(part) for part in decoded])

    def preprocessing_advice(self, rows: NDArray[np.int64]) -> PreprocessingAdvice:
        """Tries other preprocessings; not for a multi-label task.

        Args:
            rows: (n,) positions in the evaluated samples.
        """
        labels = codes(self.table[LABEL])[rows]
        trials = try_preprocessing(self.model, self._predicted.images, self.positions[rows], labels)
        if not trials:
            return PreprocessingAdvice(0, (), None)
        others = tuple(one.name for one in trials[1:])
        return PreprocessingAdvice(trials[0].n, others, better_preprocessing(trials))

    def _with_images(self, images: Images) -> Dataset:
        """The data set with other images, which have numbers instead of paths."""
        names = [f"image {k}" for k in range(len(images))]
        samples = pd.DataFrame({PATH: names}, index=pd.Index(names))
        return replace(self.dataset, images=images, samples=samples)

    def cams(self, rows: NDArray[np.int64], targets: NDArray[np.int64]) -> NDArray[np.float32]:
        """Grad-CAM at the target layer's resolution, not normalised.

        Args:
            rows: (n,) positions in the evaluated samples, at least one.
            targets: (n,) class index that each map explains.

        Returns:
            (n, h, w), at least 0, in the order given.

        Raises:
            LostImageError: an image can no longer be read, or was changed.
        """
        parts: list[NDArray[np.float32]] = []
        done = 0
        for images in self.read(rows):
            parts.append(self.model.cams(images, targets[done : done + len(images)]))
            done += len(images)
        return np.concatenate(parts)

    def objects(self, rows: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """Where the object is in the preprocessed images.

        Args:
            rows: (n,) positions in the evaluated samples, at least one.

        Returns:
            (n, H, W); all False for samples without box or mask, where the crop removes the object,
            and where the mask can't be used. None where the data has
            neither boxes nor masks.

        Raises:
            UnreadableImageError: an image can't be read.
        """
        if not has_regions(self.dataset):
            return None
        masks = [
            object_mask(self.dataset, int(self.positions[row]), self.model.preprocess)
            for row in rows
        ]
        return np.stack(masks)

    def with_usable_regions(self) -> tuple[EvaluatedSamples, tuple[DataNote, ...]]:
        """The samples without the boxes and masks that can't be used, and notes on these."""
        dataset, notes = usable_regions(self.dataset, np.unique(self.positions))
        return replace(self, dataset=dataset), notes

    def _read(self, dataset: Dataset, positions: NDArray[np.int64]) -> Iterator[Tensor]:
        for batch in self.model.batches(dataset, positions):
            yield readable(batch, dataset)

    def _features(self, decoded: Iterable[Tensor]) -> NDArray[np.float32]:
        return np.concatenate([self.model.features(images) for images in decoded])
