"""Run folders and shards in which a link, a named pipe or an empty folder is where no audit wrote one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from builders.sharded_audits import shard, write_audit
from builders.small_runs import predictions, small_run
from typer.testing import CliRunner, Result

import auditor
from auditor.cli import app
from auditor.engines.merge import merge
from auditor.engines.shard import read_record
from auditor.errors import DataError
from auditor.manifest import EXPLANATIONS, read_manifest, record_rendering, write_manifest
from auditor.report import documents
from auditor.resume_state import read_state
from auditor.review_log import DECISIONS, add_decision
from auditor.run_folder import RunFolder
from auditor.verification import verify

MAPS = f"{EXPLANATIONS}/maps-00000.parquet"
SECONDS = 60
"""Whatever takes longer waits for somebody to write to a pipe."""


@pytest.fixture(autouse=True)
def _no_endless_wait() -> Iterator[None]:
    def end(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    table = predictions(90, wrong=range(0, 90, 7))
    return small_run(tmp_path_factory.mktemp("runs") / "run", table).path


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    copy = Path(shutil.copytree(finished, tmp_path / "run"))
    (copy / "report.html").write_text("<p>")
    write_manifest(copy)
    return copy


def _pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def _link_out(path: Path) -> None:
    """The same file, out of the run, behind a link."""
    run = path.parent.parent if path.parent.name in {EXPLANATIONS, "predictions"} else path.parent
    outside = run.with_name(f"outside-{path.name}")
    if path.exists():
        path.rename(outside)
    else:
        outside.write_text("{}")
    path.symlink_to(outside)


def _dangling(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to("nowhere")


REPLACE: dict[str, Callable[[Path], None]] = {
    "pipe": _pipe,
    "link": _link_out,
    "dangling": _dangling,
}
NAMED = {"pipe": "a named pipe", "link": "a symbolic link", "dangling": "a symbolic link"}
READ = ("audit.json", "manifest.json", "predictions.parquet", MAPS)
WRITTEN = (DECISIONS, "about.json", "previous.json", "report.html", "manifest.json.partial")


def _invoke(command: str, run: Path, other: Path) -> Result:
    key = run.with_name("private.pem")
    arguments = {
        "verify": [],
        "render": ["--format", "json"],
        "review": ["--no-browser", "--finding", "x", "--decision", "accept"],
        "selftest": ["--seconds", "0", "--quiet"],
        "compare": [str(other), "--quiet", "--out", str(run.with_name("compared"))],
        "sign": ["--key", str(key)],
    }
    if command == "sign":
        make = ["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(key)]
        subprocess.run(make, check=True)
    return CliRunner().invoke(app, [command, str(run), *arguments[command]])


@pytest.mark.parametrize("kind", REPLACE)
@pytest.mark.parametrize("name", [*READ, *WRITTEN])
@pytest.mark.parametrize("command", ["render", "review", "selftest", "compare", "sign"])
def test_command_on_a_run_with_something_else_than_files_is_refused(
    command: str, name: str, kind: str, run: Path, finished: Path
) -> None:
    REPLACE[kind](run / name)
    beside = {one: one.read_bytes() for one in run.parent.glob("outside-*")}
    done = _invoke(command, run, finished)
    text = " ".join(done.output.split())
    assert done.exit_code == 2, text
    assert f"{name}: expected a regular file; it is {NAMED[kind]}" in text
    assert beside == {one: one.read_bytes() for one in run.parent.glob("outside-*")}
    assert not [one for one in run.parent.iterdir() if one.suffix == ".sig"]


@pytest.mark.parametrize("kind", REPLACE)
@pytest.mark.parametrize("name", [*READ, "report.html"])
def test_verify_names_a_file_that_is_none_any_more(name: str, kind: str, run: Path) -> None:
    REPLACE[kind](run / name)
    if name == "manifest.json":
        with pytest.raises(DataError, match=rf"manifest\.json: .* it is {NAMED[kind]}"):
            verify(run)
        return
    found = verify(run)
    assert found.altered == (name,)
    assert (found.missing, found.added) == ((), ())


@pytest.mark.parametrize("kind", REPLACE)
def test_verify_names_what_was_added_to_a_run(kind: str, run: Path) -> None:
    REPLACE[kind](run / "added.json")
    REPLACE[kind](run / EXPLANATIONS / "more.parquet")
    assert verify(run).added == ("added.json", f"{EXPLANATIONS}/more.parquet")


def test_verify_names_added_folders_and_links_to_folders(run: Path) -> None:
    (run / "empty" / "inner").mkdir(parents=True)
    (run / "filled").mkdir()
    (run / "filled" / "note.txt").touch()
    (run / "itself").symlink_to(".", target_is_directory=True)
    (run / EXPLANATIONS / "elsewhere").symlink_to(run.parent, target_is_directory=True)
    done = CliRunner().invoke(app, ["verify", str(run)])
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("added")]
    added = ["empty/inner/", f"{EXPLANATIONS}/elsewhere", "filled/note.txt", "itself"]
    assert (done.exit_code, lines) == (1, [["added", name] for name in added])
    assert "intact" not in done.stdout


def test_verify_a_folder_in_the_place_of_a_file_is_altered(run: Path) -> None:
    (run / "report.html").unlink()
    (run / "report.html").mkdir()
    found = verify(run)
    assert (found.altered, found.missing, found.added) == (("report.html",), (), ())


def test_verify_a_folder_whose_files_were_removed_names_these_alone(run: Path) -> None:
    names = sorted(name for name in read_manifest(run).files if name.startswith(EXPLANATIONS))
    for name in names:
        (run / name).unlink()
    found = verify(run)
    assert (sorted(found.missing), found.added) == (names, ())


def test_verify_a_run_without_maps_is_intact(tmp_path: Path) -> None:
    table = predictions(20)
    assert verify(small_run(tmp_path / "run", table).path).ok
    assert (tmp_path / "run" / EXPLANATIONS).is_dir()


def test_folders_of_documents_are_removed_with_the_last_of_them(run: Path) -> None:
    (run / "failures").mkdir()
    (run / "failures" / "page-2.html").write_text("<p>")
    write_manifest(run)
    with record_rendering(run):
        (run / "failures" / "page-2.html").unlink()
    assert verify(run).ok
    (run / "failures").mkdir()
    (run / "failures" / "page-2.html").write_text("<p>")
    (run / "failures" / "notes.txt").touch()
    documents.remove(run)
    assert [one.name for one in (run / "failures").iterdir()] == ["notes.txt"]
    (run / "failures" / "notes.txt").rename(run / "failures" / "page-2.html")
    documents.remove(run)
    assert not (run / "failures").exists()


def test_seal_of_a_run_with_a_link_is_that_of_the_shell_recipe(run: Path) -> None:
    _link_out(run / "report.html")
    recipe = (
        "find . -type f ! -path ./manifest.json -printf '%P\\0' | LC_ALL=C sort -z | "
        "xargs -0 sha256sum | sha256sum | cut -c-64"
    )
    page = " ".join(Path("docs/signing.md").read_text(encoding="utf-8").split())
    assert f"seal=$({recipe})" in page
    made = subprocess.run(
        ["bash", "-c", recipe], cwd=run, capture_output=True, text=True, check=True
    )
    assert verify(run).full_seal == made.stdout.strip()


@pytest.mark.parametrize("kind", REPLACE)
def test_result_in_python_of_a_run_with_a_link_or_pipe_is_refused(kind: str, run: Path) -> None:
    result = auditor.AuditResult.load(run)
    REPLACE[kind](run / "predictions.parquet")
    wanted = rf"predictions\.parquet: expected a regular file; it is {NAMED[kind]}"
    for read in (
        lambda: auditor.AuditResult.load(run),
        lambda: result.predictions,
        lambda: result.render("json"),
        lambda: result.save(run.with_name("copy")),
    ):
        with pytest.raises(DataError, match=wanted):
            read()
    assert not run.with_name("copy").exists()


def test_decision_is_not_read_from_a_pipe(run: Path) -> None:
    _pipe(run / DECISIONS)
    with pytest.raises(DataError, match="it is a named pipe"):
        add_decision(run, "x", "accept", reason="r", reviewer="n")


@pytest.mark.parametrize("kind", REPLACE)
@pytest.mark.parametrize(
    "name", ["shard.json", "manifest.json", "resume.parquet", "predictions/part-00000.parquet"]
)
def test_merge_of_a_shard_with_a_link_or_pipe_is_refused(
    name: str, kind: str, tmp_path: Path
) -> None:
    made = shard(write_audit(tmp_path / "audit"), tmp_path / "run", "1/1")
    REPLACE[kind](made / name)
    with pytest.raises(DataError, match=rf"{name}: expected a regular file; it is {NAMED[kind]}"):
        merge([made])
    assert not (tmp_path / "run.unfinished").exists()


@pytest.mark.parametrize("name", ["predictions/part-00000.parquet", "predictions.partial", "x"])
def test_resume_in_a_folder_with_a_pipe_is_refused(name: str, tmp_path: Path) -> None:
    made = shard(write_audit(tmp_path / "audit"), tmp_path / "run", "1/1")
    unfinished = merge([made]).folder
    _pipe(unfinished / name)
    for again in (
        lambda: RunFolder.begin(tmp_path / "run", resume=True),
        lambda: merge([made]),
        lambda: shard(tmp_path / "audit" / "audit.yaml", tmp_path / "run", "1/1", resume=True),
    ):
        with pytest.raises(DataError, match=rf"{name}: expected a regular file"):
            again()


def test_state_is_not_read_from_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "resume.parquet")
    assert read_state(RunFolder(tmp_path, tmp_path)) is None
    os.mkfifo(tmp_path / "shard.json")
    with pytest.raises(DataError, match="it is a named pipe"):
        read_record(tmp_path)
