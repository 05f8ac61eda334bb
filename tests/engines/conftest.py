"""An audit with several small blocks, computed in one process and as shards."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders.sharded_audits import BLOCK, Sharded, shard, write_audit

from auditor import blocks
from auditor.config import AuditConfig
from auditor.runner import run


@pytest.fixture(autouse=True, scope="module")
def _small_blocks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "PREDICTED_SAMPLES", BLOCK)
        patch.setattr(blocks, "EXPLAINED_SAMPLES", BLOCK)
        yield


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> Sharded:
    folder = tmp_path_factory.mktemp("sharded")
    config = write_audit(folder / "audit")
    alone = run(AuditConfig.load(config), folder / "alone").path
    shards = [shard(config, folder / "run", f"{k}/3") for k in (2, 1, 3)]
    return Sharded(config, alone, shards)


@pytest.fixture
def copies(sharded: Sharded, tmp_path: Path) -> list[Path]:
    """Copies of the three shards, which a test may change."""
    return [Path(shutil.copytree(one, tmp_path / one.name)) for one in sharded.shards]
