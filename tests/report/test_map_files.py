from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from auditor.errors import DataError
from auditor.report.view.map_files import MapFiles


@pytest.fixture
def files(tmp_path: Path) -> MapFiles:
    table = pa.table({"sample": [f"s{place}" for place in range(10)], "n": range(10)})
    (tmp_path / "explanations").mkdir()
    pq.write_table(table, tmp_path / "explanations" / "maps.parquet", row_group_size=3)
    return MapFiles(tmp_path)


def test_rows_are_read_across_row_groups_and_missing_columns_are_none(
    files: MapFiles,
) -> None:
    rows = files.rows(
        [
            "explanations/maps.parquet#9",
            "explanations/maps.parquet#0",
            "explanations/maps.parquet#3",
            "explanations/maps.parquet#4",
        ],
        ("n", "guided"),
    )
    assert {key: row["n"] for key, row in rows.items()} == {
        "explanations/maps.parquet#0": 0,
        "explanations/maps.parquet#3": 3,
        "explanations/maps.parquet#4": 4,
        "explanations/maps.parquet#9": 9,
    }
    assert rows["explanations/maps.parquet#0"]["guided"] is None


@pytest.mark.parametrize(
    "reference",
    [
        "explanations/maps.parquet#10",
        "explanations/../../maps.parquet#0",
        "maps.parquet#0",
        "explanations/other.parquet#0",
        "explanations/maps.parquet",
        "#x",
    ],
)
def test_reference_outside_of_the_run_folder_is_refused(files: MapFiles, reference: str) -> None:
    with pytest.raises(DataError):
        files.rows([reference], ("n",))
