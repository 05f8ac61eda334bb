"""Features and maps that predicting and explaining compute anyway, kept for the checks.

The features are a column of the blocks of predictions, which the merged predictions do not have. The maps are
those in the files of explanations. So the checks find the same numbers to the bit, whichever process
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
from auditor.records import SampleSelection
from auditor.records.predictions import FEATURES, SAMPLE
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
