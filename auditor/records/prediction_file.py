"""Whether ``predictions.parquet`` of a finished run is what its result needs, checked where it is opened.

A file that was damaged, or written by another hand, is a usage error with one message.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from auditor.errors import DataError
from auditor.records.explanations import MapRecord
from auditor.records.predictions import (
    CONFIDENCE,
    LABEL,
    LOSS,
    PREDICTED,
    REQUIRED,
    SAMPLE,
    STATUS,
    probability_column,
    sample_columns,
    usable_rows,
)
from auditor.records.result import AuditResult
from auditor.records.stored_predictions import StoredPredictions

_RESTORE = "restore it from a backup, or audit again"
_NUMBERS = (CONFIDENCE, LOSS)


def require_predictions(path: Path, result: AuditResult) -> None:
    """Checks the predictions of a finished run.

    Args:
        path: ``predictions.parquet`` of the run.
        result: its ``audit.json``.

    Raises:
        DataError: the file is missing or unreadable, lacks columns, or holds samples, labels or numbers
            that the result does not allow.
    """
    if not path.is_file():
        raise DataError(
            f"{path}: expected the predictions of a finished run; they are missing: copy the whole "
            "run folder again"
        )
    try:
        table = _read(path, result)
    except (pa.ArrowException, OSError, UnicodeDecodeError, ValueError) as error:
        first = next(iter(str(error).splitlines()), "")
        raise DataError(f"{path}: expected a readable Parquet file; {first}: {_RESTORE}") from error
    for fault in _faults(table, result):
        raise DataError(f"{path}: {fault}: {_RESTORE}")


def _read(path: Path, result: AuditResult) -> pd.DataFrame:
    with pq.ParquetFile(path) as file:
        return _columns(path, StoredPredictions(file, checked=True), result)


def _columns(path: Path, stored: StoredPredictions, result: AuditResult) -> pd.DataFrame:
    names = stored.names
    lacking = [name for name in REQUIRED if name not in names]
    if lacking:
        raise DataError(
            f"{path}: expected the columns {', '.join(REQUIRED)}; it lacks {', '.join(lacking)}: "
            f"{_RESTORE}"
        )
    twice = [str(name) for name, n in Counter(names).items() if n > 1]
    if twice:
        raise DataError(
            f"{path}: expected every column once; {twice[0]!r} occurs more than once: {_RESTORE}"
        )
    columns = sample_columns(names)
    if result.decision.task == "multi-label":
        scores = [probability_column(label) for label in result.decision.positive]
        missing = [name for name in scores if name not in names]
        if missing:
            raise DataError(
                f"{path}: expected the column {missing[0]!r}; it is missing: {_RESTORE}"
            )
        columns += scores
    return stored.table(columns)


def _faults(table: pd.DataFrame, result: AuditResult) -> Iterator[str]:
    for name in REQUIRED:
        column = table[name]
        if name in _NUMBERS:
            if not pd.api.types.is_numeric_dtype(column):
                yield f"{name}: expected numbers; got {column.dtype}"
                return
        elif not isinstance(column.dtype, pd.StringDtype):
            known = column.dropna()
            wrong = known[~known.map(lambda cell: isinstance(cell, str)).astype(bool)]
            if len(wrong):
                yield f"{name}: expected text; got {type(wrong.iloc[0]).__name__}"
                return
    if table[[SAMPLE, STATUS]].isna().any(axis=None):
        yield "expected an id and a status for every sample; some are missing"
    twice = table[SAMPLE][table[SAMPLE].duplicated()]
    if len(twice):
        yield f"expected every sample once; {twice.iloc[0]!r} occurs more than once"
    usable = table[usable_rows(table)]
    numbers = usable[list(_NUMBERS)].to_numpy(dtype=np.float64)
    if not np.isfinite(numbers).all():
        yield "confidence, loss: expected finite numbers for evaluated samples; some are missing"
    elif len(numbers) and (numbers[:, 0].min() < 0 or numbers[:, 0].max() > 1 + 1e-6):
        yield "confidence: expected probabilities from 0 to 1; some are not"
    yield from _labels(usable, result)
    yield from _samples_of_result(table, result)


def _labels(usable: pd.DataFrame, result: AuditResult) -> Iterator[str]:
    several = result.decision.task == "multi-label"
    known = set(result.decision.positive if several else (one.name for one in result.classes))
    for name in (LABEL, PREDICTED):
        for cell in usable[name].unique():
            names = _label_set(cell) if several else [cell]
            if names is None or not known.issuperset(names):
                yield f"{name}: expected classes of audit.json; got {str(cell)[:80]!r}"
                return


def _label_set(cell: object) -> list[str] | None:
    try:
        names = json.loads(str(cell))
    except (ValueError, RecursionError):
        return None
    if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
        return None
    return names


def _samples_of_result(table: pd.DataFrame, result: AuditResult) -> Iterator[str]:
    """Samples whose maps the documents show, and that were not evaluated here."""
    several = result.decision.task == "multi-label"
    maps = result.explanations

    def named(record: MapRecord) -> str:
        return record.sample.rpartition(" · ")[0] if several else record.sample

    wanted = {named(one) for one in (*maps.failures, *maps.contrasts)}
    ids = set(table.loc[usable_rows(table) & table[SAMPLE].isin(wanted).to_numpy(), SAMPLE])
    for place, records in (("failures", maps.failures), ("contrasts", maps.contrasts)):
        for position, record in enumerate(records):
            if named(record) not in ids:
                yield (
                    f"expected the sample {record.sample[:80]!r}, which audit.json names at "
                    f"explanations.{place}.{position}.sample; it is not among the evaluated ones"
                )
                return
