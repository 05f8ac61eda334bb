"""Map sanity: measure on a few samples how far the attribution maps can be trusted."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditor import imaging
from auditor.autograd.passes import recorded_passes
from auditor.autograd.recording import record
from auditor.errors import ModelError
from auditor.evaluated_samples import EvaluatedSamples
from auditor.explainers.api import explain, explain_or_grad_cam
from auditor.explainers.grad_cam import class_evidence
from auditor.map_metrics.edges import edges
from auditor.map_metrics.localisation import (
    bounding_box,
    intersection_over_union,
    mass_inside,
    pointing_hit,
)
from auditor.map_metrics.pass_marks import map_tests
from auditor.map_metrics.summary import map_scores
from auditor.records import MapTestRecord, PanelRecord
from auditor.records.explanations import LocalisationRecord, SanityRecord
from auditor.records.predictions import LABEL, SAMPLE, codes
from auditor.run_folder import EXPLANATIONS, ShardWriter

_PANELS = 3
"""Samples whose maps are shown beside the edge detector."""
_LOCATED = 200
"""Samples on which localisation is measured, where boxes or masks exist."""
_FOUND = 0.5
"""Intersection over union from which on a box counts as found (Selvaraju et al. 2017)."""


@dataclass(frozen=True)
class MapSanity:
    """Result of the map-sanity stage.

    Attributes:
        tests: tests of the maps with their pass marks.
        metrics: measures without a pass mark: ``n_samples``, ``hirescam_disagreement``, and
            ``localisation``, where boxes or masks exist.
        panels: samples whose maps are shown beside the edge detector.
    """

    tests: list[MapTestRecord] = field(default_factory=list)
    metrics: SanityRecord = field(default_factory=dict)
    panels: list[PanelRecord] = field(default_factory=list)

    @property
    def in_record(self) -> dict[str, object]:
        """The fields of an ``ExplanationsRecord`` that hold the result."""
        return {"map_tests": self.tests, "sanity": self.metrics, "panels": self.panels}


def measure_map_sanity(
    samples: EvaluatedSamples, folder: Path, *, n_samples: int, seed: int
) -> MapSanity:
    """Measures how far the maps of this model can be trusted on this data.

    Args:
        samples: the evaluated samples, with the model.
        folder: ``explanations/`` of the run; receives the panels.
        n_samples: number of samples, drawn at random; with 0 nothing is measured.
        seed: of the draw and of the randomized weights.
    """
    total = len(samples.table)
    if not n_samples or not total:
        return MapSanity()
    random = np.random.default_rng(seed)
    drawn = np.sort(random.choice(total, min(n_samples, total), replace=False))
    rows = _explicable(samples, drawn)
    model = samples.model
    scores = map_scores(model.module, samples.inputs(rows), model.layer, seed=seed)
    metrics: SanityRecord = {"n_samples": float(len(rows))}
    if not np.isnan(scores.hirescam).all():
        metrics["hirescam_disagreement"] = float(np.nanmean(scores.hirescam))
    located = np.sort(random.choice(total, min(_LOCATED, total), replace=False))
    objects = samples.objects(located)
    if objects is not None:
        metrics["localisation"] = _localisation(samples, located, objects)
    return MapSanity(map_tests(scores), metrics, _panels(samples, rows[:_PANELS], folder))


def _explicable(samples: EvaluatedSamples, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The samples whose maps can be computed and are finite.

    Raises:
        ModelError: the network raises on all of them.
        ValueError: no map is finite.
    """
    inputs = samples.inputs(rows)
    found: list[NDArray[np.bool_]] = []
    problem: ModelError | None = None
    try:
        found.append(_finite(samples, inputs))
    except ModelError as error:
        problem = error
        for k in range(len(rows)):
            try:
                found.append(_finite(samples, inputs[k : k + 1]))
            except ModelError:
                found.append(np.zeros(1, dtype=np.bool_))
    kept = rows[np.concatenate(found)]
    if not len(kept):
        raise problem or ValueError("no map of the samples is finite")
    return kept


def _finite(samples: EvaluatedSamples, inputs: Tensor) -> NDArray[np.bool_]:
    """Whether the maps (n,) are finite."""
    module, layer = samples.model.module, samples.model.layer

    def finite(part: slice) -> NDArray[np.bool_]:
        with record(module, inputs[part], layer) as recording:
            targets = recording.logits.argmax(1)
            maps = class_evidence(recording, targets), recording.input_gradient(targets)
            both = [torch.isfinite(one).flatten(1).all(1) for one in maps]
            return np.asarray((both[0] & both[1]).cpu().numpy(), dtype=np.bool_)

    return np.concatenate([found for _, found in recorded_passes(module, inputs, finite)])


def _localisation(
    samples: EvaluatedSamples, rows: NDArray[np.int64], objects: NDArray[np.bool_]
) -> LocalisationRecord:
    """Pointing game, mass inside the object, and the paper's box rule, for maps of the label."""
    visible = objects.any((1, 2))
    rows, objects = rows[visible], objects[visible]
    if not len(rows):
        return LocalisationRecord(n_samples=0)
    labels = codes(samples.table[LABEL])[rows]
    hits, inside, found = [], [], []
    for cam, mask in zip(samples.cams(rows, labels), objects, strict=True):
        full = imaging.upsample(cam, *mask.shape)
        hits.append(pointing_hit(full, mask))
        inside.append(mass_inside(full, mask))
        found.append(_is_found(full, mask))
    known = np.array(inside)[~np.isnan(inside)]
    return LocalisationRecord(
        n_samples=len(rows),
        pointing_game=float(np.mean(hits)),
        object_share=float(objects.mean()),
        box_found=float(np.mean(found)),
        mass_inside=float(known.mean()) if len(known) else None,
    )


def _is_found(attribution: NDArray[np.float32], mask: NDArray[np.bool_]) -> bool:
    box, truth = bounding_box(attribution), bounding_box(mask.astype(np.float32))
    return box is not None and truth is not None and intersection_over_union(box, truth) >= _FOUND


def _panels(samples: EvaluatedSamples, rows: NDArray[np.int64], folder: Path) -> list[PanelRecord]:
    """Draws Grad-CAM and the guided or plain gradient beside the edges of the image."""
    module, layer = samples.model.module, samples.model.layer
    images, inputs = samples.images(rows), samples.inputs(rows)
    cams = explain(module, inputs, None, "grad-cam", layer)
    gradient = explain_or_grad_cam(module, inputs, cams.targets, "guided-backprop", layer)
    if gradient.explainer != "guided-backprop":  # undefined for this network
        gradient = explain(module, inputs, cams.targets, "gradient")
    strengths = edges(inputs).cpu().numpy()
    shards = ShardWriter(folder, "panels")
    records: list[PanelRecord] = []
    table: list[dict[str, object]] = []
    for k, row in enumerate(rows):
        sample = str(samples.table[SAMPLE].iloc[row])
        records.append(
            PanelRecord(
                sample=sample,
                gradient=gradient.explainer,
                panel=f"{EXPLANATIONS}/{shards.next_name}#{k}",
            )
        )
        view = np.ascontiguousarray(images[k].transpose(1, 2, 0))
        table.append(
            {
                "sample": sample,
                "image": imaging.jpeg(view),
                "overlay": imaging.jpeg(imaging.overlay(view, cams.maps[k, 0].cpu().numpy())),
                "gradient": imaging.jpeg(imaging.guided_view(gradient.maps[k].cpu().numpy())),
                "edges": imaging.jpeg(_dark_on_white(strengths[k, 0])),
            }
        )
    shards.write(pa.Table.from_pylist(table))
    return records


def _dark_on_white(strength: NDArray[np.float32]) -> NDArray[np.uint8]:
    scaled = strength / max(float(strength.max()), 1e-12)
    grey = np.rint(255 * (1 - scaled)).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)
