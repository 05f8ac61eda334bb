from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from builders.compared_runs import compared_runs

from auditor.comparison import compare
from auditor.errors import DataError


def test_differing_setting_is_listed_by_its_place(tmp_path: Path) -> None:
    found = compare(*compared_runs(tmp_path))
    assert [(one.place, one.before, one.after) for one in found.differences] == [
        ("model.sha256", "a" * 64, "b" * 64)
    ]


def test_altered_run_is_not_compared(tmp_path: Path) -> None:
    one, two = compared_runs(tmp_path)
    path = two.path / "predictions.parquet"
    pd.read_parquet(path).assign(confidence=1.0).to_parquet(path)
    with pytest.raises(DataError, match="it was altered or removed after the audit"):
        compare(one, two)
