"""Shards: what each computes, how they are continued, and that their merge is the result of one process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from builders.sharded_audits import Sharded, content, shard

from auditor.config import AuditConfig
from auditor.engines.merge import merge
from auditor.engines.shard import Shard
from auditor.errors import ConfigError, DataError, OutputExistsError
from auditor.runner import run
from auditor.stages.predict import predict_blocks


@pytest.mark.parametrize(
    "text", ["0/2", "3/2", "1", "1/0", "-1/2", "a/b", "1/2/3", "", "1/9999999"]
)
def test_shard_that_is_no_part_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="expected i/n with 1 ≤ i ≤ n"):
        Shard.parse(text)


@pytest.mark.parametrize(("count", "total"), [(1, 5), (2, 5), (3, 5), (7, 5), (2, 0)])
def test_shards_have_each_block_once_and_as_many_as_the_others(count: int, total: int) -> None:
    parts = [list(Shard(k + 1, count).blocks(total)) for k in range(count)]
    assert sorted(number for part in parts for number in part) == list(range(total))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert all(number % count == k for k, part in enumerate(parts) for number in part)


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet"))


def test_shard_has_its_blocks_and_the_state_of_its_audit(sharded: Sharded) -> None:
    second, first, _ = sharded.shards
    assert (first.name, second.name) == ("run.predict-1-of-3", "run.predict-2-of-3")
    # 40 samples are five blocks of eight.
    blocks = ["predictions/part-00000.parquet", "predictions/part-00003.parquet"]
    assert names(first) == [*blocks, "resume.parquet"]


def test_merged_shards_equal_one_process(sharded: Sharded, copies: list[Path]) -> None:
    out = copies[0].parent / "run"
    merged = merge(copies)
    assert (merged.folder.name, merged.n_blocks) == ("run.unfinished", 5)
    explained = [shard(sharded.config, out, f"{k}/2", resume=True) for k in (2, 1)]
    assert [one.name for one in explained] == ["run.explain-2-of-2", "run.explain-1-of-2"]
    assert merge(explained).phase == "explain"
    computed = names(merged.folder / "explanations" / "blocks")
    assert computed == [f"part-{k:05d}.parquet" for k in range(5)]
    before = {name: (merged.folder / "explanations" / "blocks" / name).stat() for name in computed}
    assert merge(explained).n_blocks == 5  # once more: the same
    after = {name: (merged.folder / "explanations" / "blocks" / name).stat() for name in computed}
    assert {k: v.st_mtime_ns for k, v in before.items()} == {
        k: v.st_mtime_ns for k, v in after.items()
    }
    finished = run(AuditConfig.load(sharded.config), out, resume=True).path
    assert content(finished) == content(sharded.alone)


def test_interrupted_shard_is_continued(
    sharded: Sharded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[int] = []

    def counted(*args: Any) -> None:
        folder, numbers = args[3], args[4]
        missing = [k for k in numbers if not (folder / f"part-{k:05d}.parquet").exists()]
        computed.extend(missing)
        predict_blocks(*args)

    def interrupted(*args: Any) -> None:
        model, dataset, codes, folder, numbers, advance = args
        predict_blocks(model, dataset, codes, folder, list(numbers)[:1], advance)
        raise KeyboardInterrupt

    monkeypatch.setattr("auditor.engines.shards.predict_blocks", interrupted)
    with pytest.raises(KeyboardInterrupt, match="--resume continues"):
        shard(sharded.config, tmp_path / "run", "1/3")
    [unfinished] = tmp_path.iterdir()
    assert unfinished.name == "run.predict-1-of-3.unfinished"
    monkeypatch.setattr("auditor.engines.shards.predict_blocks", counted)
    found = shard(sharded.config, tmp_path / "run", "1/3", resume=True)
    assert computed == [3]
    expected = sharded.shards[1]
    assert {name: (found / name).read_bytes() for name in names(found)} == {
        name: (expected / name).read_bytes() for name in names(expected)
    }


def test_finished_shard_is_kept_or_replaced(sharded: Sharded, copies: list[Path]) -> None:
    out = copies[0].parent / "run"
    with pytest.raises(OutputExistsError, match="contains a finished shard"):
        shard(sharded.config, out, "2/3")
    written = (copies[0] / "shard.json").stat().st_mtime_ns
    assert shard(sharded.config, out, "2/3", resume=True) == copies[0]
    assert (copies[0] / "shard.json").stat().st_mtime_ns == written
    with pytest.raises(DataError, match=r"the same audit as the configuration.*seed: 1 → 0"):
        shard(sharded.config, out, "2/3", "seed=1", resume=True)
    assert shard(sharded.config, out, "2/3", overwrite=True) == copies[0]
    assert (copies[0] / "shard.json").stat().st_mtime_ns > written


def test_new_shard_beside_an_unfinished_audit_is_refused(
    sharded: Sharded, copies: list[Path]
) -> None:
    merge(copies)
    with pytest.raises(OutputExistsError, match="add --resume to continue with the shards"):
        shard(sharded.config, copies[0].parent / "run", "1/4")
