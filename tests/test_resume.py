"""Resuming: an interrupted audit ends with the result of an undisturbed one, or says what has changed."""

from __future__ import annotations

import errno
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from auditor import blocks, cli, runner, selected_samples
from auditor.config import AuditConfig
from auditor.errors import AuditAbortedError, UsageError
from auditor.progress import Advance, Silent
from auditor.results import AuditResult
from auditor.run_folder import RunFolder
from auditor.run_places import NOTICE
from auditor.stages.prediction_rows import PredictionRows
from benchmarks.kill import differences, killed_audits, without_times, write_inputs


class Interrupting(Silent):
    """Interrupts one stage after some items, and remembers the messages."""

    def __init__(self, stage: str = "", after: int = 0) -> None:
        self.messages: list[str] = []
        self._stage = stage
        self._after = after

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Advance]:
        del total
        left = self._after

        def advance(pieces: int) -> None:
            nonlocal left
            left -= pieces
            if name == self._stage and left <= 0:
                raise KeyboardInterrupt

        yield advance

    def message(self, text: str) -> None:
        self.messages.append(text)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "PREDICTED_SAMPLES", 32)
    monkeypatch.setattr(blocks, "EXPLAINED_SAMPLES", 16)


def _inputs(folder: Path) -> Path:
    """The inputs, with a configuration that costs little."""
    path = write_inputs(folder)
    raw = json.loads(path.read_text())
    raw["explain"] = {"trust_samples": 0, "units": 0}
    raw["report"] = {"formats": []}
    raw["checks"] = dict.fromkeys(("failure-regions", "region-reliance", "hidden-slices"), False)
    raw["workers"] = 0
    path.write_text(json.dumps(raw))
    return path


def _run(
    config: Path,
    progress: Silent,
    *changes: str,
    overwrite: bool = False,
    resume: bool = False,
) -> RunFolder:
    settings = AuditConfig.load(config, list(changes))
    out = config.parent / "run"
    return runner.run(settings, out, overwrite=overwrite, resume=resume, progress=progress)


@pytest.fixture(scope="module")
def _interrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an audit that was interrupted after 64 samples: two blocks of predictions."""
    folder = tmp_path_factory.mktemp("interrupted")
    (folder / "audit").mkdir()
    config = _inputs(folder / "audit")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "PREDICTED_SAMPLES", 32)
        patch.setattr(blocks, "EXPLAINED_SAMPLES", 16)
        with pytest.raises(KeyboardInterrupt, match="--resume continues it"):
            _run(config, Interrupting("predict", 64))
    shutil.copytree(folder / "audit", folder / "original")
    return folder


@pytest.fixture
def config(_interrupted: Path) -> Path:
    """The configuration of that audit, in the state in which it was interrupted."""
    shutil.rmtree(_interrupted / "audit")
    shutil.copytree(_interrupted / "original", _interrupted / "audit")
    return _interrupted / "audit" / "config.yaml"


def _contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def _other_image(folder: Path) -> None:
    Image.new("RGB", (32, 32), "red").save(folder / "images" / "005.png")


def _lost_image(folder: Path) -> None:
    (folder / "images" / "005.png").unlink()


def _repaired_image(folder: Path) -> None:
    Image.new("RGB", (32, 32), "red").save(folder / "images" / "007.png")


def _other_label(folder: Path) -> None:
    table = (folder / "labels.csv").read_text()
    table = table.replace("images/101.png,2", "images/101.png,0").replace("150.png,0", "150.png,1")
    (folder / "labels.csv").write_text(table)


def _fewer_rows(folder: Path) -> None:
    lines = (folder / "labels.csv").read_text().splitlines()
    (folder / "labels.csv").write_text("\n".join(lines[:-3]))


def _other_weights(folder: Path) -> None:
    weights = load_file(folder / "weights.safetensors")
    save_file({name: one + 1 for name, one in weights.items()}, folder / "weights.safetensors")


def _nothing(_folder: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (_nothing, ("seed=3", "explain.targets=[label]"), r"targets: .* → \[\"label\"\]; seed: 0 → 3"),
        (_nothing, ("batch_size=20",), "batch_size: 10 → 20: restore"),
        (_other_weights, (), "the weights of the model \\(SHA-256 [0-9a-f]{12}… → [0-9a-f]{12}…\\)"),
        (_other_image, (), "the image of images/005.png: restore"),
        (_lost_image, (), "the image of images/005.png: restore"),
        (_repaired_image, (), "the image of images/007.png: restore"),
        (_other_label, (), "label or attributes of 2 of 200 samples, such as images/101.png"),
        (_fewer_rows, (), "the number of samples: 200 → 197"),
    ],
)  # fmt: skip
def test_resume_after_a_change_is_refused_and_nothing_is_touched(
    change: Callable[[Path], None], options: tuple[str, ...], message: str, config: Path
) -> None:
    change(config.parent)
    unfinished = config.parent / "run.unfinished"
    before = _contents(unfinished)
    with pytest.raises(UsageError, match=message):
        _run(config, Interrupting(), *options, resume=True)
    assert _contents(unfinished) == before
    assert not (config.parent / "run.lock").exists()


def test_resume_refused_from_the_command_line_exits_with_2(config: Path) -> None:
    arguments = ["run", str(config), "--out", str(config.parent / "run"), "--resume", "--quiet"]
    done = CliRunner().invoke(cli.app, [*arguments, "--set", "seed=1"])
    assert done.exit_code == 2
    assert "changed since: seed: 0 → 1" in done.output


def test_resume_from_another_working_directory_continues(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(config.parent)
    progress = Interrupting("explain", 1)
    with pytest.raises(KeyboardInterrupt):
        _run(config, progress, resume=True)
    assert "resumed; 64 of 200 samples are predicted" in progress.messages[0]
    monkeypatch.chdir(config.parent / "images")
    again = Interrupting("explain", 1)
    with pytest.raises(KeyboardInterrupt):
        _run(config, again, resume=True)
    assert "resumed; 200 of 200 samples are predicted" in again.messages[0]


def test_resume_damaged_file_of_maps_is_computed_again(config: Path, undisturbed: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        _run(config, Interrupting("report", 1), 'report.formats=["json"]', resume=True)
    maps = config.parent / "run.unfinished" / "explanations" / "maps-00000.parquet"
    maps.write_bytes(maps.read_bytes()[:300])
    run = _run(config, Interrupting(), resume=True)
    assert [*differences(undisturbed, run.path)] == []


def _damage(path: Path, column: str) -> None:
    """Flips one bit in the pages of a column; the file can still be opened."""
    group = pq.ParquetFile(path).metadata.row_group(0)
    (chunk,) = (
        found
        for found in map(group.column, range(group.num_columns))
        if found.path_in_schema == column
    )
    data = bytearray(path.read_bytes())
    # The last byte of the chunk is a value, or an index of one.
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    data[start + chunk.total_compressed_size - 1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("file", "column"),
    [
        ("predictions/part-00001.parquet", "confidence"),
        ("predictions/part-00001.parquet", "sha256"),
        ("explanations/maps-00000.parquet", "sample"),
    ],
)
def test_resume_after_a_bit_of_a_block_has_flipped_computes_it_again(
    file: str, column: str, config: Path, undisturbed: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        _run(config, Interrupting("report", 1), 'report.formats=["json"]', resume=True)
    _damage(config.parent / "run.unfinished" / file, column)
    run = _run(config, Interrupting(), resume=True)
    assert [*differences(undisturbed, run.path)] == []


@pytest.mark.parametrize("stage", ["explain", "report"])
def test_resume_gives_the_result_of_an_undisturbed_audit(
    stage: str, config: Path, undisturbed: Path
) -> None:
    """It is interrupted again, in another stage, when another document was asked for."""
    unfinished = config.parent / "run.unfinished"
    (unfinished / "predictions" / "part-00002.partial").write_bytes(b"killed while it was written")
    (unfinished / "explanations" / "units-00000.parquet").write_bytes(b"of an earlier attempt")
    for stray in ("part-00009.parquet", "part-00000 copy.parquet"):
        shutil.copy(
            unfinished / "predictions" / "part-00000.parquet", unfinished / "predictions" / stray
        )
    again = Interrupting(stage, 40 if stage == "explain" else 1)
    with pytest.raises(KeyboardInterrupt):
        _run(config, again, 'report.formats=["json"]', resume=True)
    assert "resumed; 64 of 200 samples are predicted (2 of 7 blocks)" in again.messages[0]
    run = _run(config, Interrupting(), resume=True)
    assert [*differences(undisturbed, run.path)] == []


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, _interrupted: Path) -> Path:
    """The run of an audit that was not interrupted, of the same inputs at the same place."""
    shutil.rmtree(_interrupted / "audit")
    shutil.copytree(_interrupted / "original", _interrupted / "audit")
    shutil.rmtree(_interrupted / "audit" / "run.unfinished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "PREDICTED_SAMPLES", 32)
        patch.setattr(blocks, "EXPLAINED_SAMPLES", 16)
        run = _run(_interrupted / "audit" / "config.yaml", Interrupting())
    place = tmp_path_factory.mktemp("undisturbed") / "run"
    shutil.copytree(run.path, place)
    return place


def test_resume_nothing_to_resume_starts_from_the_beginning(config: Path) -> None:
    shutil.rmtree(config.parent / "run.unfinished")
    progress = Interrupting("predict", 1)
    with pytest.raises(KeyboardInterrupt):
        _run(config, progress, resume=True)
    assert "nothing to resume; the audit starts from the beginning" in progress.messages[0]


def test_begin_without_resume_keeps_the_finished_blocks_elsewhere(config: Path) -> None:
    before = _contents(config.parent / "run.unfinished")
    progress = Interrupting("predict", 1)
    with pytest.raises(KeyboardInterrupt):
        _run(config, progress)
    assert _contents(config.parent / "run.unfinished-1") == before
    assert "rename that folder back, and use --resume" in progress.messages[0]


def _finished(config: Path, undisturbed: Path, name: str) -> Path:
    shutil.rmtree(config.parent / "run.unfinished")
    return Path(shutil.copytree(undisturbed, config.parent / name))


def test_resume_complete_audit_is_renamed(config: Path, undisturbed: Path) -> None:
    """The process was killed when its files were complete, before the last ones were removed."""
    place = _finished(config, undisturbed, "run.unfinished")
    (place / "predictions").mkdir()
    (place / "predictions" / "part-00000.parquet").write_bytes(b"not removed yet")
    (place / "UNFINISHED.txt").write_text(NOTICE)
    progress = Interrupting("predict", 1)
    run = _run(config, progress, resume=True)
    assert _contents(run.path) == _contents(undisturbed)
    assert "only its folder is renamed" in progress.messages[0]


def test_resume_finished_audit_is_returned(config: Path, undisturbed: Path) -> None:
    place = _finished(config, undisturbed, "run")
    progress = Interrupting("predict", 1)
    assert _run(config, progress, resume=True).path == place
    assert "there is nothing to resume" in progress.messages[0]
    _other_image(config.parent)
    with pytest.raises(UsageError, match="changed since: the image of images/005"):
        _run(config, Interrupting(), resume=True)
    with pytest.raises(UsageError, match="changed since: seed: 0 → 1"):
        _run(config, Interrupting(), "seed=1", resume=True)


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
READ_ONLY = OSError(errno.EROFS, os.strerror(errno.EROFS))


@pytest.mark.parametrize(
    ("failing", "call", "error", "message", "predicted"),
    [
        # The first file is the state; then come five blocks of predictions; each of maps has three files.
        ((os, "fsync"), 3, FULL, "expected space on the disk", 96),
        ((os, "fsync"), 17, FULL, "expected space on the disk", 200),
        ((os, "fsync"), 3, READ_ONLY, "expected a place that can be written", 96),
        ((PredictionRows, "of"), 8, MemoryError(), "MemoryError", 96),
        ((selected_samples, "select_samples"), 1, MemoryError("no"), "MemoryError: no", 200),
    ],
)
def test_fault_keeps_the_finished_blocks_and_says_how_to_continue(
    failing: tuple[object, str],
    call: int,
    error: Exception,
    message: str,
    predicted: int,
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, calls = getattr(*failing), itertools.count(1)

    def fails_once(*arguments: Any, **options: Any) -> Any:
        if next(calls) == call:
            raise error
        return real(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(*failing, fails_once)
        with pytest.raises(
            AuditAbortedError, match=rf"(?s){message}.*--resume continues from there"
        ):
            _run(config, Interrupting(), resume=True)
    progress = Interrupting("predict", 1)
    with pytest.raises(KeyboardInterrupt):
        _run(config, progress, resume=True)
    assert f"resumed; {predicted} of 200 samples" in progress.messages[0]


@pytest.mark.slow
def test_result_does_not_depend_on_workers_hash_seed_or_clock(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = config.parent
    shutil.rmtree(folder / "run.unfinished")
    monkeypatch.setattr(blocks, "PREDICTED_SAMPLES", 2048)
    monkeypatch.setattr(blocks, "EXPLAINED_SAMPLES", 256)
    command = [sys.executable, "-m", "auditor", "run", str(config), "--out", str(folder / "two")]
    other = subprocess.Popen(
        [*command, "--set", "workers=2", "--quiet"],
        env=os.environ | {"PYTHONHASHSEED": "1", "OMP_NUM_THREADS": str(torch.get_num_threads())},
    )
    first = _run(config, Interrupting()).path.rename(folder / "none")
    clock = iter(range(2_000_000_000, 0, -3600))
    monkeypatch.setattr(time, "time", lambda: float(next(clock)))  # jumps back
    second = _run(config, Interrupting(), "workers=1").path
    monkeypatch.undo()
    assert other.wait(600) in {0, 1, 4}
    results = [without_times(one) for one in (first, second, folder / "two")]
    assert [one["provenance"]["config"].pop("workers") for one in results] == [0, 1, 2]
    assert json.dumps(results[0]) == json.dumps(results[1]) == json.dumps(results[2])
    seconds = AuditResult.load(second).provenance.seconds
    assert all(one >= 0 for one in seconds.values())


@pytest.mark.slow
def test_kill_at_random_moments_loses_nothing(tmp_path: Path) -> None:
    """At a time, at an operation, and at both; see `benchmarks.kill`, which does so more often."""
    found: dict[str, Any] = {one.moment: one.differences for one in killed_audits(tmp_path, 3, 1)}
    assert found == dict.fromkeys(found, ())
