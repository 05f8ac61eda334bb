"""Appraise: how far the maps of this model can be trusted, measured on a few samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import nn

from auditor import imaging
from auditor.autograd.target_layer import TargetLayer
from auditor.config import Preprocess
from auditor.explainers.api import explain, explain_batch
from auditor.explainers.localisation import Box, box_of, mass_inside, overlap, pointing_hit
from auditor.explainers.trust import edges, measure_trust
from auditor.input_pipeline import normalised
from auditor.records import ModelAccess, PanelRecord
from auditor.run_folder import EXPLANATIONS, ShardWriter

_PANELS = 3
"""Samples whose maps are shown beside an edge detector's."""
_LOCATED = 200
"""Samples on which localisation is measured, where boxes or masks exist."""
_FOUND = 0.5
"""Intersection over union from which on a box counts as found (Selvaraju et al. 2017)."""


def measure_map_sanity(
    model: ModelAccess,
    module: nn.Module,
    layer: TargetLayer,
    preprocess: Preprocess,
    predictions: pd.DataFrame,
    folder: Path,
    *,
    device: torch.device,
    n_samples: int,
    seed: int,
) -> tuple[dict[str, Any], list[PanelRecord]]:
    """Measures what the maps are worth on this model and data.

    Args:
        model: gives the images, and the objects where boxes or masks exist.
        module: the network, on ``device``.
        layer: the target layer.
        preprocess: how images become inputs.
        predictions: the evaluated samples, as in ``AuditData.predictions``.
        folder: ``explanations/`` of the run; receives the panels.
        device: where the network runs.
        n_samples: on how many samples, drawn at random; 0 measures nothing.
        seed: of the draw and of the randomized weights.

    Returns:
        ``sanity`` of the result (see ``explainers.trust.measure_trust`` and
        ``explainers.localisation``), and the panels beside an edge detector.
    """
    if not n_samples or predictions.empty:
        return {}, []
    random = np.random.default_rng(seed)
    rows = np.sort(random.choice(len(predictions), min(n_samples, len(predictions)), replace=False))
    images = model.images(rows)
    inputs = normalised(torch.from_numpy(images), preprocess, device)
    sanity: dict[str, Any] = dict(
        measure_trust(module, inputs, layer, n_samples=len(rows), seed=seed)
    )
    located = np.sort(
        random.choice(len(predictions), min(_LOCATED, len(predictions)), replace=False)
    )
    objects = model.objects(located)
    if objects is not None:
        sanity["localisation"] = _localisation(
            model, module, layer, preprocess, predictions, located, objects, device
        )
    samples = predictions["sample"].to_numpy()[rows[:_PANELS]]
    return sanity, _panels(samples, images[:_PANELS], inputs[:_PANELS], module, layer, folder)


def _localisation(
    model: ModelAccess,
    module: nn.Module,
    layer: TargetLayer,
    preprocess: Preprocess,
    predictions: pd.DataFrame,
    rows: NDArray[np.int64],
    objects: NDArray[np.bool_],
    device: torch.device,
) -> dict[str, float]:
    """Pointing game, share of mass inside, and the paper's box rule, for the label's maps."""
    visible = objects.any((1, 2))
    rows, objects = rows[visible], objects[visible]
    codes = np.asarray(predictions["label"].cat.codes, dtype=np.int64)[rows]
    hits, inside, found = [], [], []
    for start in range(0, len(rows), 32):
        part = slice(start, start + 32)
        inputs = normalised(torch.from_numpy(model.images(rows[part])), preprocess, device)
        pairs = [(k, int(code)) for k, code in enumerate(codes[part])]
        cams = explain_batch(module, inputs, pairs, layer).cams.numpy()
        for cam, mask in zip(cams, objects[part], strict=True):
            full = imaging.upsample(cam, *mask.shape)
            hits.append(pointing_hit(full, mask))
            inside.append(mass_inside(full, mask))
            box, truth = box_of(full), box_of(mask.astype(np.float32))
            found.append(box is not None and truth is not None and _is_found(box, truth))
    if not len(rows):
        return {"n_samples": 0.0}
    known = np.array(inside)[~np.isnan(inside)]
    return {
        "n_samples": float(len(rows)),
        "pointing_game": float(np.mean(hits)),
        "object_share": float(objects.mean()),
        "box_found": float(np.mean(found)),
        **({"mass_inside": float(known.mean())} if len(known) else {}),
    }


def _is_found(box: Box, truth: Box) -> bool:
    return overlap(box, truth) >= _FOUND


def _panels(
    samples: NDArray[np.object_],
    images: NDArray[np.uint8],
    inputs: torch.Tensor,
    module: nn.Module,
    layer: TargetLayer,
    folder: Path,
) -> list[PanelRecord]:
    """Grad-CAM and the guided or plain gradient beside edges, which see no model at all."""
    shards = ShardWriter(folder, "panels")
    cams = explain(module, inputs, None, "grad-cam", layer)
    guided = explain(module, inputs, cams.targets, "guided-backprop", layer)
    name = guided.explainer
    if name != "guided-backprop":  # undefined on this network: the plain gradient, under its name
        guided = explain(module, inputs, cams.targets, "gradient")
        name = guided.explainer
    outlines = edges(inputs).cpu().numpy()
    rows: list[dict[str, object]] = []
    records: list[PanelRecord] = []
    for k, sample in enumerate(samples):
        records.append(
            PanelRecord(
                sample=str(sample),
                gradient=name,
                panel=f"{EXPLANATIONS}/{shards.next_name}#{k}",
            )
        )
        view = np.ascontiguousarray(images[k].transpose(1, 2, 0))
        strength = outlines[k][0] / max(float(outlines[k].max()), 1e-12)
        drawn = np.repeat(np.rint(255 * (1 - strength))[:, :, None], 3, axis=2).astype(np.uint8)
        rows.append(
            {
                "sample": str(sample),
                "image": imaging.jpeg(view),
                "overlay": imaging.jpeg(imaging.overlay(view, cams.maps[k, 0].cpu().numpy())),
                "gradient": imaging.jpeg(imaging.guided_view(guided.maps[k].cpu().numpy())),
                "edges": imaging.jpeg(drawn),
            }
        )
    if rows:
        shards.write(pa.Table.from_pylist(rows))
    return records
