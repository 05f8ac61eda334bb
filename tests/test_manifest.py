from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from builders.small_runs import predictions, small_run

from auditor.errors import DataError
from auditor.manifest import read_manifest, record_rendering, write_manifest
from auditor.run_folder import RunFolder
from auditor.verification import verify


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    table = predictions(90, wrong=range(0, 90, 7))
    return small_run(tmp_path_factory.mktemp("runs") / "run", table).path


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> RunFolder:
    shutil.copytree(finished, tmp_path / "run")
    (tmp_path / "run" / "report.html").write_text("<p>")
    store = RunFolder.open(tmp_path / "run")
    write_manifest(store.path)
    return store


def test_write_manifest_lists_the_sha256_of_every_file(tmp_path: Path) -> None:
    (tmp_path / "audit.json").write_text("{}")
    (tmp_path / "explanations").mkdir()
    (tmp_path / "explanations" / "maps-00000.parquet").write_bytes(b"maps")
    write_manifest(tmp_path)
    write_manifest(tmp_path)  # the manifest does not list itself
    assert json.loads((tmp_path / "manifest.json").read_text())["files"] == {
        "audit.json": hashlib.sha256(b"{}").hexdigest(),
        "explanations/maps-00000.parquet": hashlib.sha256(b"maps").hexdigest(),
    }


@pytest.mark.parametrize(
    ("content", "message"), [(None, "it is missing"), ("[]", "content"), ("{}", "files")]
)
def test_read_manifest_bad_file_raises(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(DataError, match=message):
        read_manifest(tmp_path)


def test_seal_equals_sha256sum_of_results_and_survives_rendering(run: RunFolder) -> None:
    names = sorted(
        path.relative_to(run.path).as_posix()
        for path in [run.path / "audit.json", *run.path.rglob("*.parquet")]
    )
    lines = "".join(
        f"{hashlib.sha256((run.path / name).read_bytes()).hexdigest()}  {name}\n" for name in names
    )
    seal = hashlib.sha256(lines.encode()).hexdigest()
    assert verify(run.path).seal == seal
    with record_rendering(run.path):
        (run.path / "report.html").write_text("<p>again")
        (run.path / "report").mkdir()
        (run.path / "report" / "page-2.html").write_text("<p>new")
    found = verify(run.path, expected_seal=seal)
    assert found.ok
    with record_rendering(run.path):
        (run.path / "report" / "page-2.html").unlink()
    assert verify(run.path, expected_seal=seal).ok
    rendered = [one.files for one in read_manifest(run.path).rendered]
    assert rendered == [["report.html", "report/page-2.html"], []]


def test_record_rendering_keeps_earlier_alterations_visible(run: RunFolder) -> None:
    (run.path / "report.pdf").write_text("page 1")
    write_manifest(run.path)
    (run.path / "report.pdf").write_text("page one")
    (run.path / "added.txt").touch()
    with record_rendering(run.path):
        (run.path / "report.html").write_text("<p>again")
    found = verify(run.path)
    assert (found.altered, found.added) == (("report.pdf",), ("added.txt",))
    (run.path / "audit.json").write_text((run.path / "audit.json").read_text() + "\n")
    with (
        pytest.raises(DataError, match=r"audit\.json: expected the file whose SHA-256"),
        record_rendering(run.path),
    ):
        pytest.fail("no document is rendered from an altered result")
