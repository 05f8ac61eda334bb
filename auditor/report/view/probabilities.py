"""The largest class probabilities of samples, for the enlarged view of a failure."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from auditor.records import AuditResult
from auditor.records.predictions import SAMPLE, probability_column

Probabilities = tuple[tuple[str, float], ...]
"""Classes with their probabilities, the largest first."""

MOST = 5
"""Classes that are listed at most."""


def top_probabilities(
    predictions: Path, result: AuditResult, samples: Iterable[str]
) -> dict[str, Probabilities]:
    """The classes with the largest probabilities.

    Args:
        predictions: ``predictions.parquet`` of a run.
        result: the audit.
        samples: ids of the samples.

    Returns:
        By sample, up to `MOST` classes; nothing for a multi-label task, where the confidence is all
        there is to say of a decision.
    """
    stored = set(pq.read_schema(predictions).names)
    names = [one.name for one in result.classes]
    classes = [one for one in names if probability_column(one) in stored]
    columns = [probability_column(one) for one in classes]
    if not columns or result.decision.task == "multi-label":
        return {}
    table = pq.read_table(predictions, columns=[SAMPLE, *columns])
    table = table.filter(
        pc.is_in(
            table[SAMPLE].cast(pa.string()), pa.array([str(one) for one in samples], pa.string())
        )
    )
    frame: pd.DataFrame = table.to_pandas()
    values = frame[columns].to_numpy(dtype=np.float64)
    order = np.argsort(-values, axis=1, kind="stable")[:, :MOST]
    return {
        str(sample): tuple((classes[k], float(row[k])) for k in chosen)
        for sample, row, chosen in zip(frame[SAMPLE], values, order, strict=True)
    }
