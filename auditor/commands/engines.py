"""Where the blocks of ``auditor run`` are computed: in this process, by Ray, or as shards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from auditor.command_options import Engine
from auditor.console import line
from auditor.exit_codes import out as out_console

if TYPE_CHECKING:
    from auditor.config import AuditConfig
    from auditor.engines import local
    from auditor.progress import Progress
    from auditor.run_folder import RunFolder


@dataclass(frozen=True)
class Place:
    """The folder of the finished run, and what may happen to what is there."""

    final: Path
    overwrite: bool
    resume: bool


@dataclass(frozen=True)
class Where:
    """The options that say where blocks are computed, as they were given."""

    shard: str | None
    engine: Engine
    actors: int | None
    address: str | None

    def require_consistent(self) -> None:
        """Refuses options that belong to another engine.

        Raises:
            ConfigError: there are some.
        """
        from auditor.errors import ConfigError

        if self.engine is Engine.RAY:
            if self.shard is not None:
                raise ConfigError(
                    f"--shard: expected it without `--engine ray`, which computes all shards; got "
                    f"{self.shard!r}: leave one of them out"
                )
            return
        for option, value in {"--actors": self.actors, "--address": self.address}.items():
            if value is not None:
                raise ConfigError(
                    f"{option}: expected it with `--engine ray` only; got {value!r}: add that option, or "
                    "leave this one out"
                )


def run_where(
    where: Where, config: AuditConfig, place: Place, progress: Progress
) -> RunFolder | None:
    """Runs an audit, or the part of it that this process is to do.

    Returns:
        The finished run; None where this process did a part, of which the folder is printed.
    """
    from auditor import runner
    from auditor.engines.shard import Shard
    from auditor.engines.shards import run_shard
    from auditor.engines.torchrun import compute_rank, this_rank, with_own_device
    from auditor.progress import Silent

    where.require_consistent()
    final, overwrite, resume = place.final, place.overwrite, place.resume
    if where.shard is not None:
        shard = Shard.parse(where.shard)
        part = run_shard(
            config, final, shard, overwrite=overwrite, resume=resume, progress=progress
        )
        out_console.print(line(f"shard {shard}: {part.path}"), soft_wrap=True)
        return None
    rank = this_rank() if where.engine is Engine.LOCAL else None
    if rank is not None:
        config = with_own_device(config, rank)
        progress = progress if rank.number == 0 else Silent()
        if not compute_rank(
            config, final, rank, overwrite=overwrite, resume=resume, progress=progress
        ):
            return None
        resume = True
    return runner.run(
        config,
        final,
        overwrite=overwrite,
        resume=resume,
        progress=progress,
        engine=_engine(where, progress),
    )


def _engine(where: Where, progress: Progress) -> local.Engine:
    if where.engine is Engine.RAY:
        from auditor.engines.ray import RayEngine, require_ray

        found = RayEngine(progress, where.actors, where.address)
        require_ray(found.where)
        return found
    from auditor.engines.local import LocalEngine

    return LocalEngine()
