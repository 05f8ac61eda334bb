"""All metrics of the maps on some images, one value an image.

None of them proves a map right; each can show one to be wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from auditor.autograd.passes import recorded_passes
from auditor.autograd.preflight import preflight
from auditor.autograd.recording import record
from auditor.autograd.target_layer import TargetLayer
from auditor.explainers.grad_cam import class_evidence, upsample
from auditor.explainers.occlusion import Occlusion
from auditor.map_metrics.agreement import (
    hirescam_disagreement,
    occlusion_agreement,
    unit_ranks,
)
from auditor.map_metrics.edges import edges
from auditor.map_metrics.faithfulness import CurveEnds, deletion, insertion, shuffled
from auditor.map_metrics.randomization import randomized_copy

PASSES = 52
"""Forward passes per image, about; a map counts as three."""
_GUIDED = "guided-backprop"
_PART = 10
"""Images that share a randomized network."""
_NETWORKS = 5
"""Randomized networks at least, where there are so many images: the result must not rest on one draw."""
_OCCLUSION = Occlusion(stride=1.0, batch_size=16)
"""Squares side by side: maps are averaged over such squares before they are compared."""
_PIXELS = 128
"""Maps of the size of the image are compared on a grid of at most about so many pixels a side."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Likeness:
    """Rank correlations of n maps with n others.

    Attributes:
        own: (n,), with the other map of the same image; NaN where one is constant.
        unrelated: (n · (n − 1),), with maps of other images.
    """

    own: Floats
    unrelated: Floats

    @classmethod
    def of(cls, maps: Floats, others: Floats, unrelated: Floats) -> Likeness:
        """Compares maps with others of the same images, and with those of other images.

        Args:
            maps: (n, values), what `unit_ranks` returns.
            others: (n, values), of the same images.
            unrelated: (n, values), compared with ``maps`` of other images.
        """
        apart = ~np.eye(len(maps), dtype=bool)
        return cls((maps * others).sum(1), (maps @ unrelated.T)[apart])


@dataclass(frozen=True)
class MapScores:
    """Metrics of the maps of n images, for the predicted classes.

    Attributes:
        network: (n,) int64, which randomized network each image was given to.
        areas: by metric, ``deletion`` and ``insertion``: (n,) areas of Grad-CAM and (n,) areas of
            the same maps in random order, 0 to 1.
        occlusion: (n,) rank correlation with occlusion, −1 to 1; NaN where a map is constant.
        hirescam: (n,) share of the map that lies elsewhere with HiResCAM, 0 to 1, or NaN.
        randomized: by explainer, the likeness to the maps of a randomized network.
        edges: the likeness of guided backpropagation to the edges; None where it is undefined.
    """

    network: NDArray[np.int64]
    areas: dict[str, tuple[Floats, Floats]]
    occlusion: Floats
    hirescam: Floats
    randomized: dict[str, Likeness]
    edges: Likeness | None


@dataclass(frozen=True)
class _Part:
    """The metrics and maps of the images that share a randomized network."""

    values: dict[str, Floats]
    maps: dict[str, Tensor]


def map_scores(model: nn.Module, images: Tensor, layer: TargetLayer, *, seed: int = 0) -> MapScores:
    """Computes every metric of the maps of some images, for the predicted classes.

    Args:
        model: a classifier; left unchanged.
        images: (n, 3, H, W), preprocessed, at least one; the cost is about ``PASSES`` forward passes
            of each.
        layer: the target layer.
        seed: of the randomized networks and of the random order of cells.
    """
    n = len(images)
    rows = np.array_split(np.arange(n), max(min(_NETWORKS, n), -(-n // _PART)))
    generator = torch.Generator().manual_seed(seed)
    parts = [
        _score(model, images[torch.from_numpy(own)], layer, generator, seed + k)
        for k, own in enumerate(rows)
    ]
    values = {name: np.concatenate([one.values[name] for one in parts]) for name in parts[0].values}
    maps = {name: unit_ranks(one) for name, one in _join([one.maps for one in parts]).items()}
    return MapScores(
        network=np.repeat(np.arange(len(rows)), [len(own) for own in rows]),
        areas={
            name: (values[name], values[f"{name}_shuffled"]) for name in ("deletion", "insertion")
        },
        occlusion=values["occlusion"],
        hirescam=values["hirescam"],
        randomized={
            name: Likeness.of(maps[name], maps[f"{name} randomized"], maps[name])
            for name in ("grad-cam", _GUIDED)
            if name in maps
        },
        edges=Likeness.of(maps[_GUIDED], maps["edges"], maps["edges"]) if _GUIDED in maps else None,
    )


def _score(
    model: nn.Module, images: Tensor, layer: TargetLayer, generator: torch.Generator, seed: int
) -> _Part:
    own = _RecordedMaps.of(model, images, layer, occlusion=_OCCLUSION)
    cells, targets = own.cells, own.targets
    images = images.to(cells.device)
    cam, random_order = (upsample(one, images) for one in (cells, shuffled(cells, generator)))
    ends = CurveEnds.of(model, images, targets, own.logits)
    values = {
        "deletion": deletion(model, images, targets, cam, ends=ends).area,
        "deletion_shuffled": deletion(model, images, targets, random_order, ends=ends).area,
        "insertion": insertion(model, images, targets, cam, ends=ends).area,
        "insertion_shuffled": insertion(model, images, targets, random_order, ends=ends).area,
        "occlusion": occlusion_agreement(own.drops, cam, _OCCLUSION),
        "hirescam": own.hirescam.double().cpu().numpy(),
    }
    maps = _randomized(model, images, layer, seed, own)
    return _Part(values, {name: _thinned(one) for name, one in maps.items()})


@dataclass(frozen=True)
class _RecordedMaps:
    """What one recorded pass of n images yields.

    Attributes:
        targets: (n,) the class that is explained.
        logits: (n, K).
        cells: (n, h, w) Grad-CAM at the resolution of the target layer.
        hirescam: (n,) see `hirescam_disagreement`.
        guided: (n, 3, H, W) guided backpropagation; (n, 0) where it is undefined for the network.
        drops: (n, 1, H, W) occlusion; (n, 0) where it was not asked for.
    """

    targets: Tensor
    logits: Tensor
    cells: Tensor
    hirescam: Tensor
    guided: Tensor
    drops: Tensor

    @classmethod
    def of(
        cls,
        model: nn.Module,
        images: Tensor,
        layer: TargetLayer,
        targets: Tensor | None = None,
        occlusion: Occlusion | None = None,
    ) -> _RecordedMaps:
        """The maps of some classes, or of the predicted ones."""

        def maps(part: slice) -> tuple[Tensor, ...]:
            with record(model, images[part], layer) as recording:
                chosen = recording.logits.argmax(1) if targets is None else targets[part]
                defined = preflight(recording, "guided").status != "undefined"
                none = torch.empty(len(chosen), 0, dtype=torch.float32, device="cpu")
                return (
                    chosen,
                    recording.logits.detach(),
                    class_evidence(recording, chosen).clamp(min=0).detach().float(),
                    torch.from_numpy(hirescam_disagreement(recording, chosen)),
                    recording.input_gradient(chosen, "guided").float() if defined else none,
                    none if occlusion is None else occlusion.attribute(recording, chosen).float(),
                )

        parts = [found for _, found in recorded_passes(model, images, maps)]
        return cls(*(torch.cat(one) for one in zip(*parts, strict=True)))


def _randomized(
    model: nn.Module, images: Tensor, layer: TargetLayer, seed: int, own: _RecordedMaps
) -> dict[str, Tensor]:
    """The maps and those of a network with random weights; none for a model that only predicts."""
    if next(model.parameters(), None) is None:
        return {}
    random = _RecordedMaps.of(randomized_copy(model, images, seed), images, layer, own.targets)
    maps = {
        "grad-cam": upsample(own.cells, images),
        "grad-cam randomized": upsample(random.cells, images),
    }
    if own.guided.shape[1]:
        maps[_GUIDED] = own.guided
        maps[f"{_GUIDED} randomized"] = random.guided
        maps["edges"] = edges(images)
    return maps


def _thinned(maps: Tensor) -> Tensor:
    """Strengths (n, 1, h, w) of maps on a regular grid of their pixels, on the CPU."""
    step = max(1, min(maps.shape[-2:]) // _PIXELS)
    return maps.abs().sum(1, keepdim=True)[..., ::step, ::step].detach().float().cpu()


def _join(parts: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {
        name: torch.cat([one[name] for one in parts])
        for name in parts[0]
        if all(name in one for one in parts)
    }
