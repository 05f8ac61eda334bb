"""Processes of torchrun: each finds its rank, and together they have the result of one process."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from builders.sharded_audits import Sharded, content, small_blocks

from auditor.config import AuditConfig
from auditor.engines.shard import Shard
from auditor.engines.torchrun import Rank, this_rank, with_own_device
from auditor.errors import ConfigError

_TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2")


def test_rank_of_torchrun_is_found() -> None:
    environment = {"RANK": "5", "LOCAL_RANK": "1", "WORLD_SIZE": "8"}
    found = this_rank(environment)
    assert found == Rank(5, 1, 8, restarted=False)
    assert found.shard == Shard(6, 8)
    again = this_rank(environment | {"TORCHELASTIC_RESTART_COUNT": "1"})
    assert again == Rank(5, 1, 8, restarted=True)


@pytest.mark.parametrize("environment", [{}, {"RANK": "0"}, {"RANK": "0", "WORLD_SIZE": "1"}])
def test_process_alone_has_no_rank(environment: dict[str, str]) -> None:
    assert this_rank(environment) is None


@pytest.mark.parametrize("rank", ["2", "-1", "x"])
def test_rank_out_of_range_is_refused(rank: str) -> None:
    with pytest.raises(ConfigError, match="expected RANK from 0 to WORLD_SIZE - 1"):
        this_rank({"RANK": rank, "WORLD_SIZE": "2"})


@pytest.mark.parametrize(
    ("n_gpus", "given", "expected"),
    [
        (4, "cuda", "cuda:3"),
        (2, "auto", "cuda:1"),
        (1, "cuda", "cuda"),
        (4, "cpu", "cpu"),
        (0, "auto", "auto"),
    ],
)
def test_each_process_of_a_machine_takes_its_own_gpu(
    sharded: Sharded, monkeypatch: pytest.MonkeyPatch, n_gpus: int, given: str, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: n_gpus)
    config = AuditConfig.load(sharded.config, [f"device={given}"])
    assert with_own_device(config, Rank(7, 3, 8, restarted=False)).device == expected


@pytest.mark.slow
def test_torchrun_equals_one_process(sharded: Sharded, tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = small_blocks(["run", str(sharded.config), "--out", str(out)], *_TORCHRUN)
    outcome = json.loads((sharded.alone / "audit.json").read_text(encoding="utf-8"))["outcome"]
    assert outcome["state"] == "fails"
    assert done.returncode == 1, done.stderr  # of rank 0: the audit does not pass
    assert done.stdout.count("outcome: does not pass") == 1
    assert content(out) == content(sharded.alone)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
