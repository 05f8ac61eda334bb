"""``explain_batch``: several targets per image from one forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from auditor.autograd.device_memory import to_cpu
from auditor.autograd.forward import check_images, wrong_target
from auditor.autograd.passes import recorded_passes
from auditor.autograd.precision import Precision, accelerate
from auditor.autograd.preflight import preflight
from auditor.autograd.recording import record
from auditor.autograd.target_layer import TargetLayer, as_layer
from auditor.errors import ModelError
from auditor.explainers.explanation import BatchExplanation
from auditor.explainers.grad_cam import class_evidence, upsample


def explain_batch(
    model: nn.Module,
    images: Tensor,
    pairs: Sequence[tuple[int, int]],
    target_layer: str | TargetLayer | None = None,
    precision: Precision = "exact",
) -> BatchExplanation:
    """Computes Grad-CAM, its mass and the detail view for several targets per image.

    Where memory runs out, the batch is halved repeatedly, down to single images; the batches that follow
    are split from the start.

    Args:
        model: a classifier, (N, 3, H, W) → (N, K) logits; left unchanged.
        images: (N, 3, H, W), floating, preprocessed.
        pairs: (row, target): which class to explain in which image; a row may occur repeatedly.
        target_layer: the result of ``find_layer`` (to trace once for many batches), a dotted name,
            or None to choose by tracing.
        precision: as in ``explain``; for many batches, call ``accelerate`` once instead.

    Returns:
        One entry per pair, in the order of ``pairs``, on the CPU.

    Raises:
        ModelError: as ``explain``; also for a row outside of the batch.
    """
    check_images(images)
    layer = as_layer(model, images, target_layer)
    for row, target in pairs:
        if not 0 <= row < len(images):
            raise ModelError(
                f"expected rows between 0 and {len(images) - 1}; got the pair ({row}, {target})"
            )
    network = accelerate(model, images, precision, layer)
    found = _explain_parts(network.module, images, pairs, layer)
    return replace(found, preflight=network.annotate(found.preflight), precision=network.precision)


def _explain_parts(
    module: nn.Module, images: Tensor, pairs: Sequence[tuple[int, int]], layer: TargetLayer
) -> BatchExplanation:
    """Explains the batch part by part, and joins the results in the order of the pairs."""

    def explained(part: slice) -> BatchExplanation:
        own = [(pairs[k][0] - part.start, pairs[k][1]) for k in _members(pairs, part)]
        return _explain_pairs(module, images[part], own, layer)

    done = list(recorded_passes(module, images, explained))
    if len(done) == 1:
        return done[0][1]
    order = torch.tensor(
        [k for part, _ in done for k in _members(pairs, part)], dtype=torch.long, device="cpu"
    ).argsort()
    found = [one for _, one in done]
    return BatchExplanation(
        rows=torch.cat([one.rows + part.start for part, one in done])[order],
        targets=torch.cat([one.targets for one in found])[order],
        cams=torch.cat([one.cams for one in found])[order],
        mass=torch.cat([one.mass for one in found])[order],
        maps=torch.cat([one.maps for one in found])[order],
        detail=found[0].detail,
        logits=torch.cat([one.logits for one in found]),
        preflight=found[0].preflight,
        precision=found[0].precision,
    )


def _members(pairs: Sequence[tuple[int, int]], part: slice) -> list[int]:
    """Positions of the pairs whose images are in a part of the batch."""
    return [k for k, (row, _) in enumerate(pairs) if part.start <= row < part.stop]


def _explain_pairs(
    model: nn.Module, images: Tensor, pairs: Sequence[tuple[int, int]], layer: TargetLayer
) -> BatchExplanation:
    with record(model, images, layer) as recording:
        rows, targets = _as_tensors(pairs, recording.logits)
        verdict = preflight(recording, "guided")
        defined = verdict.status != "undefined"
        # Collected on the device, and copied once: every pair is in one of the passes.
        cams, maps = (
            torch.empty(shape, dtype=torch.float32, device=recording.logits.device)
            for shape in (
                (len(rows), layer.height, layer.width),
                (len(rows), *images.shape[1:]),
            )
        )
        for members in _passes(rows.tolist()):
            row, target = rows[members], targets[members]
            cam = class_evidence(recording, target, row).clamp(min=0)
            detail = recording.input_gradient(target, "guided" if defined else "plain", row)
            if defined:
                detail *= upsample(cam, recording.images)
            cams[members] = cam.float()
            maps[members] = detail.float()
        cams, maps = to_cpu(cams), to_cpu(maps)
        return BatchExplanation(
            rows=rows.cpu(),
            targets=targets.cpu(),
            cams=cams,
            mass=cams.sum((1, 2)),
            maps=maps,
            detail="guided-grad-cam" if defined else "gradient",
            logits=recording.logits.float().cpu(),
            preflight=verdict,
            precision="exact",
        )


def _as_tensors(pairs: Sequence[tuple[int, int]], logits: Tensor) -> tuple[Tensor, Tensor]:
    k = logits.shape[1]
    for row, target in pairs:
        if not 0 <= target < k:
            raise ModelError(f"got the pair ({row}, {target}): {wrong_target(target, k)}")
    both = torch.tensor(list(pairs), dtype=torch.long, device=logits.device).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _passes(rows: list[int]) -> list[list[int]]:
    """Positions of the pairs, grouped into passes in which each row occurs at most once."""
    passes: list[list[int]] = []
    seen: dict[int, int] = {}
    for position, row in enumerate(rows):
        n_before = seen.get(row, 0)
        seen[row] = n_before + 1
        if n_before == len(passes):
            passes.append([])
        passes[n_before].append(position)
    return passes
