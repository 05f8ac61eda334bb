"""Merging: what is refused, that an interruption loses nothing, and that it needs no torch."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from builders.sharded_audits import Sharded, content, shard, write_audit
from typer.testing import CliRunner

from auditor import blocks
from auditor.cli import app
from auditor.config import AuditConfig
from auditor.engines import merge as merging
from auditor.engines.merge import merge
from auditor.errors import DataError, OutputExistsError
from auditor.runner import run


def test_merge_without_a_shard_names_it(copies: list[Path]) -> None:
    with pytest.raises(DataError, match="expected all 3 shards of the audit; 3/3 is missing"):
        merge(copies[:2])
    assert not (copies[0].parent / "run.unfinished").exists()


def test_merge_of_a_shard_twice_is_refused(copies: list[Path], tmp_path: Path) -> None:
    again = tmp_path / "again"
    shutil.copytree(copies[0], again)
    with pytest.raises(DataError, match=r"again: expected each shard once; .*2-of-3 is shard 2/3"):
        merge([*copies, again])


def test_merge_of_the_same_folder_twice_is_refused(copies: list[Path], tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(copies[0])
    for again in (copies[0], copies[0].parent / "." / copies[0].name, tmp_path / "link"):
        with pytest.raises(
            DataError, match="2-of-3: expected each shard once; this folder is given"
        ):
            merge([*copies, again])
    assert not (tmp_path / "run.unfinished").exists()


def test_merge_beside_a_finished_run_is_refused_unless_it_is_to_be_replaced(
    sharded: Sharded, copies: list[Path], tmp_path: Path
) -> None:
    shutil.copytree(sharded.alone, tmp_path / "run")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OutputExistsError, match="run: contains a finished run"):
        merge(copies)
    assert sorted(tmp_path.iterdir()) == before
    command = ["merge", *map(str, copies), "--overwrite"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "5 blocks of 3 shards; continue with `auditor run --resume --overwrite`" in done.stdout
    settings = AuditConfig.load(sharded.config)
    replaced = run(settings, tmp_path / "run", overwrite=True, resume=True)
    assert content(replaced.path) == content(sharded.alone)
    assert not (tmp_path / "run.unfinished").exists()


def test_merge_of_one_block_is_said_in_the_singular(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "PREDICTED_SAMPLES", 64)
        made = shard(write_audit(tmp_path / "audit"), tmp_path / "run", "1/1")
        done = CliRunner().invoke(app, ["merge", str(made)])
    assert "1 block of 1 shard; continue with `auditor run --resume`" in done.stdout


def test_merge_of_an_altered_block_is_refused(copies: list[Path]) -> None:
    block = copies[1] / "predictions" / "part-00003.parquet"
    content = bytearray(block.read_bytes())
    content[20] ^= 1
    block.write_bytes(content)
    with pytest.raises(DataError, match=r"part-00003\.parquet: expected the file whose SHA-256"):
        merge(copies)


def test_merge_without_a_block_is_refused(copies: list[Path]) -> None:
    (copies[1] / "predictions" / "part-00003.parquet").unlink()
    with pytest.raises(DataError, match=r"expected block 3; predictions/part-00003\.parquet"):
        merge(copies)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("seed=5", r"in it, seed: 0 → 5"),
        ("model.factory=tiny_network:build_other", r"model\.factory.*the weights of the model"),
    ],
)
def test_merge_of_another_audit_says_what_differs(
    sharded: Sharded, copies: list[Path], tmp_path: Path, change: str, message: str
) -> None:
    other = shard(sharded.config, tmp_path / "other", "3/3", change)
    with pytest.raises(
        DataError, match=rf"other\.predict-3-of-3: expected the same audit.*{message}"
    ):
        merge([*copies[:2], other], tmp_path / "run")


def test_merge_of_shards_of_other_numbers_is_refused(
    sharded: Sharded, copies: list[Path], tmp_path: Path
) -> None:
    other = shard(sharded.config, tmp_path / "other", "1/4")
    with pytest.raises(DataError, match="its number of shards is 4, not 3"):
        merge([*copies, other])


def test_merge_of_explanations_before_predictions_is_refused(
    sharded: Sharded, copies: list[Path], tmp_path: Path
) -> None:
    merge(copies)
    explained = shard(sharded.config, tmp_path / "run", "1/1", resume=True)
    with pytest.raises(DataError, match="merge the shards of its predictions first"):
        merge([explained], tmp_path / "elsewhere")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("elsewhere")]


@pytest.mark.parametrize("folder", ["nowhere", "run.predict-1-of-3.unfinished", "empty"])
def test_merge_of_other_folders_is_refused(folder: str, tmp_path: Path) -> None:
    if folder != "nowhere":
        (tmp_path / folder).mkdir()
    with pytest.raises(DataError, match="expected"):
        merge([tmp_path / folder])


@pytest.mark.parametrize("n_copied", range(6))
def test_interrupted_merge_is_completed_by_the_next(
    copies: list[Path], monkeypatch: pytest.MonkeyPatch, n_copied: int
) -> None:
    copy = merging._copy
    done: list[Path] = []

    def interrupted(source: Path, target: Path, digest: str) -> None:
        if len(done) == n_copied:
            target.parent.mkdir(exist_ok=True)
            target.with_suffix(".partial").write_bytes(b"half")
            raise KeyboardInterrupt
        copy(source, target, digest)
        done.append(target)

    with monkeypatch.context() as patch:
        patch.setattr(merging, "_copy", interrupted)
        with pytest.raises(KeyboardInterrupt):
            merge(copies)
    merged = merge(copies).folder
    found = sorted(path.name for path in merged.rglob("*.parquet"))
    parts = [f"part-{k:05d}.parquet" for k in range(5)]
    assert found == [*parts, "predictions.parquet", "resume.parquet"]
    assert sorted(path.name for path in merged.parent.iterdir()) == sorted(
        [*(one.name for one in copies), "run.unfinished"]
    )


def test_merge_command_needs_no_torch(copies: list[Path]) -> None:
    code = (
        "import sys\nfrom auditor.cli import app\n"
        "try:\n    app(['merge', *sys.argv[1:]])\n"
        "except SystemExit as left:\n    assert not left.code\n"
        "assert 'torch' not in sys.modules"
    )
    # Its blocks are those of this process, which are smaller.
    small = "from auditor import blocks\nblocks.PREDICTED_SAMPLES = blocks.EXPLAINED_SAMPLES = 8\n"
    done = subprocess.run(
        [sys.executable, "-c", small + code, *map(str, copies)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "5 blocks of 3 shards" in done.stdout


def test_merge_command_reports_a_missing_shard(copies: list[Path]) -> None:
    done = CliRunner().invoke(app, ["merge", str(copies[0])])
    assert done.exit_code == 2
    assert "1/3 and 3/3 are missing" in done.stderr


def test_merge_warns_of_shards_with_another_number_of_threads(
    sharded: Sharded, copies: list[Path], tmp_path: Path
) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        other = shard(sharded.config, tmp_path / "other" / "run", "3/3")
    finally:
        torch.set_num_threads(threads)
    [third] = [one for one in copies if one.name.endswith("3-of-3")]
    merged = merge([other if one == third else one for one in copies], tmp_path / "run")
    [warning] = merged.warnings
    assert f"threads: {threads} → {threads + 1}: the last bits of numbers may differ" in warning
    assert "run.predict-3-of-3" in warning
