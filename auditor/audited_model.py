"""The audited model: the network and everything needed to run it on images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from auditor.autograd.arithmetic import arithmetic
from auditor.autograd.device_memory import is_out_of_memory
from auditor.autograd.forward import in_best_layout
from auditor.autograd.model_state import unwrap
from auditor.autograd.passes import Passes, forget_recorded, most_recorded
from auditor.autograd.recording import record
from auditor.autograd.target_layer import TargetLayer
from auditor.autograd.user_code import user_code
from auditor.autograd.watched_layer import watched
from auditor.config import Arithmetic, Preprocess
from auditor.errors import ModelError
from auditor.explainers.grad_cam import class_evidence
from auditor.input_pipeline import Batch, batches, normalised
from auditor.phrasing import plural
from auditor.progress import Silent
from auditor.records import Dataset
from auditor.records.decisions import DecisionRule
from auditor.records.predictions import PATH
from auditor.records.small_copies import Detail

_Array = TypeVar("_Array", NDArray[np.float32], NDArray[np.float64])

_WORKER_DIED = (
    "a process that decodes images ended unexpectedly, near {}; usually memory runs out. Its batch is "
    "decoded again in the main process, and the audit goes on. If this happens often, set `workers` to "
    "a smaller number, or to 0"
)


@dataclass(frozen=True)
class ModelOutputs:
    """What one forward pass returns of n images.

    Attributes:
        logits: (n, K).
        features: (n, C) spatial means of the target layer's maps.
        peaks: (n, C) spatial maxima of the same maps.
    """

    logits: NDArray[np.float64]
    features: NDArray[np.float32]
    peaks: NDArray[np.float32]


@dataclass
class AuditedModel:
    """A network that can be run on images.

    Every method takes decoded uint8 images (n, 3, H, W), already resized and cropped, and splits
    them where they don't fit into memory at once.

    Attributes:
        module: float32 images (N, 3, H, W) → logits (N, K); on ``device``, in evaluation mode.
        rule: how probabilities become decisions; names the K classes.
        layer: the target layer of its attribution maps.
        preprocess: how an image becomes the network's input.
        device: where the network runs.
        batch_size: images in one forward pass.
        workers: processes that decode images; None chooses by the machine, 0 uses none.
        precision: arithmetic of everything but maps and gradients, which are always ``exact``.
        say: called with a sentence where a worker process died.
    """

    module: nn.Module
    rule: DecisionRule
    layer: TargetLayer
    preprocess: Preprocess
    device: torch.device
    batch_size: int
    workers: int | None
    precision: Arithmetic = "exact"
    say: Callable[[str], None] = field(default=Silent().message, repr=False)
    _forward_passes: Passes = field(init=False, repr=False)
    _gradient_passes: Passes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._forward_passes = Passes(self.batch_size)
        self._gradient_passes = Passes(self.batch_size)

    def forget_passes(self) -> None:
        """Forgets how many images fit into memory.

        Numbers can depend in their last bits on how a batch is split. So each block begins anew, and they do
        not depend on the blocks that were computed before it.
        """
        self._forward_passes.forget()
        self._gradient_passes.forget()
        forget_recorded(self.module)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the K classes, in the order of the logits."""
        return self.rule.classes

    def batches(
        self,
        dataset: Dataset,
        positions: NDArray[np.int64],
        *,
        lengths: Sequence[int] | None = None,
        measured: bool = False,
        copied: Detail | None = None,
    ) -> Iterator[Batch]:
        """Decodes images of a data set; see `input_pipeline.batches`.

        Args:
            dataset: any data set.
            positions: which images of it, int64.
            lengths: images in each batch; None: ``batch_size`` in each.
            measured: whether to measure the properties of the images, too.
            copied: detail of the small copies that are made, too; None: no copies.
        """
        for batch in batches(
            dataset,
            positions,
            self.preprocess,
            batch_size=self.batch_size if lengths is None else lengths,
            workers=self.workers,
            pinned=self.device.type == "cuda",
            measured=measured,
            copied=copied,
        ):
            if batch.repeated:
                self.say(_WORKER_DIED.format(dataset.samples[PATH].iloc[int(batch.rows[0])]))
            yield batch

    def inputs(self, images: Tensor) -> Tensor:
        """The network's input: normalised float32 (n, 3, H, W) on the device."""
        return normalised(images, self.preprocess, self.device)

    def logits(self, images: Tensor) -> NDArray[np.float64]:
        """Logits of the images.

        Returns:
            (n, K).

        Raises:
            ModelError: the network raises, its output is not (n, K), or one image alone does not
                fit into memory.
        """
        nothing = np.empty((0, len(self.classes)))  # no image of a batch may be readable
        return np.concatenate([nothing, *self._in_passes(images, self._logits)])

    def logits_of_each(
        self, images: Tensor, *, features: bool = False
    ) -> tuple[NDArray[np.float64], dict[int, ModelError]]:
        """Logits of images of which some may make the network raise an exception.

        Where a batch raises, its images are run one by one.

        Args:
            images: uint8.
            features: whether the features and the peaks follow the logits; see `ModelOutputs`.

        Returns:
            (n, K) or (n, K + 2 C), NaN for an image that raises, and the exceptions by the position of the
            image.
        """
        width = len(self.classes) + 2 * self.layer.channels * features
        try:
            if not features:
                return self.logits(images), {}
            return np.concatenate(
                [np.empty((0, width)), *self._in_passes(images, self._filled_outputs)]
            ), {}
        except ModelError as error:
            if error.__cause__ is None or is_out_of_memory(error.__cause__):
                raise  # outputs of a wrong shape or type, or too little memory: no image is to blame
            batch_error = error
        if len(images) == 1:
            return np.full((1, width), np.nan), {0: batch_error}
        found = [
            self.logits_of_each(images[k : k + 1], features=features) for k in range(len(images))
        ]
        errors = {k: failed[0] for k, (_, failed) in enumerate(found) if failed}
        if len(errors) == len(images):
            errors = dict.fromkeys(errors, batch_error)
        return np.concatenate([row for row, _ in found]), errors

    def probabilities(self, images: Tensor) -> NDArray[np.float64]:
        """Probabilities of the images, (n, K); raises as ``logits`` does."""
        return np.exp(self.rule.log_probabilities(self.logits(images)))

    def features(self, images: Tensor) -> NDArray[np.float32]:
        """Spatial mean of the target layer's maps.

        Returns:
            (n, C).

        Raises:
            ModelError: the network raises, or one image alone does not fit into memory.
        """
        return self.outputs(images).features

    def outputs(self, images: Tensor) -> ModelOutputs:
        """Logits, and features and peaks of the target layer, of one forward pass; raises as they do."""
        parts = np.concatenate(list(self._in_passes(images, self._outputs)))
        logits, rest = np.split(parts, [len(self.classes)], axis=1)
        features, peaks = np.split(rest.astype(np.float32), 2, axis=1)
        return ModelOutputs(logits, features, peaks)

    def cams(self, images: Tensor, targets: NDArray[np.int64]) -> NDArray[np.float32]:
        """Grad-CAM at the target layer's resolution, not normalised.

        Args:
            images: uint8.
            targets: (n,) class index that each map explains.

        Returns:
            (n, h, w), at least 0; all 0 where the map is not finite, which says nothing about places.

        Raises:
            ModelError: the network raises, or one image alone does not fit into memory.
        """

        def run(part: slice) -> NDArray[np.float32]:
            with record(self.module, self.inputs(images[part]), self.layer) as recording:
                wanted = torch.from_numpy(targets[part]).to(recording.images.device)
                evidence = class_evidence(recording, wanted)
                maps: NDArray[np.float32] = evidence.clamp(min=0).float().cpu().numpy()
                finite = np.isfinite(maps).all((1, 2), keepdims=True)
                return np.where(finite, maps, np.float32(0))

        passes = self._gradient_passes
        passes.most = min(passes.most, most_recorded(images, self.device))
        return np.concatenate(list(self._fitting(images, run, passes)))

    def _in_passes(
        self, images: Tensor, run: Callable[[Tensor], NDArray[np.float64]]
    ) -> Iterator[NDArray[np.float64]]:
        """Runs a method without gradients on as many images at a time as fit into memory."""

        def run_part(part: slice) -> NDArray[np.float64]:
            with torch.inference_mode():
                return run(images[part])

        return self._fitting(images, run_part, self._forward_passes)

    def _fitting(
        self, images: Tensor, run: Callable[[slice], _Array], passes: Passes
    ) -> Iterator[_Array]:
        try:
            yield from (found for _, found in passes.over(len(images), self.device, run))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise ModelError(
                f"model: one image of shape {(1, *images.shape[1:])} does not fit into the memory of "
                f"{self.device}: set a smaller preprocess.resize and crop, or another device"
            ) from error

    def _logits(self, images: Tensor) -> NDArray[np.float64]:
        output = self._forward(self.module, images)
        return checked_logits(output, tuple(images.shape), len(self.classes))

    def _outputs(self, images: Tensor) -> NDArray[np.float64]:
        """Logits, features and peaks, (n, K + 2 C)."""
        found = self._if_watched(images)
        if found.shape[1] == len(self.classes):
            raise ModelError(
                f"model: expected the target layer {self.layer.name!r} to run in every forward pass; "
                "it did not: choose another layer in model.target_layer"
            )
        return found

    def _filled_outputs(self, images: Tensor) -> NDArray[np.float64]:
        """The same; features and peaks are NaN if the target layer did not run."""
        found = self._if_watched(images)
        missing = len(self.classes) + 2 * self.layer.channels - found.shape[1]
        return np.pad(found, ((0, 0), (0, missing)), constant_values=np.nan)

    def _if_watched(self, images: Tensor) -> NDArray[np.float64]:
        """The same, or only the logits if the target layer did not run."""
        maps: list[NDArray[np.float64]] = []

        def keep(output: object) -> None:
            assert isinstance(output, Tensor)
            found = self.layer.to_map(output).float()
            maps[:] = [torch.cat([found.mean((2, 3)), found.amax((2, 3))], 1).cpu().numpy()]

        # A compiled model would not run the hook.
        module = unwrap(self.module)
        with watched(module, self.layer, keep):
            output = self._forward(module, images)
        logits = checked_logits(output, tuple(images.shape), len(self.classes))
        return np.concatenate([logits, *maps], axis=1, dtype=np.float64)

    def _forward(self, module: nn.Module, images: Tensor) -> object:
        inputs = self.inputs(images)

        def call(layout: torch.memory_format) -> object:
            return module(inputs.contiguous(memory_format=layout))

        def run(precision: Arithmetic) -> object:
            with user_code(module, inputs), arithmetic(self.device, precision):
                fast = precision != "exact"
                return in_best_layout(module, self.device, call, tensor_cores=fast)

        output = run(self.precision)
        if self.precision == "amp" and isinstance(output, Tensor) and not output.isfinite().all():
            return run("exact")  # float16 ends at 65,504
        return output


def checked_logits(output: object, shape: tuple[int, ...], n_classes: int) -> NDArray[np.float64]:
    """What a network returned, as logits.

    Args:
        output: the network's output.
        shape: (n, 3, H, W) of its input.
        n_classes: K, the number of class names.

    Returns:
        (n, K).

    Raises:
        ModelError: the output is no real tensor (n, K).
    """
    wanted = f"expected logits of shape ({shape[0]}, {n_classes}), one per class"
    if not isinstance(output, Tensor):
        raise ModelError(
            f"model: {wanted}; the network returned {type(output).__name__}: wrap it in a module "
            "whose forward returns only the logits"
        )
    if output.ndim != 2 or len(output) != shape[0]:
        raise ModelError(
            f"model: {wanted}; got {tuple(output.shape)} for an input of shape {shape}: the network "
            "must pool its maps and return one row per image"
        )
    if output.shape[1] != n_classes:
        raise ModelError(
            f"model: {wanted}; got {plural(output.shape[1], 'column')}: name "
            f"{'the class' if output.shape[1] == 1 else f'all {output.shape[1]} classes'} of the network "
            "in model.classes, in the order of its outputs"
        )
    if output.is_complex():
        raise ModelError(f"model: {wanted}; got {output.dtype}: return real numbers")
    logits: NDArray[np.float64] = output.float().cpu().numpy().astype(np.float64)
    return logits
