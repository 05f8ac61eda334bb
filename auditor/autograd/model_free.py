"""Networks that only predict: no layers, no gradients. Their maps are occlusion maps.

ONNX Runtime and TorchScript compute outputs and nothing else. Such a network gets one layer, whose channel
k at a place is the drop of output k when this part of the image is covered. The outputs depend on the layer
through the mean of each channel. By equation 1, the weight of channel k in the Grad-CAM of class k is then a
constant, and 0 in all others, so that "Grad-CAM" at this layer is the occlusion map of the class, times a
constant.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from auditor.autograd.network_output import plain_output
from auditor.errors import ModelError

GRID = 7
"""Rows and columns of the places that are covered one after another."""
MODEL_FREE = (
    f"maps are occlusion maps, {GRID}×{GRID} places covered one after another, because there are no layers "
    "and no gradients"
)
"""For the description of a classifier."""
_WHY = (
    "the model has neither layers nor gradients: each place of this map is the drop of the output when that "
    f"part of the image is covered ({GRID} × {GRID} parts); this is an occlusion map, not Grad-CAM"
)


class OcclusionMaps(nn.Module):
    """The drops of all outputs when parts of the image are covered.

    Attributes:
        why_chosen: the reason for this target layer, for the report.
    """

    why_chosen = _WHY

    def __init__(self, predict: Callable[[Tensor], Tensor]) -> None:
        """Keeps what predicts; it is not a part of the network."""
        super().__init__()
        self.__dict__["_predict"] = predict

    def forward(self, images: Tensor, outputs: Tensor) -> Tensor:
        """The drops (N, K, 7, 7) of the outputs (N, K); part of the graph of the images."""
        drops: Tensor = OcclusionDrops.apply(images, outputs, self.__dict__["_predict"])
        return drops


class ModelFreeNetwork(nn.Module):
    """A network around a function that predicts."""

    file_sha256: Tensor

    def __init__(self, predict: Callable[[Tensor], object], file: Path) -> None:
        """Makes a network.

        Args:
            predict: images (n, C, H, W), float32, on the CPU → outputs.
            file: of the model. Its bytes stand in for weights in the fingerprint.
        """
        super().__init__()
        digest = hashlib.sha256(file.read_bytes()).digest()
        self._set_up(predict, None, torch.tensor(list(digest), dtype=torch.uint8))

    def with_output(self, key: str | int) -> ModelFreeNetwork:
        """The same network, which returns one of several outputs.

        Args:
            key: name or position of the output.
        """
        chosen = ModelFreeNetwork.__new__(ModelFreeNetwork)
        nn.Module.__init__(chosen)
        chosen._set_up(self.__dict__["_program"], key, self.file_sha256)  # noqa: SLF001
        return chosen.train(self.training)

    def _set_up(
        self, predict: Callable[[Tensor], object], key: str | int | None, digest: Tensor
    ) -> None:
        def outputs_of(images: Tensor) -> Tensor:
            with torch.no_grad():
                found = plain_output(predict(images.detach().float().cpu().contiguous()), key)
            if not isinstance(found, Tensor):
                raise ModelError(
                    f"model: expected one tensor (N, K) of outputs; got {type(found).__name__}: export the "
                    "model with its logits as an output"
                )
            outputs = found.detach().to(images.device)
            return outputs.float() if outputs.is_floating_point() else outputs

        self.__dict__["_program"] = predict
        self.__dict__["_predict"] = outputs_of
        self.occlusion = OcclusionMaps(outputs_of)
        self.register_buffer("file_sha256", digest)

    def forward(self, images: Tensor) -> Tensor:
        """The outputs (N, K); only where someone looks at the maps, these are computed, too."""
        outputs: Tensor = self.__dict__["_predict"](images)
        recorded = torch.is_grad_enabled() and images.requires_grad
        watched = bool(self.occlusion._forward_hooks)  # noqa: SLF001 - there is no public way to ask
        if not (recorded or watched) or outputs.ndim != 2 or not outputs.is_floating_point():
            return outputs
        means = self.occlusion(images, outputs).mean((2, 3))
        attached: Tensor = outputs + (means - means.detach())
        return attached

    def __deepcopy__(self, memo: dict[int, Any]) -> ModelFreeNetwork:
        """Refused: a copy with other weights can't be made, and one with the same weights is of no use."""
        raise ModelError("a model without layers can't be copied with random weights")


class OcclusionDrops(torch.autograd.Function):
    """Drops of the outputs; their gradient with respect to pixels is not known, and 0."""

    @staticmethod
    def forward(
        ctx: Any, images: Tensor, outputs: Tensor, predict: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """Covers one part of all images after another by their mean colour."""
        ctx.shape = images.shape
        height, width = images.shape[2:]
        rows, columns = min(GRID, height), min(GRID, width)
        drops = outputs.new_empty((*outputs.shape, rows, columns))
        mean = images.mean((2, 3), keepdim=True)
        for i in range(rows):
            for j in range(columns):
                covered = images.clone()
                top, bottom = height * i // rows, height * (i + 1) // rows
                left, right = width * j // columns, width * (j + 1) // columns
                covered[:, :, top:bottom, left:right] = mean
                drops[:, :, i, j] = outputs - predict(covered)
        return drops

    @staticmethod
    def backward(ctx: Any, *signals: Tensor) -> tuple[Tensor, None, None]:
        """Zeros of the shape of the images."""
        (signal,) = signals
        return signal.new_zeros(ctx.shape), None, None
