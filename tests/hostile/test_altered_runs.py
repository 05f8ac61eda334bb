"""Commands that read a run folder check its files against the manifest before they read them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
from builders.small_runs import predictions, small_run
from typer.testing import CliRunner, Result

from auditor.cli import app
from auditor.errors import DataError
from auditor.manifest import EXPLANATIONS, write_manifest
from auditor.report.view.map_files import MapFiles
from auditor.review.server import ReviewServer
from auditor.run_folder import RunFolder

MAPS = f"{EXPLANATIONS}/maps-00000.parquet"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    table = predictions(90, wrong=range(0, 90, 7))
    return small_run(tmp_path_factory.mktemp("runs") / "run", table).path


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> RunFolder:
    return RunFolder.open(Path(shutil.copytree(finished, tmp_path / "run")))


def _alter(name: str) -> Callable[[Path], None]:
    def alter(run: Path) -> None:
        with (run / name).open("ab") as stream:
            stream.write(b"\n")

    return alter


def _remove_maps(run: Path) -> None:
    (run / MAPS).unlink()


def _add_maps(run: Path) -> None:
    shutil.copy(run / MAPS, run / EXPLANATIONS / "more.parquet")


def _add_statements(run: Path) -> None:
    (run / "about.json").write_text('{"given_at": "2026-01-01T00:00:00Z", "about": {}}')


def _unlist(run: Path) -> None:
    kept = (run / "audit.json").read_bytes()
    (run / "audit.json").unlink()
    write_manifest(run)
    (run / "audit.json").write_bytes(kept)


def _invoke(command: str, run: Path, other: Path) -> Result:
    arguments = {
        "render": ["--format", "json"],
        "review": ["--no-browser", "--finding", "x", "--decision", "accept"],
        "selftest": ["--seconds", "0", "--quiet"],
        "compare": [str(other), "--quiet", "--out", str(run.with_name("compared"))],
    }
    return CliRunner().invoke(app, [command, str(run), *arguments[command]])


CHANGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "result": (_alter("audit.json"), "audit.json"),
    "predictions": (_alter("predictions.parquet"), "predictions.parquet"),
    "maps": (_alter(MAPS), MAPS),
    "removed": (_remove_maps, MAPS),
    "added": (_add_maps, "more.parquet"),
    "statements": (_add_statements, "about.json"),
    "unlisted": (_unlist, "audit.json"),
}


CASES = [
    *product(("render", "review", "compare"), CHANGES),
    *product(("selftest",), ("result", "predictions", "unlisted")),  # it reads nothing else
]


@pytest.mark.parametrize(("command", "change"), CASES)
def test_command_on_an_altered_run_is_refused_before_it_is_read(
    command: str, change: str, run: RunFolder, finished: Path
) -> None:
    alter, name = CHANGES[change]
    alter(run.path)
    before = {one: one.read_bytes() for one in run.path.rglob("*") if one.is_file()}
    done = _invoke(command, run.path, finished)
    text = " ".join(done.output.split())
    assert done.exit_code == 2
    assert f"{name}: expected the file whose SHA-256 is in manifest.json" in text
    assert before == {one: one.read_bytes() for one in run.path.rglob("*") if one.is_file()}
    assert not (run.path.parent / "compared").exists()


def test_render_documents_that_were_altered_are_written_again(run: RunFolder) -> None:
    (run.path / "report.html").write_text("<p>")
    write_manifest(run.path)
    (run.path / "report.html").write_text("<p>passes")
    done = CliRunner().invoke(app, ["render", str(run.path), "--format", "html"])
    assert done.exit_code == 0, done.output
    assert CliRunner().invoke(app, ["verify", str(run.path)]).exit_code == 0


def test_review_does_not_serve_a_document_that_was_altered(run: RunFolder) -> None:
    (run.path / "report.html").write_text("<p>")
    write_manifest(run.path)
    server = ReviewServer.__new__(ReviewServer)
    server.folder = run.path
    assert server.document("report.html") == run.path / "report.html"
    (run.path / "report.html").write_text("<p>passes")
    assert server.document("report.html") is None


@pytest.mark.parametrize("name", ["other/maps.parquet", "explanations/../other/maps.parquet"])
def test_reference_out_of_the_folder_of_the_maps_is_refused(name: str, run: RunFolder) -> None:
    (run.path / "other").mkdir()
    shutil.copy(run.path / MAPS, run.path / "other" / "maps.parquet")
    with pytest.raises(DataError, match="refers to; it is missing"):
        MapFiles(run.path).rows([f"{name}#0"], ("image",))


def test_folder_of_the_maps_that_is_a_link_is_refused(run: RunFolder) -> None:
    (run.path / EXPLANATIONS).rename(run.path / "other")
    (run.path / EXPLANATIONS).symlink_to(run.path / "other", target_is_directory=True)
    with pytest.raises(DataError, match="refers to; it is missing"):
        MapFiles(run.path).rows([f"{MAPS}#0"], ("image",))
