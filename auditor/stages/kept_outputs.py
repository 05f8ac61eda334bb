"""What predicting and explaining have anyway, kept for the checks: features, small copies of images, maps.

Features and copies are columns of the blocks of predictions, which the merged predictions do not have. The
maps are those in the files of explanations. So the checks find the same numbers to the bit, whichever process
predicted and explained, and whether the audit was interrupted or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from auditor.audited_model import AuditedModel
from auditor.autograd.model_free import OcclusionMaps
from auditor.autograd.model_state import unwrap
from auditor.blocks import block_name
from auditor.evaluated_samples import EvaluatedSamples
from auditor.explanation_files import map_files
from auditor.imaging.small_copies import SIDE, THUMBNAIL_SIDE
from auditor.records import Dataset, SampleSelection
from auditor.records.image_properties import NAMES, Properties
from auditor.records.predictions import COPY, FEATURES, PHASH, SAMPLE, SHA256, property_column
from auditor.records.small_copies import MOST_KEPT, Detail, KeptCopies, SmallCopy
from auditor.stages.explained_blocks import BLOCKS
from auditor.stages.predicted_blocks import blocks_of

_MOST_BYTES = 64 * 2**20
"""Features of more bytes are not kept: those of all samples must fit into what the checks share."""


def keeps_features(model: AuditedModel, n_samples: int) -> bool:
    """Whether the features of all samples are computed with the predictions.

    Args:
        model: the audited model. Of a compiled one, a layer can't be watched; and without layers, a map takes
            many passes.
        n_samples: number of samples.
    """
    module = unwrap(model.module)
    layer = dict(module.named_modules()).get(model.layer.name)
    return (
        module is model.module
        and layer is not None
        and not isinstance(layer, OcclusionMaps)
        and n_samples * 2 * model.layer.channels * 4 <= _MOST_BYTES
    )


def with_features(
    table: pa.Table, features: NDArray[np.float64], readable: NDArray[np.bool_]
) -> pa.Table:
    """Adds the column of features to the predictions of a batch.

    Args:
        table: m rows.
        features: (n, 2 C) features and peaks of the readable images.
        readable: (m,) which images are readable.
    """
    rows = np.zeros((len(readable), features.shape[1]), dtype="<f4")
    rows[readable] = features
    column = pa.array(list(map(bytes, rows)), pa.binary(rows.shape[1] * 4))
    return table.append_column(FEATURES, column)


def keep_features(samples: EvaluatedSamples, folder: Path) -> None:
    """Keeps the features of the evaluated samples in the blocks.

    Args:
        samples: the evaluated samples.
        folder: of the blocks of predictions.
    """
    kept, cut = samples.kept.features, blocks_of(len(samples.dataset))
    evaluated = np.zeros(len(samples.dataset), dtype=np.bool_)
    evaluated[samples.positions] = True
    for number in range(len(cut)):
        path = folder / block_name(number)
        if not path.exists() or FEATURES not in pq.read_schema(path).names:
            continue
        column = pq.read_table(path, columns=[FEATURES])[FEATURES]
        for position, row in zip(cut.rows(number).tolist(), column, strict=True):
            found = np.frombuffer(row.as_py(), "<f4").reshape(2, -1)
            if evaluated[position] and np.isfinite(found).all():
                kept.add(position, found)


def keeps_copies(model: AuditedModel, dataset: Dataset) -> bool:
    """Whether small copies of all images are made while they are decoded.

    That is where checks compare most of them with reference images, and as far as all copies can be kept.

    Args:
        model: the audited model.
        dataset: its samples.
    """
    return (
        dataset.reference_images is not None
        and model.rule.task != "multi-label"
        and len(dataset) <= MOST_KEPT
    )


def with_copies(table: pa.Table, copies: Sequence[SmallCopy | None]) -> pa.Table:
    """Adds the column of small copies to the predictions of a batch, one for each row."""
    cells = [
        None if one is None else one.grey.tobytes() + one.thumbnail.tobytes() for one in copies
    ]
    column = pa.array(cells, pa.binary(SIDE**2 + 3 * THUMBNAIL_SIDE**2))
    return table.append_column(COPY, column)


def kept_copies(samples: EvaluatedSamples, folder: Path) -> KeptCopies:
    """The small copies of the evaluated samples in the blocks, by row.

    Args:
        samples: the evaluated samples.
        folder: of the blocks of predictions.
    """
    kept, cut = KeptCopies(), blocks_of(len(samples.dataset))
    row_of = dict(zip(samples.positions.tolist(), range(len(samples.positions)), strict=True))
    columns = [COPY, SHA256, PHASH, *map(property_column, NAMES)]
    for number in range(len(cut)):
        path = folder / block_name(number)
        if not path.exists() or COPY not in pq.read_schema(path).names:
            continue
        table = pq.read_table(path, columns=columns)
        cells = zip(*(table[name].to_pylist() for name in columns), strict=True)
        for position, (copy, sha256, phash, *measured) in zip(
            cut.rows(number).tolist(), cells, strict=True
        ):
            if position in row_of and copy is not None:
                pixels = np.frombuffer(copy, np.uint8)
                kept.add(
                    row_of[position],
                    SmallCopy(
                        sha256,
                        pixels[: SIDE**2].reshape(SIDE, SIDE),
                        pixels[SIDE**2 :].reshape(THUMBNAIL_SIDE, THUMBNAIL_SIDE, 3),
                        Detail.PROPERTIES,
                        phash,
                        Properties(*measured),
                    ),
                )
    return kept


def keep_maps(
    samples: EvaluatedSamples, selection: SampleSelection, folder: Path, numbers: Iterable[int]
) -> None:
    """Keeps the Grad-CAMs in the files of explanations.

    Args:
        samples: the evaluated samples.
        selection: what was explained.
        folder: ``explanations/`` of the run.
        numbers: of the complete blocks.
    """
    codes = {name: code for code, name in enumerate(samples.model.classes)}
    ids = samples.table[SAMPLE].to_numpy()
    rows_of = {str(ids[job.row]): job.row for job in selection.jobs}
    for number in numbers:
        _, path = map_files(folder, number)
        if path.exists():
            for part in _batches(path, "sample"):
                rows = [rows_of[sample] for sample in part["sample"].to_pylist()]
                _keep(samples, rows, codes, part)
        for part in _batches(folder / BLOCKS / block_name(number), "row"):
            _keep(samples, part["row"].to_pylist(), codes, part)


def _batches(path: Path, key: str) -> Iterable[pa.RecordBatch]:
    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(
            batch_size=256, columns=[key, "target", "cam", "cam_height", "cam_width"]
        )


def _keep(
    samples: EvaluatedSamples, rows: Sequence[int], codes: dict[str, int], part: pa.RecordBatch
) -> None:
    for row, one in zip(rows, part.to_pylist(), strict=True):
        cam = np.frombuffer(one["cam"], "<f4").reshape(one["cam_height"], one["cam_width"])
        samples.kept.cams.add((int(samples.positions[row]), codes[one["target"]]), cam)
