"""Small finished run folders; a test decides about every prediction."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from builders.measured_columns import measured_columns
from PIL import Image

from auditor.records import (
    AuditResult,
    DataProvenance,
    ExplanationsRecord,
    Finding,
    MapRecord,
    ModelProvenance,
    PreflightRecord,
    Provenance,
    RunInfo,
    Skipped,
)
from auditor.records.predictions import OK, attribute_columns
from auditor.run_folder import RunFolder, ShardWriter
from auditor.stages.find_failures import find_failures

CLASSES = ("intact", "broken")
CONFIG = {"slices": {"min_support": 20}, "judge": {"alpha": 0.05}}


def predictions(n: int = 200, wrong: Sequence[int] = (), **columns: Any) -> pd.DataFrame:
    """Rows of ``predictions.parquet``; half of each class, ``wrong`` ones misclassified.

    Args:
        n: how many; odd positions are of the second class.
        wrong: positions of the failures.
        columns: attributes, or columns to replace.
    """
    label = np.arange(n) % 2
    predicted = label.copy()
    predicted[list(wrong)] = 1 - predicted[list(wrong)]
    failed = label != predicted
    return pd.DataFrame(
        {
            "sample": [f"s{k:04d}" for k in range(n)],
            "path": [f"images/s{k:04d}.png" for k in range(n)],
            "label": [CLASSES[k] for k in label],
            "predicted": [CLASSES[k] for k in predicted],
            "confidence": np.full(n, 0.9),
            "loss": np.where(failed, 2.3 + np.arange(n) / 1000, 0.1),
            "status": OK,
        }
        | measured_columns(n)
        | columns
    )


def small_run(
    folder: Path,
    table: pd.DataFrame,
    *,
    classes: Sequence[str] = CLASSES,
    findings: Sequence[Finding] = (),
    skipped: Sequence[Skipped] = (),
    images: int = 6,
    name: str = "small",
) -> RunFolder:
    """Writes a finished run.

    Args:
        folder: where; must not exist. Runs in folders of different names have different weights.
        table: its predictions.
        classes: class names in index order.
        findings: what the audit found.
        skipped: what it could not examine.
        images: how many failures have their image and a map.
        name: of the audit.
    """
    store = RunFolder.begin(folder)
    path = store.path / "predictions.parquet"
    table.to_parquet(path, index=False)
    analysis = find_failures(path, classes, attribute_columns(table.columns))
    shown = analysis.usable.loc[analysis.failures[:images]]
    store.write_result(
        AuditResult(
            run=RunInfo(
                id=f"{folder.name}-20260102T030405Z",
                name=name,
                created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
                auditor_version="0.1.0",
                status="complete",
            ),
            provenance=Provenance(
                model=ModelProvenance(
                    adapter="python", sha256=(64 * folder.name)[:64], target_layer="last"
                ),
                data=DataProvenance(adapter="manifest", sha256="d" * 64, n_samples=len(table)),
                config=CONFIG | {"name": name},
                environment={"python": "3.11.7"},
                seed=0,
            ),
            summary=analysis.summary.model_copy(update={"n_explained": len(shown)}),
            classes=analysis.classes,
            confusion=analysis.confusion,
            slices=[],
            findings=list(findings),
            skipped=list(skipped),
            unusable=analysis.unusable,
            explanations=_explanations(store, shown),
            gate="alert",
        )
    )
    return store.finish()


def _explanations(store: RunFolder, shown: pd.DataFrame) -> ExplanationsRecord:
    rng = np.random.default_rng(3)
    images, maps, records = [], [], []
    for k, row in enumerate(shown.itertuples()):
        pixels = rng.integers(60, 200, (8, 8, 3), dtype=np.uint8)
        cam = rng.random((4, 4)).astype(np.float32)
        images.append({"sample": row.sample, "image": _jpeg(pixels), "width": 64, "height": 64})
        maps.append(
            {
                "sample": row.sample,
                "target": row.predicted,
                "role": "predicted",
                "mass": float(cam.sum()),
                "cam": cam.tobytes(),
                "cam_height": 4,
                "cam_width": 4,
                "overlay": _jpeg(255 - pixels),
                "guided": None,
            }
        )
        records.append(
            MapRecord(
                sample=str(row.sample),
                target=str(row.predicted),
                role="predicted",
                map=f"explanations/maps-00000.parquet#{k}",
                image=f"explanations/images-00000.parquet#{k}",
                mass=float(cam.sum()),
            )
        )
    for stem, rows in (("images", images), ("maps", maps)):
        if rows:
            ShardWriter(store.explanations, stem).write(pa.Table.from_pylist(rows))
    return ExplanationsRecord(
        explainer="guided-grad-cam",
        preflight=PreflightRecord(status="valid", reason="every activation is a ReLU"),
        failures=records,
    )


def _jpeg(pixels: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).resize((64, 64)).save(stream, "JPEG")
    return stream.getvalue()
