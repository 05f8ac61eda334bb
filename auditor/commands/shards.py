"""One shard of an audit: what ``auditor run --shard`` does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from auditor.console import line
from auditor.exit_codes import out as out_console

if TYPE_CHECKING:
    from auditor.config import AuditConfig
    from auditor.engines.shard import Shard
    from auditor.progress import Progress


def compute_shard(
    settings: AuditConfig,
    final: Path,
    shard: Shard,
    overwrite: bool,
    resume: bool,
    progress: Progress,
) -> None:
    """Computes one shard, and prints its folder and what comes next."""
    from auditor.engines.shards import run_shard

    folder = run_shard(
        settings, final, shard, overwrite=overwrite, resume=resume, progress=progress
    )
    out_console.print(line(f"shard {shard}: {folder.path}"), soft_wrap=True)
