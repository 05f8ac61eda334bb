from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from auditor.errors import DataError, OutputExistsError
from auditor.run_folder import RunFolder, ShardWriter


def finished(folder: Path) -> RunFolder:
    run = RunFolder.begin(folder)
    (run.path / "audit.json").write_text("{}")
    return run.finish()


def test_finish_renames_the_complete_run(tmp_path: Path) -> None:
    run = RunFolder.begin(tmp_path / "run")
    assert not run.final.exists()
    assert "not finished" in (run.path / "UNFINISHED.txt").read_text()
    ShardWriter(run.predicted).write(pa.table({"sample": ["a", "b"]}))
    run.merge_predictions(1)
    (run.path / "audit.json").write_text("{}")
    done = run.finish()
    assert done.path == tmp_path / "run"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert {path.name for path in done.path.iterdir()} == {
        "audit.json", "explanations", "manifest.json", "predictions.parquet",
    }  # fmt: skip
    assert pq.read_table(done.path / "predictions.parquet").to_pydict() == {"sample": ["a", "b"]}


def test_begin_finished_run_is_replaced_only_with_overwrite(tmp_path: Path) -> None:
    finished(tmp_path / "run")
    with pytest.raises(OutputExistsError, match="--overwrite"):
        RunFolder.begin(tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    again = RunFolder.begin(tmp_path / "run", overwrite=True)
    (again.path / "audit.json").write_text('{"again": true}')
    assert (again.finish().path / "audit.json").read_text() == '{"again": true}'
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_begin_folder_with_other_files_raises_and_keeps_them(tmp_path: Path) -> None:
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "beach.jpg").touch()
    with pytest.raises(OutputExistsError, match="contains other files"):
        RunFolder.begin(tmp_path / "holiday", overwrite=True)
    assert (tmp_path / "holiday" / "beach.jpg").exists()


def test_open_other_than_finished_run_raises(tmp_path: Path) -> None:
    run = RunFolder.begin(tmp_path / "run")
    with pytest.raises(DataError, match="unfinished"):
        RunFolder.open(run.path)
    with pytest.raises(DataError, match=r"no audit\.json"):
        RunFolder.open(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "expected JSON"),
        ('{"schema_version": 99}', "got 99"),
        ('{"schema_version": 1}', "run"),
    ],
)
def test_read_result_unknown_content_raises(tmp_path: Path, text: str, message: str) -> None:
    run = finished(tmp_path / "run")
    (run.path / "audit.json").write_text(text)
    with pytest.raises(DataError, match=message):
        run.read_result()
