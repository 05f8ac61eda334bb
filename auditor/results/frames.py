"""The tables of a run as pandas frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from auditor.errors import DataError
from auditor.manifest import PREDICTIONS
from auditor.records import AuditResult, Effect, Estimate, SliceKey
from auditor.records.predictions import LABEL, LOSS, PREDICTED, SAMPLE, usable_rows
from auditor.run_folder import RunFolder

_FINDINGS = (
    *("severity", "verdict", "check", "kind", "title", "slice", "effect", "unit", "value"),
    *("low", "high", "p_value", "q_value", "support", "samples", "action"),
)
_SLICES = (
    *("slice", "attributes", "label", "support", "n_failures", "error_rate", "error_rate_low"),
    *("error_rate_high", "gap", "gap_low", "gap_high", "p_value", "q_value", "computed"),
)


def findings(result: AuditResult) -> pd.DataFrame:
    """One row per finding, in the order of the report; the index is the id of the finding."""
    rows = [
        {
            **one.model_dump(include={*_FINDINGS} - {"slice", "effect", "samples"}),
            "slice": str(one.slice),
            **_effect(one.effect),
            "samples": tuple(one.samples),
        }
        for one in result.findings
    ]
    index = pd.Index([one.id for one in result.findings], name="id", dtype=object)
    return pd.DataFrame(rows, index=index, columns=list(_FINDINGS))


def slices(result: AuditResult) -> pd.DataFrame:
    """One row per slice, in the order of the result."""
    rows = [
        {
            **one.model_dump(include={*_SLICES} - {"slice", "error_rate", "gap"}),
            "slice": str(SliceKey(attributes=one.attributes, label=one.label)),
            **_numbers("error_rate", one.error_rate),
            **_numbers("gap", one.gap),
        }
        for one in result.slices
    ]
    return pd.DataFrame(rows, columns=list(_SLICES))


def predictions(run: RunFolder) -> pd.DataFrame:
    """The columns of ``predictions.parquet``; the index is the id of the sample.

    Raises:
        DataError: the file is missing or can't be read.
    """
    path = run.path / PREDICTIONS
    try:
        table: pd.DataFrame = pq.read_table(path).to_pandas()
    except (OSError, ValueError) as error:  # pyarrow's errors are ValueErrors
        reason = " ".join(str(error).split())
        raise DataError(
            f"{path}: expected the predictions of the run; {reason[:200]}: restore it from a backup"
        ) from error
    return table.set_index(SAMPLE)


def failures(table: pd.DataFrame) -> pd.DataFrame:
    """The samples that were evaluated and whose prediction is not their label."""
    failed = usable_rows(table) & (table[LABEL] != table[PREDICTED]).to_numpy(dtype=np.bool_)
    return table[failed].sort_values(LOSS, ascending=False, kind="stable")


def _effect(effect: Effect | None) -> dict[str, Any]:
    if effect is None:
        return dict.fromkeys(("effect", "unit", "value", "low", "high"))
    return {"effect": effect.name, **effect.model_dump(include={"unit", "value", "low", "high"})}


def _numbers(name: str, estimate: Estimate | None) -> dict[str, float]:
    found = (np.nan,) * 3 if estimate is None else (estimate.value, estimate.low, estimate.high)
    return dict(zip((name, f"{name}_low", f"{name}_high"), found, strict=True))
