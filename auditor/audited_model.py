"""The audited model as the checks see it: numpy in, numpy out, so that none of them needs torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from auditor import imaging
from auditor.autograd.forward import in_best_layout
from auditor.autograd.model_state import unwrap
from auditor.autograd.recording import record
from auditor.autograd.target_layer import TargetLayer
from auditor.errors import DataError
from auditor.explainers.grad_cam import class_evidence
from auditor.input_pipeline import batches, normalised
from auditor.preparation import Prepared
from auditor.records import Dataset, Images
from auditor.records.predictions import OK

_FEW = 64
"""Images that are decoded faster in this process than worker processes are started."""


class AuditedModel:
    """Runs the model again for a check; fulfils `records.ModelAccess`.

    Nothing is kept between two questions: how much memory one takes is up to who asks.
    """

    def __init__(self, prepared: Prepared, layer: TargetLayer, predictions: pd.DataFrame) -> None:
        """Takes the model as it is.

        Args:
            prepared: the audit; its network is in evaluation mode and on its device.
            layer: the target layer.
            predictions: the evaluated samples, as in ``AuditData.predictions``.
        """
        self._prepared = prepared
        self._layer = layer
        self._positions = prepared.dataset.samples.index.get_indexer(
            pd.Index(predictions["sample"])
        )

    def images(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """What the network saw of some samples.

        Args:
            rows: (n,) positions in the evaluated samples, at least one.

        Returns:
            (n, 3, H, W), in the order given.

        Raises:
            DataError: an image can't be read any more.
        """
        return np.concatenate([part.numpy() for part in self._decoded(rows)])

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """The model's probabilities.

        Args:
            images: (n, 3, H, W), at least one.

        Returns:
            (n, K) softmax probabilities.
        """
        parts = []
        with torch.inference_mode():
            for start in range(0, len(images), self._prepared.config.batch_size):
                chunk = images[start : start + self._prepared.config.batch_size]
                logits = self._asked(torch.from_numpy(np.ascontiguousarray(chunk)))
                parts.append(logits.double().softmax(1).cpu().numpy())
        return np.concatenate(parts)

    def features(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The target layer's maps, averaged over their places.

        Args:
            rows: (n,) positions in the evaluated samples, at least one.

        Returns:
            (n, C), in the order given.

        Raises:
            DataError: an image can't be read any more.
        """
        return self._features(self._decoded(rows))

    def features_of(self, images: Images, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The target layer's maps of any images, averaged over their places.

        Args:
            images: images that need not be the audited ones; prepared as those are.
            rows: (n,) positions in them, at least one.

        Returns:
            (n, C), in the order given.

        Raises:
            DataError: an image can't be read, or images come out in different sizes.
        """
        names = pd.DataFrame({"path": [f"image {k}" for k in range(len(images))]})
        names.index = pd.Index(names["path"])
        strangers = replace(self._prepared.dataset, images=images, samples=names)
        return self._features(self._prepared_of(strangers, rows))

    def _features(self, decoded: Iterable[Tensor]) -> NDArray[np.float32]:
        parts: list[NDArray[np.float32]] = []

        def keep(_: nn.Module, __: object, output: Tensor) -> None:
            parts.append(self._layer.to_map(output).float().mean((2, 3)).cpu().numpy())

        handle = self._module.get_submodule(self._layer.name).register_forward_hook(keep)
        try:
            with torch.inference_mode():
                for images in decoded:
                    self._asked(images)
        finally:
            handle.remove()
        return np.concatenate(parts)

    def cams(self, rows: NDArray[np.int64], targets: NDArray[np.int64]) -> NDArray[np.float32]:
        """Grad-CAMs as they are: at the target layer's resolution, not normalised.

        Args:
            rows: (n,) positions in the evaluated samples, at least one.
            targets: (n,) the class index that each image's map explains.

        Returns:
            (n, h, w), at least 0, in the order given.

        Raises:
            DataError: an image can't be read any more.
        """
        parts: list[NDArray[np.float32]] = []
        done = 0
        for images in self._decoded(rows):
            wanted = torch.as_tensor(targets[done : done + len(images)])
            done += len(images)
            with record(self._module, self._inputs(images), self._layer) as recording:
                evidence = class_evidence(recording, wanted.to(recording.images.device))
                parts.append(evidence.clamp(min=0).float().cpu().numpy())
        return np.concatenate(parts)

    def objects(self, rows: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """Where the object is in what the network saw.

        Args:
            rows: (n,) positions in the evaluated samples, at least one.

        Returns:
            (n, H, W); nowhere for samples that have no box or mask, or of whose object the network
            sees nothing. None where the data has neither.

        Raises:
            DataError: a mask is not of its image's size.
            UnreadableImageError: an image or mask can't be read.
        """
        dataset = self._prepared.dataset
        if not {"box", "mask"} & set(dataset.samples):
            return None
        return np.stack([self._object(dataset, int(self._positions[row])) for row in rows])

    @property
    def _module(self) -> nn.Module:
        return unwrap(self._prepared.classifier.module)

    def _asked(self, images: Tensor) -> Tensor:
        """Logits (n, K) of images (n, 3, H, W) uint8."""
        inputs, module = self._inputs(images), self._module

        def call(layout: torch.memory_format) -> Tensor:
            logits: Tensor = module(inputs.contiguous(memory_format=layout))
            return logits

        return in_best_layout(module, self._prepared.device, call)

    def _inputs(self, images: Tensor) -> Tensor:
        return normalised(images, self._prepared.preprocess, self._prepared.device)

    def _decoded(self, rows: NDArray[np.int64]) -> Iterator[Tensor]:
        return self._prepared_of(self._prepared.dataset, self._positions[rows])

    def _prepared_of(self, dataset: Dataset, positions: NDArray[np.int64]) -> Iterator[Tensor]:
        for batch in batches(
            dataset,
            positions,
            self._prepared.preprocess,
            batch_size=self._prepared.config.batch_size,
            workers=0 if len(positions) <= _FEW else self._prepared.config.workers,
        ):
            for row, status in zip(batch.rows, batch.status, strict=True):
                if status != OK:
                    raise DataError(
                        f"{dataset.samples['path'].iloc[row]}: expected the image that was read a "
                        f"moment ago; now it is {status}: leave the data alone while an audit runs"
                    )
            yield batch.images

    def _object(self, dataset: Dataset, position: int) -> NDArray[np.bool_]:
        setting = self._prepared.preprocess
        image = dataset.images[position].image
        geometry = imaging.resize_geometry(*image.size, setting.resize, setting.crop)
        inside = np.zeros((geometry.height, geometry.width), dtype=np.bool_)
        sample = dataset.samples.iloc[position]
        mask = sample.get("mask")
        if isinstance(mask, str):
            drawn = imaging.open_image(Path(mask)).image
            if drawn.size != image.size:
                raise DataError(
                    f"{mask}: expected a mask of {image.width} × {image.height} pixels as its "
                    f"image; got {drawn.width} × {drawn.height}"
                )
            pixels = imaging.prepare(drawn, setting.resize, setting.crop, "nearest")
            return np.asarray(pixels[0] > 127, dtype=np.bool_)
        box = sample.get("box")
        seen = geometry.box(box) if isinstance(box, tuple) else None
        if seen is not None:
            x0, y0, x1, y1 = seen
            inside[round(y0) : max(round(y1), round(y0) + 1)][
                :, round(x0) : max(round(x1), round(x0) + 1)
            ] = True
        return inside
