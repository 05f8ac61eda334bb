"""Shards and their merge: the result is that of one process."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.sharded_audits import BLOCK, content, write_audit

from auditor import blocks
from auditor.config import AuditConfig
from auditor.engines.merge import merge
from auditor.engines.shard import Shard
from auditor.engines.shards import run_shard
from auditor.progress import Silent
from auditor.runner import run


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "PREDICTED_SAMPLES", BLOCK)
    monkeypatch.setattr(blocks, "EXPLAINED_SAMPLES", BLOCK)


def shard(config: Path, out: Path, text: str, *, resume: bool = False) -> Path:
    folder = run_shard(
        AuditConfig.load(config),
        out,
        Shard.parse(text),
        overwrite=False,
        resume=resume,
        progress=Silent(),
    )
    return folder.path


def test_merged_shards_equal_one_process(tmp_path: Path) -> None:
    config = write_audit(tmp_path / "audit")
    alone = run(AuditConfig.load(config), tmp_path / "alone").path
    out = tmp_path / "sharded"
    predicted = [shard(config, out, f"{k}/3") for k in (2, 1, 3)]
    assert [path.name for path in predicted] == [f"sharded.predict-{k}-of-3" for k in (2, 1, 3)]
    merged = merge(predicted)
    assert (merged.folder, merged.n_blocks) == (tmp_path / "sharded.unfinished", 5)
    explained = [shard(config, out, f"{k}/2", resume=True) for k in (1, 2)]
    assert merge(explained).phase == "explain"
    finished = run(AuditConfig.load(config), out, resume=True).path
    assert content(finished) == content(alone)
