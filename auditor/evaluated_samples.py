"""The evaluated samples as the model sees them: numpy in, numpy out, so that checks need no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditor.audited_model import AuditedModel
from auditor.bounded_cache import BoundedCache
from auditor.classifiers.preprocessing import better_preprocessing
from auditor.datasets.object_regions import has_regions, object_mask, usable_regions
from auditor.faster_copy import faster_copy
from auditor.image_cache import ImageCache
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
from auditor.records.forward_budget import MAP_PASSES, ForwardBudget
from auditor.records.predictions import IMAGE_SAMPLE, LABEL, OK, SAMPLE, SHA256, codes
from auditor.records.small_copies import Detail, KeptCopies
from auditor.reference_outputs import ReferenceOutputs, with_images

_CPU_PIXELS = 8 * 224 * 224
"""Pixels in one forward pass on a CPU: with more, a convolution's results no longer fit into its cache.
MobileNet-V2 takes 0.73 s for 32 images of 224 pixels in passes of 8, and 1.02 s in one pass."""
_COMPARED = 8
"""Images on which a faster copy of the model is compared with it."""


@dataclass(frozen=True)
class SharedResults:
    """What is kept of samples and reference images, so that checks do not compute it again.

    Attributes:
        images: decoded images by position in the data set.
        features: features and peaks (2, C) by position in the data set.
        cams: Grad-CAMs by position in the data set and target.
        reference: logits and features (K + C,) of reference images by their position.
    """

    images: ImageCache = field(default_factory=ImageCache)
    features: BoundedCache[int] = field(default_factory=lambda: BoundedCache(64))
    cams: BoundedCache[tuple[int, int]] = field(default_factory=lambda: BoundedCache(32))
    reference: BoundedCache[int] = field(default_factory=lambda: BoundedCache(64))


@dataclass(frozen=True)
class EvaluatedSamples:
    """The model together with the samples that it was evaluated on.

    Fulfils `records.ModelAccess`. Decoded images, features and maps are kept as far as they fit, so
    that checks share them. Forward passes are counted.

    Attributes:
        model: the audited model.
        dataset: the data set.
        table: the evaluated samples, as in ``AuditData.predictions``. The arguments ``rows`` are
            positions in this table.
        budget: counts the images that are run.
        kept: what is shared.
    """

    model: AuditedModel
    dataset: Dataset
    table: pd.DataFrame
    budget: ForwardBudget = field(default_factory=ForwardBudget)
    kept: SharedResults = field(default_factory=SharedResults, repr=False)

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
        positions, kept = self.positions[rows].tolist(), self.kept.images
        missing = [one for one in dict.fromkeys(positions) if one not in kept]
        parts = self._read(self._predicted, np.array(missing, dtype=np.int64))
        decoded = chain.from_iterable(part.numpy() for part in parts)
        coming, times = set(missing), Counter(positions)
        again: dict[int, NDArray[np.uint8]] = {}
        size = self.model.batch_size
        for start in range(0, len(positions), size):
            images = []
            for position in positions[start : start + size]:
                if position in coming:
                    coming.remove(position)
                    image = next(decoded)
                    kept.add(position, image)
                    if times[position] > 1:
                        again[position] = image
                else:
                    image = again[position] if position in again else kept[position]
                images.append(image)
            yield torch.from_numpy(np.stack(images))

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
            present = [
                int(row) for row, word in zip(batch.rows, batch.status, strict=True) if word == OK
            ]
            for position, image in zip(present, batch.images.numpy(), strict=True):
                self.kept.images.add(position, image)
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
        return self._probabilities(self.model, images)

    def search(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """The same as ``predict``, up to rounding, by a faster copy of the model if there is one."""
        return self._probabilities(self._faster, images)

    def _probabilities(self, model: AuditedModel, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        self.budget.spend(len(images))
        size = len(images)
        if model.device.type == "cpu":
            size = max(_CPU_PIXELS // (images.shape[2] * images.shape[3]), 1)
        parts = torch.split(torch.from_numpy(np.ascontiguousarray(images)), size)
        return np.concatenate([model.probabilities(part) for part in parts])

    @cached_property
    def _faster(self) -> AuditedModel:
        rows = np.arange(min(len(self.table), _COMPARED), dtype=np.int64)
        return faster_copy(self.model, torch.from_numpy(self.images(rows)))

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
        return self._means_and_peaks(rows)[0]

    def peaks(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Spatial maximum of the target layer's maps, (n, C); see ``features``."""
        return self._means_and_peaks(rows)[1]

    def _means_and_peaks(
        self, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        keys = self.positions[rows].tolist()
        found = {key: kept for key in keys if (kept := self.kept.features.get(key)) is not None}
        new = {key: int(row) for key, row in zip(keys, rows, strict=True) if key not in found}
        missing = iter(new)
        self.budget.spend(len(new))
        for images in self.read(np.array(list(new.values()), dtype=np.int64)):
            outputs = self.model.outputs(images)
            for both in zip(outputs.features, outputs.peaks, strict=True):
                key, stacked = next(missing), np.stack(both)
                self.kept.features.add(key, stacked)
                found[key] = stacked
        stacked = np.stack([found[key] for key in keys])
        return stacked[:, 0], stacked[:, 1]

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
        if self._reference is not None and images is self.dataset.reference_images:
            return self._reference.features_and_probabilities(rows)[0]
        self.budget.spend(len(rows))
        decoded = self._read(with_images(self.dataset, images), rows)
        return np.concatenate([self.model.features(part) for part in decoded])

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
        if self._reference is not None and images is self.dataset.reference_images:
            return self._reference.features_and_probabilities(rows)[1]
        self.budget.spend(len(rows))
        decoded = self._read(with_images(self.dataset, images), rows)
        return np.concatenate([self.model.probabilities(part) for part in decoded])

    def read_reference(self, rows: NDArray[np.int64], copies: KeptCopies, detail: Detail) -> None:
        """Decodes reference images once for both; see `ReferenceOutputs.read_ahead`.

        Args:
            rows: (n,) positions in the reference images.
            copies: receives their small copies.
            detail: what is needed of them.
        """
        if self._reference is not None:
            self._reference.read_ahead(rows, copies, detail)

    @cached_property
    def _reference(self) -> ReferenceOutputs | None:
        images = self.dataset.reference_images
        if images is None:
            return None
        dataset = with_images(self.dataset, images)
        return ReferenceOutputs(self.model, dataset, self.budget, self.kept.reference)

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
        pairs = list(zip(self.positions[rows].tolist(), targets.tolist(), strict=True))
        found = {pair: kept for pair in pairs if (kept := self.kept.cams.get(pair)) is not None}
        new = {pair: k for k, pair in enumerate(pairs) if pair not in found}
        chosen = np.array(list(new.values()), dtype=np.int64)
        self.budget.spend(MAP_PASSES * len(chosen))
        done = 0
        for images in self.read(rows[chosen]):
            part = chosen[done : done + len(images)]
            done += len(images)
            for k, cam in zip(part, self.model.cams(images, targets[part]), strict=True):
                self.kept.cams.add(pairs[k], cam)
                found[pairs[k]] = cam
        return np.stack([found[pair] for pair in pairs])

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
