from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from auditor.errors import DataError, OutputExistsError
from auditor.run_folder import RunFolder


def finished(place: Path) -> RunFolder:
    run = RunFolder.begin(place)
    (run.path / "audit.json").write_text("{}")
    return run.finish()


def test_a_run_is_built_aside_and_renamed_when_whole(tmp_path: Path) -> None:
    run = RunFolder.begin(tmp_path / "run")
    assert not run.final.exists()
    assert "not finished" in (run.path / "UNFINISHED.txt").read_text()
    run.shards("predictions").write(pa.table({"sample": ["a", "b"]}))
    run.merge_predictions()
    (run.path / "audit.json").write_text("{}")
    done = run.finish()
    assert done.path == tmp_path / "run"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert {path.name for path in done.path.iterdir()} == {
        "audit.json", "explanations", "manifest.json", "predictions.parquet",
    }  # fmt: skip
    assert pq.read_table(done.path / "predictions.parquet").to_pydict() == {"sample": ["a", "b"]}


def test_the_manifest_holds_every_files_sha256(tmp_path: Path) -> None:
    run = finished(tmp_path / "run")
    manifest = json.loads((run.path / "manifest.json").read_text())
    assert manifest["files"] == {"audit.json": hashlib.sha256(b"{}").hexdigest()}


def test_a_finished_run_is_replaced_only_when_told(tmp_path: Path) -> None:
    finished(tmp_path / "run")
    with pytest.raises(OutputExistsError, match="--overwrite"):
        RunFolder.begin(tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    again = RunFolder.begin(tmp_path / "run", overwrite=True)
    (again.path / "audit.json").write_text('{"again": true}')
    assert (again.finish().path / "audit.json").read_text() == '{"again": true}'
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_folder_that_is_no_run_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "beach.jpg").touch()
    with pytest.raises(OutputExistsError, match="something else"):
        RunFolder.begin(tmp_path / "holiday", overwrite=True)
    assert (tmp_path / "holiday" / "beach.jpg").exists()


def test_only_a_finished_run_can_be_opened(tmp_path: Path) -> None:
    run = RunFolder.begin(tmp_path / "run")
    with pytest.raises(DataError, match="unfinished"):
        RunFolder.open(run.path)
    with pytest.raises(DataError, match=r"no audit\.json"):
        RunFolder.open(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[", "expected JSON"),
        ('{"schema_version": 99}', "got 99"),
        ('{"schema_version": 1}', "run"),
    ],
)
def test_a_result_of_another_kind_is_refused(tmp_path: Path, text: str, says: str) -> None:
    run = finished(tmp_path / "run")
    (run.path / "audit.json").write_text(text)
    with pytest.raises(DataError, match=says):
        run.read_result()
