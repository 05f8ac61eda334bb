"""Explain: attribution maps of the chosen samples, drawn and measured, in a few files.

``explanations/`` then holds, as Parquet shards that are whole or not there:

- ``images-*``: ``sample``, ``image`` (JPEG of what the network saw), ``width``, ``height``.
- ``maps-*``: ``sample``, ``target``, ``role``, ``kind``, ``mass``, ``cam`` (float32 bytes of the
  unnormalised Grad-CAM, ``cam_height`` × ``cam_width``), ``overlay``, and one of ``guided``
  (JPEG of Guided Grad-CAM), ``gradient`` (signed; where guided backpropagation is undefined for the
  network) and ``other`` (of the method that ``explanations.explainer`` names).
- ``means-*``: ``attribute``, ``value``, ``label``, ``n``, ``cam``, ``overlay`` on the mean image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from numpy.typing import NDArray

from auditor import imaging
from auditor.autograd.precision import Accelerated, Precision, accelerate
from auditor.autograd.target_layer import TargetLayer
from auditor.classifiers import Classifier
from auditor.config import Preprocess
from auditor.errors import DataError
from auditor.explainers.api import explain as explain_images
from auditor.explainers.api import explain_batch
from auditor.explainers.grad_cam import GradCam
from auditor.explainers.guided_grad_cam import GuidedGradCam
from auditor.input_pipeline import Batch, batches, normalised
from auditor.progress import Advance
from auditor.records import (
    Cell,
    Dataset,
    ExplanationsRecord,
    Job,
    MapRecord,
    Maps,
    MeanMap,
    PreflightRecord,
    SampleSelection,
)
from auditor.records.predictions import OK
from auditor.run_folder import EXPLANATIONS, ShardWriter

_SHARD = 256
"""Explained samples in one file."""

_DETAIL_COLUMNS = ("guided", "gradient", "other")

_NOTHING_EXPLAINED = PreflightRecord(status="undefined", reason="no sample was explained")


@dataclass(frozen=True)
class Explained:
    """What the explain stage hands on.

    Attributes:
        record: what was explained, with references into the files.
        maps: the maps of the cells' samples, for the checks; None where no cell was asked for.
    """

    record: ExplanationsRecord
    maps: Maps | None


def explain(
    choice: SampleSelection,
    predictions: pd.DataFrame,
    dataset: Dataset,
    classifier: Classifier,
    classes: Sequence[str],
    preprocess: Preprocess,
    layer: TargetLayer,
    folder: Path,
    *,
    explainer: str,
    precision: Precision,
    device: torch.device,
    batch_size: int,
    workers: int | None,
    advance: Advance,
) -> Explained:
    """Computes, draws and stores the maps of the chosen samples.

    Args:
        choice: what to explain.
        predictions: the evaluated samples, as in ``AuditData.predictions``.
        dataset: where the images are.
        classifier: the network, on ``device``.
        classes: class names in index order.
        preprocess: how images become inputs.
        layer: the target layer.
        folder: ``explanations/`` of the run.
        explainer: method of the detail view; Grad-CAM is computed in any case.
        precision: how the maps are computed.
        device: where the network runs.
        batch_size: images in one forward.
        workers: processes that decode; None chooses by the machine.
        advance: told how many jobs are done.

    Returns:
        What was explained, and the maps that the checks compare.
    """
    positions = dataset.samples.index.get_indexer(pd.Index(predictions["sample"]))
    album = _MapWriter(folder, classes)
    means = _Means(choice.cells)
    samples = predictions["sample"].to_numpy()
    jobs = iter(choice.jobs)
    method, preflight = "none", _NOTHING_EXPLAINED
    quick: Accelerated | None = None
    loaded = batches(
        dataset,
        positions[[job.row for job in choice.jobs]],
        preprocess,
        batch_size=batch_size,
        workers=workers,
        pinned=device.type == "cuda",
    )
    for inputs in loaded:
        _still_there(inputs, dataset)
        pixels = inputs.images
        batch = [next(jobs) for _ in range(len(pixels))]
        pairs = [(k, code) for k, job in enumerate(batch) for _, code in job.targets]
        images = normalised(pixels, preprocess, device)
        if quick is None:
            quick = accelerate(classifier.module, images, precision, layer)
        maps = explain_batch(quick.module, images, pairs, layer)
        verdict = quick.remark(maps.preflight)
        preflight = PreflightRecord(status=verdict.status, reason=verdict.reason)
        cams = maps.cams.numpy()
        if explainer == GuidedGradCam.plugin_name:
            method, details = maps.detail, maps.maps.numpy()
        else:
            rows, targets = torch.tensor(pairs, device=images.device).T
            other = explain_images(quick.module, images[rows], targets, explainer, layer)
            method, details = other.explainer, other.maps.cpu().numpy()
        views = pixels.permute(0, 2, 3, 1).numpy()
        at = 0
        for k, job in enumerate(batch):
            sample = str(samples[job.row])
            own = slice(at, at + len(job.targets))
            at = own.stop
            if job.kind != "mean":
                album.add(job, sample, views[k], cams[own], details[own], method)
            for (_, code), cam in zip(job.targets, cams[own], strict=True):
                means.add(job.row, classes[code], cam, views[k])
        album.flush(_SHARD)
        advance(len(batch))
    album.flush(1)
    record = ExplanationsRecord(
        explainer=method,
        preflight=preflight,
        failures=album.failures,
        contrasts=album.contrasts,
        means=means.write(folder),
    )
    return Explained(record, means.maps())


def _still_there(inputs: Batch, dataset: Dataset) -> None:
    """Raises if an image that was predicted on can't be read any more."""
    for row, status in zip(inputs.rows, inputs.status, strict=True):
        if status != OK:
            raise DataError(
                f"{dataset.samples['path'].iloc[row]}: expected the image that was read a moment "
                f"ago; now it is {status}: leave the data alone while an audit runs"
            )


@dataclass
class _MapWriter:
    """Draws maps and keeps them until a shard is full."""

    folder: Path
    classes: Sequence[str]
    failures: list[MapRecord] = field(default_factory=list)
    contrasts: list[MapRecord] = field(default_factory=list)
    _images: list[dict[str, object]] = field(default_factory=list)
    _maps: list[dict[str, object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._image_shards = ShardWriter(self.folder, "images")
        self._map_shards = ShardWriter(self.folder, "maps")

    def add(
        self,
        job: Job,
        sample: str,
        view: NDArray[np.uint8],
        cams: NDArray[np.float32],
        details: NDArray[np.float32],
        method: str,
    ) -> None:
        """Draws the maps of one sample, one for each of its targets."""
        image = f"{EXPLANATIONS}/{self._image_shards.next_name}#{len(self._images)}"
        height, width = view.shape[:2]
        self._images.append(
            {"sample": sample, "image": imaging.jpeg(view), "width": width, "height": height}
        )
        for k, (role, code) in enumerate(job.targets):
            mass = float(np.maximum(cams[k], 0).sum(dtype=np.float64))
            record = MapRecord(
                sample=sample,
                target=self.classes[code],
                role=role,
                map=f"{EXPLANATIONS}/{self._map_shards.next_name}#{len(self._maps)}",
                image=image,
                mass=mass,
            )
            (self.failures if job.kind == "failure" else self.contrasts).append(record)
            self._maps.append(
                {
                    "sample": sample,
                    "target": record.target,
                    "role": role,
                    "kind": job.kind,
                    "mass": mass,
                    **_cam(cams[k], view),
                    # Under its true name: a plain gradient never stands in the guided column.
                    **dict.fromkeys(_DETAIL_COLUMNS),
                    **_detail(method, details[k], view),
                }
            )

    def flush(self, least: int) -> None:
        """Writes what there is once it is at least so many samples."""
        if len(self._images) < least:
            return
        self._image_shards.write(pa.Table.from_pylist(self._images, _IMAGES))
        self._map_shards.write(pa.Table.from_pylist(self._maps, _MAPS))
        self._images, self._maps = [], []


class _Means:
    """Adds up the maps of the cells, and keeps those of their samples for the checks.

    At most ``explain.mean_samples`` × ``explain.mean_cells`` maps at the target layer's resolution
    are kept: 4,800 as configured by default, 4 MB at 14 × 14.
    """

    def __init__(self, cells: Sequence[Cell]) -> None:
        self._cells = cells
        self._of_row: dict[int, list[int]] = {}
        for k, cell in enumerate(cells):
            for row in cell.rows:
                self._of_row.setdefault(int(row), []).append(k)
        self._sums: dict[int, tuple[NDArray[np.float64], NDArray[np.float32]]] = {}
        self._kept: dict[int, NDArray[np.float32]] = {}

    def add(self, row: int, target: str, cam: NDArray[np.float32], view: NDArray[np.uint8]) -> None:
        """Adds a map to the cells that its sample belongs to; only maps of the label count."""
        for k in self._of_row.get(row, ()):
            if self._cells[k].label != target:
                continue
            self._kept[row] = np.maximum(cam, 0)
            if k not in self._sums:
                self._sums[k] = np.zeros(cam.shape), np.zeros(view.shape, np.float32)
            cams, views = self._sums[k]
            cams += np.maximum(cam, 0)
            views += view

    def maps(self) -> Maps | None:
        """The maps of the cells' samples, in ascending order of the samples."""
        if not self._kept:
            return None
        rows = sorted(self._kept)
        cams = np.stack([self._kept[row] for row in rows])
        return Maps(np.array(rows, dtype=np.int64), cams, tuple(self._cells))

    def write(self, folder: Path) -> list[MeanMap]:
        """Writes the mean maps, in one file."""
        shards = ShardWriter(folder, "means")
        rows: list[dict[str, object]] = []
        records: list[MeanMap] = []
        for k, (cams, views) in sorted(self._sums.items()):
            cell, n = self._cells[k], len(self._cells[k].rows)
            view = np.rint(views / n).astype(np.uint8)
            own = {"attribute": cell.attribute, "value": cell.value, "label": cell.label, "n": n}
            records.append(MeanMap(**own, map=f"{EXPLANATIONS}/{shards.next_name}#{len(rows)}"))
            rows.append(own | _cam((cams / n).astype(np.float32), view))
        if rows:
            shards.write(pa.Table.from_pylist(rows, _MEANS))
        return records


def _detail(method: str, detail: NDArray[np.float32], view: NDArray[np.uint8]) -> dict[str, object]:
    """The column of the detail view: gradient-type maps on grey, others over the image."""
    if method == GradCam.plugin_name:
        return {}  # it stands in `overlay` already
    column = {GuidedGradCam.plugin_name: "guided", "gradient": "gradient"}.get(method, "other")
    gradient_type = len(detail) == 3
    drawn = imaging.guided_view(detail) if gradient_type else imaging.overlay(view, detail[0])
    return {column: imaging.jpeg(drawn)}


def _cam(cam: NDArray[np.float32], view: NDArray[np.uint8]) -> dict[str, object]:
    """The columns that hold a class activation map and its drawing."""
    return {
        "cam": np.ascontiguousarray(cam, dtype="<f4").tobytes(),
        "cam_height": cam.shape[0],
        "cam_width": cam.shape[1],
        "overlay": imaging.jpeg(imaging.overlay(view, cam)),
    }


_CAM_COLUMNS = [
    ("cam", pa.binary()),
    ("cam_height", pa.int32()),
    ("cam_width", pa.int32()),
    ("overlay", pa.binary()),
]
_IMAGES = pa.schema(
    [
        ("sample", pa.string()),
        ("image", pa.binary()),
        ("width", pa.int32()),
        ("height", pa.int32()),
    ]
)
_MAPS = pa.schema(
    [
        ("sample", pa.string()),
        ("target", pa.string()),
        ("role", pa.string()),
        ("kind", pa.string()),
        ("mass", pa.float64()),
        *_CAM_COLUMNS,
        *((column, pa.binary()) for column in _DETAIL_COLUMNS),
    ]
)
_MEANS = pa.schema(
    [
        ("attribute", pa.string()),
        ("value", pa.string()),
        ("label", pa.string()),
        ("n", pa.int32()),
        *_CAM_COLUMNS,
    ]
)
