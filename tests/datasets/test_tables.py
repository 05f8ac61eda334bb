from __future__ import annotations

from pathlib import Path

import pandas as pd

from auditor.datasets.table_files import read_table
from auditor.datasets.tables import unique_ids


def test_unique_ids_path_that_resembles_an_id_stays_unique() -> None:
    assert unique_ids(["a", "a#2", "a", "a"]) == ["a", "a#2", "a#3", "a#4"]


def test_read_table_parquet_keeps_large_integers_beside_missing_ones(tmp_path: Path) -> None:
    numbers = [2**60, 2**60 + 1, None]
    path = tmp_path / "table.parquet"
    pd.DataFrame({"id": pd.array(numbers, dtype="Int64")}).to_parquet(path)
    assert read_table(path)["id"].tolist()[:2] == [2**60, 2**60 + 1]
