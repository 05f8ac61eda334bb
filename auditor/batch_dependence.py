"""Batch dependence: whether predictions are a function of the image alone.

A network that normalises over the batch, or draws random numbers, returns other logits for the same
image in another batch. Its audit would describe one arbitrary division of the data into batches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from auditor.audited_model import AuditedModel
from auditor.autograd.model_state import unwrap
from auditor.autograd.user_code import user_code
from auditor.errors import ModelError
from auditor.phrasing import percent, plural
from auditor.preparation import Prepared, sample_images
from auditor.records import OutcomeReason, Skipped

_TRIED = 16
"""Images that are read; those on which the network raises are left out."""
_IMAGES = 4
"""Images in a batch of the comparison."""


@dataclass(frozen=True)
class BatchDependence:
    """Predictions that are not a function of the image.

    Attributes:
        problem: what differs, by how much, and the fix, in one sentence.
    """

    problem: str

    @property
    def skipped(self) -> Skipped:
        """The entry in the list of what could not be examined."""
        return Skipped(check="predict", reason=self.problem)

    @property
    def reason(self) -> OutcomeReason:
        """Why the audit cannot be judged."""
        text = f"The predictions are not a function of the image: {self.problem}."
        return OutcomeReason(kind="evaluation", state="undecided", text=text)


def batch_dependence(prepared: Prepared, model: AuditedModel) -> list[BatchDependence]:
    """Compares the logits of images alone, in a batch, with other neighbours, and in a second run.

    Differences up to the square root of the spacing of the least precise numbers in the network (0.03 %
    for float32), as a share of the largest logit, are rounding errors. The inverted images are
    neighbours, too, so that one image is enough.

    Args:
        prepared: the audit, of which a few images are taken.
        model: its model.

    Returns:
        The dependence; empty if the predictions depend on the image alone, as far as these images show.
    """
    images, _, _ = sample_images(prepared, _TRIED)
    _, errors = model.logits_of_each(torch.from_numpy(images))
    images = np.delete(images, list(errors), axis=0)[:_IMAGES]
    if not len(images):
        return []
    found = compare(
        model.module,
        model.inputs(torch.from_numpy(images)),
        model.inputs(torch.from_numpy(255 - images)),
    )
    return [] if found is None else [found]


def compare(module: nn.Module, images: Tensor, others: Tensor) -> BatchDependence | None:
    """Compares the logits of images alone and among others; see ``batch_dependence``.

    Args:
        module: the network, in evaluation mode.
        images: (n, 3, H, W), n of at least 1, preprocessed.
        others: (n, 3, H, W), different neighbours.
    """
    precision = _least_precise(module, images)
    tolerance = float(np.sqrt(precision.resolution))
    try:
        reference = _logits(module, torch.cat([images, others]))
    except ModelError:
        return None  # so many images may not fit into memory; the network itself runs elsewhere
    for difference, where, fix in _differences(module, images, others, reference):
        if difference > tolerance:
            size = f"by {percent(min(difference, 10.0))} of the largest logit"
            limit = f"rounding in {precision.name} explains up to {percent(tolerance, 2)}"
            return BatchDependence(f"the logits of an image differ {size} {where} ({limit}): {fix}")
    return None


def _differences(
    module: nn.Module, images: Tensor, others: Tensor, reference: NDArray[np.float64]
) -> Iterator[tuple[float, str, str]]:
    """Differences from the reference, with their description and fix, one after another."""
    again = _logits(module, torch.cat([images, others]))
    yield (
        _difference(reference, again),
        "between two runs of the same batch",
        "the network draws random numbers; switch dropout and sampling off in evaluation mode",
    )
    fix = _fix(module)
    neighbours = 0.5 * torch.cat([others.flip(3), others.flip(2)])
    changed = _logits(module, torch.cat([images[:1], neighbours[1:]]))
    yield _difference(reference[:1], changed[:1]), "with other images in the batch", fix
    try:
        single = [_logits(module, images[k : k + 1]) for k in range(len(images))]
    except ModelError as error:
        if error.__cause__ is None:
            raise  # outputs of another shape: every batch of one image would fail
        yield np.inf, f"between alone, where the network raises ({error}), and in a batch", fix
        return
    for logits in single:
        if logits.shape != reference[:1].shape:
            raise ModelError(
                f"model: expected one row of outputs for one image; the network returned {len(logits)}: do "
                "not remove the dimension of the batch, as `squeeze()` does"
            )
    alone = np.concatenate(single)
    yield _difference(reference[: len(images)], alone), "between alone and in a batch", fix


def _fix(module: nn.Module) -> str:
    over_batch = [
        name
        for name, part in unwrap(module).named_modules()
        if isinstance(part, nn.modules.batchnorm._BatchNorm)  # noqa: SLF001 - there is no public base
        and (part.running_mean is None or part.training)
    ]
    if over_batch:
        return (
            f"the batch normalisation {over_batch[0]!r} uses the statistics of the batch; train it with "
            "`track_running_stats=True` and load its running statistics"
        )
    return "an operation of the network mixes the images of a batch; make it work image by image"


def _difference(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Largest difference as a share of the largest logit; infinite where only one is finite."""
    finite = np.isfinite(one)
    if (finite != np.isfinite(other)).any():
        return float("inf")
    if not finite.any():
        return 0.0
    scale = max(float(np.abs(one[finite]).max()), float(np.abs(other[finite]).max()), 1e-30)
    return float(np.abs(one[finite] - other[finite]).max()) / scale


def _logits(module: nn.Module, images: Tensor) -> NDArray[np.float64]:
    with torch.inference_mode(), user_code(module, images, memory=True):
        outputs = module(images)
        result: NDArray[np.float64] = outputs.double().cpu().numpy()
    if result.ndim != 2 or len(result) != len(images):
        raise ModelError(
            f"model: expected outputs of shape ({len(images)}, K) for {plural(len(images), 'image')}; got "
            f"{result.shape}: keep the axis of the images, such as with `flatten(1)` instead of `squeeze()`"
        )
    return result


@dataclass(frozen=True)
class _Precision:
    name: str
    resolution: float


def _least_precise(module: nn.Module, images: Tensor) -> _Precision:
    """The least precise numbers that the network computes with."""
    found: list[_Precision] = []

    def note(_: nn.Module, __: Any, output: object) -> None:
        if isinstance(output, Tensor) and output.is_floating_point():
            name = str(output.dtype).removeprefix("torch.")
            found.append(_Precision(name, torch.finfo(output.dtype).eps))

    network = unwrap(module)
    handles = [part.register_forward_hook(note) for part in network.modules()]
    try:
        _logits(network, images[:1] if len(images) == 1 else images[:2])
    except ModelError:
        found.append(_Precision("float32", torch.finfo(torch.float32).eps))
    finally:
        for handle in handles:
            handle.remove()
    if images.device.type == "cuda":  # convolutions and products may round to TF32
        found.append(_Precision("TF32", 2.0**-10))
    return max(found, key=lambda one: one.resolution)
