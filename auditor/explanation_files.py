"""The files in ``explanations/``: attribution maps, drawn and stored as Parquet files, two for each block.

- ``images-*``: ``sample``, ``image`` (JPEG of the preprocessed image), ``width``, ``height``.
- ``maps-*``: ``sample``, ``target``, ``role``, ``kind``, ``mass``, ``cam`` (float32 bytes of the
  unnormalised Grad-CAM, ``cam_height`` × ``cam_width``), ``overlay``, and one of ``guided``
  (JPEG of Guided Grad-CAM), ``gradient`` (signed; where guided backpropagation is undefined for the
  network) and ``other`` (of the method that ``explanations.explainer`` names).
- ``means-*``: ``attribute``, ``value``, ``label``, ``n``, ``cam``, ``overlay`` on the mean image.

A file is either complete or absent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from auditor import imaging
from auditor.blocks import block_name, write_table
from auditor.drawing_threads import DrawingThreads, drawn
from auditor.explainers.grad_cam import GradCam
from auditor.explainers.guided_grad_cam import GuidedGradCam
from auditor.records import Cell, Job, JobKind, MapRecord, Maps, MeanMap
from auditor.run_folder import EXPLANATIONS, ShardWriter

_DETAIL_COLUMNS = ("guided", "gradient", "other")
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


@dataclass(frozen=True)
class SampleMaps:
    """The maps of one sample, one per target.

    Attributes:
        sample: its id.
        image: (H, W, 3) uint8, preprocessed.
        cams: (t, h, w), Grad-CAM.
        details: (t, 1 or 3, H, W), the detail view.
        method: the explainer that made the detail view.
    """

    sample: str
    image: NDArray[np.uint8]
    cams: NDArray[np.float32]
    details: NDArray[np.float32]
    method: str


class MapWriter:
    """Draws the maps of the samples of one block, and writes them."""

    def __init__(self, folder: Path, number: int, classes: Sequence[str]) -> None:
        """Creates a writer.

        Args:
            folder: ``explanations/`` of the run.
            number: of the block.
            classes: class names in index order.
        """
        self._folder = folder
        self._number = number
        self._classes = classes
        self._images: list[dict[str, object]] = []
        self._maps: list[dict[str, object]] = []
        self._threads = DrawingThreads()

    def add(self, job: Job, maps: SampleMaps) -> None:
        """Draws the maps of one sample."""
        height, width = maps.image.shape[:2]
        self._images.append(
            {
                "sample": maps.sample,
                "image": self._threads.submit(partial(imaging.jpeg, maps.image)),
                "width": width,
                "height": height,
            }
        )
        for k, (role, code) in enumerate(job.targets):
            self._maps.append(
                {
                    "sample": maps.sample,
                    "target": self._classes[code],
                    "role": role,
                    "kind": job.kind,
                    "mass": float(np.maximum(maps.cams[k], 0).sum(dtype=np.float64)),
                    **_cam_columns(maps.cams[k]),
                    "overlay": self._threads.submit(partial(_overlay, maps.image, maps.cams[k])),
                    # A plain gradient never appears in the column of the guided one.
                    **dict.fromkeys(_DETAIL_COLUMNS),
                    **self._detail_column(maps.method, maps.details[k], maps.image),
                }
            )

    def write(self) -> int:
        """Writes the files of the block, if there is any map.

        Returns:
            The number of samples with maps.
        """
        if self._images:
            images, maps = map_files(self._folder, self._number)
            write_table(pa.Table.from_pylist(drawn(self._images), _IMAGES), images)
            write_table(pa.Table.from_pylist(drawn(self._maps), _MAPS), maps)
        return len(self._images)

    def _detail_column(
        self, method: str, detail: NDArray[np.float32], image: NDArray[np.uint8]
    ) -> dict[str, object]:
        """The detail view that is being drawn, in its column."""
        if method == GradCam.plugin_name:
            return {}  # `overlay` shows it already
        column = {GuidedGradCam.plugin_name: "guided", "gradient": "gradient"}.get(method, "other")
        return {column: self._threads.submit(partial(_detail_view, detail, image))}


def map_files(folder: Path, number: int) -> tuple[Path, Path]:
    """The files with the images and the maps of a block."""
    return folder / block_name(number, "images"), folder / block_name(number, "maps")


def read_records(folder: Path, number: int) -> Iterator[tuple[JobKind, MapRecord]]:
    """The records of the maps of a block, in order, each with the kind of its sample."""
    images, maps = map_files(folder, number)
    columns = ["sample", "target", "role", "kind", "mass"]
    samples = pq.read_table(images, columns=["sample"])["sample"].to_pylist()
    row_of = {sample: row for row, sample in enumerate(samples)}
    for row, found in enumerate(pq.read_table(maps, columns=columns).to_pylist()):
        kind = found.pop("kind")
        yield (
            kind,
            MapRecord(
                **found,
                map=f"{EXPLANATIONS}/{maps.name}#{row}",
                image=f"{EXPLANATIONS}/{images.name}#{row_of[found['sample']]}",
            ),
        )


class MeanMaps:
    """Averages the maps of each cell, and keeps those of its samples for the checks.

    At most ``explain.mean_samples`` × ``explain.mean_cells`` maps at the target layer's resolution
    are kept: by default 4,800, which is 4 MB at 14 × 14.
    """

    def __init__(self, cells: Sequence[Cell]) -> None:
        """Creates empty averages.

        Args:
            cells: the cells, each with the samples that belong to it.
        """
        self._cells = cells
        self._of_row: dict[int, list[int]] = {}
        for k, cell in enumerate(cells):
            for row in cell.rows:
                self._of_row.setdefault(int(row), []).append(k)
        self._sums: dict[int, tuple[NDArray[np.float64], NDArray[np.float32]]] = {}
        self._numbers: Counter[int] = Counter()
        self._kept: dict[int, NDArray[np.float32]] = {}

    def needs(self, row: int, target: str) -> bool:
        """Whether a map belongs to a cell; only those of the label do."""
        return any(self._cells[k].label == target for k in self._of_row.get(row, ()))

    def add(
        self, row: int, target: str, cam: NDArray[np.float32], image: NDArray[np.uint8]
    ) -> None:
        """Adds a map to the cells of its sample, always in the same order, as sums depend on it."""
        for k in self._of_row.get(row, ()):
            if self._cells[k].label != target:
                continue
            self._kept[row] = np.maximum(cam, 0)
            if k not in self._sums:
                self._sums[k] = np.zeros(cam.shape), np.zeros(image.shape, np.float32)
            cams, images = self._sums[k]
            cams += np.maximum(cam, 0)
            images += image
            self._numbers[k] += 1

    def maps(self) -> Maps | None:
        """The maps of the cells' samples, in ascending order of the samples; None without any.

        Samples without a map, because it could not be computed, are left out of the cells.
        """
        if not self._kept:
            return None
        rows = np.array(sorted(self._kept), dtype=np.int64)
        cams = np.stack([self._kept[row] for row in rows.tolist()])
        cells = (replace(one, rows=one.rows[np.isin(one.rows, rows)]) for one in self._cells)
        return Maps(rows, cams, tuple(one for one in cells if len(one.rows)))

    def write(self, folder: Path) -> list[MeanMap]:
        """Writes the mean maps to one file."""
        shards = ShardWriter(folder, "means")
        rows: list[dict[str, object]] = []
        records: list[MeanMap] = []
        for k, (cams, images) in sorted(self._sums.items()):
            cell, n = self._cells[k], self._numbers[k]
            image = np.rint(images / n).astype(np.uint8)
            own = {"attribute": cell.attribute, "value": cell.value, "label": cell.label, "n": n}
            records.append(MeanMap(**own, map=f"{EXPLANATIONS}/{shards.next_name}#{len(rows)}"))
            cam = (cams / n).astype(np.float32)
            rows.append(own | _cam_columns(cam) | {"overlay": _overlay(image, cam)})
        if rows:
            shards.write(pa.Table.from_pylist(rows, _MEANS))
        return records


def _detail_view(detail: NDArray[np.float32], image: NDArray[np.uint8]) -> bytes:
    """The drawn detail view: gradient-type maps on grey, others over the image."""
    if len(detail) == 3:
        return imaging.jpeg(imaging.guided_view(detail))
    return _overlay(image, detail[0])


def _overlay(image: NDArray[np.uint8], cam: NDArray[np.float32]) -> bytes:
    return imaging.jpeg(imaging.overlay(image, cam))


def _cam_columns(cam: NDArray[np.float32]) -> dict[str, object]:
    """The columns of a class activation map."""
    return {
        "cam": np.ascontiguousarray(cam, dtype="<f4").tobytes(),
        "cam_height": cam.shape[0],
        "cam_width": cam.shape[1],
    }
