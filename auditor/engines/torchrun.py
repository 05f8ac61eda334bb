"""Audits by several processes that ``torchrun`` starts: each computes the shard of its rank.

The processes meet through the files of the shards alone, so nothing listens on the network, and whichever
process dies, what was computed is kept. The process of rank 0 merges the shards and does the rest.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from auditor.config import AuditConfig
from auditor.engines.merge import merge
from auditor.engines.shard import SHARD, Phase, Shard
from auditor.engines.shards import Task, require_free
from auditor.errors import ConfigError
from auditor.file_system import real_path
from auditor.own_files import remove_own
from auditor.phrasing import several
from auditor.progress import Progress
from auditor.run_folder import RunFolder

_EVERY = 0.2
"""Seconds between two looks at the shards of the others."""
_SAID_EVERY = 60.0
"""Seconds between two messages about them."""


@dataclass(frozen=True)
class Rank:
    """This process among those that torchrun has started.

    Attributes:
        number: from 0.
        local: the same among those of this computer.
        size: number of processes.
        restarted: whether torchrun has started them again.
    """

    number: int
    local: int
    size: int
    restarted: bool

    @property
    def shard(self) -> Shard:
        """The shard that this process computes."""
        return Shard(self.number + 1, self.size)


def this_rank(environment: Mapping[str, str] = os.environ) -> Rank | None:
    """This process among several that torchrun has started; None where it is alone.

    Raises:
        ConfigError: the variables of torchrun contradict each other.
    """
    if not {"RANK", "WORLD_SIZE"} <= environment.keys():
        return None
    given = {name: environment.get(name, "0") for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE")}
    numbers = {name: int(text) if text.isdecimal() else -1 for name, text in given.items()}
    if not 0 <= numbers["RANK"] < numbers["WORLD_SIZE"] or numbers["LOCAL_RANK"] < 0:
        found = ", ".join(f"{name}={text}" for name, text in given.items())
        raise ConfigError(
            f"environment: expected RANK from 0 to WORLD_SIZE - 1, as torchrun sets them; got {found}: start "
            "the audit with torchrun, or unset these variables"
        )
    if numbers["WORLD_SIZE"] == 1:
        return None
    restarted = environment.get("TORCHELASTIC_RESTART_COUNT", "0") != "0"
    return Rank(numbers["RANK"], numbers["LOCAL_RANK"], numbers["WORLD_SIZE"], restarted)


def compute_rank(
    config: AuditConfig,
    out: Path,
    rank: Rank,
    *,
    overwrite: bool,
    resume: bool,
    progress: Progress,
) -> bool:
    """Computes the shard of this process, of predictions and then of explanations.

    Args:
        config: all settings, with the device of this process; see `with_own_device`.
        out: the folder of the finished run.
        rank: of this process.
        overwrite: whether an earlier run in that folder is replaced in the end.
        resume: whether to continue an audit that was interrupted.
        progress: display of the progress.

    Returns:
        Whether this process is to finish the audit, with ``resume``; that of rank 0 is, after it has merged
        all shards.

    Raises:
        UsageError: configuration, data or model can't be used, or a place is taken.
        AuditAbortedError: the audit was aborted; the unfinished folder of the shard holds what was done.
    """
    out = real_path(out)
    resume = resume or rank.restarted
    if rank.number == 0:  # where it fails, torchrun ends the others
        RunFolder.require_place(out, overwrite=overwrite, resume=resume)

    def finished() -> bool:
        return not overwrite and RunFolder.is_finished(out)

    if resume and finished():
        return rank.number == 0
    if not resume:
        require_free(out, rank.shard, overwrite=overwrite)
    task = Task.open(config, out, rank.shard, progress)
    if not task.all_predicted:
        task.compute("predict", resume=resume)
        if rank.number == 0:
            _merge(out, rank, "predict", progress, overwrite=overwrite)
        else:
            _wait(
                lambda: [] if task.all_predicted or finished() else ["the merged predictions"],
                progress,
            )
            if finished():
                return False
    task.compute("explain", resume=resume)
    if rank.number == 0:
        _merge(out, rank, "explain", progress, overwrite=overwrite)
    return rank.number == 0


def with_own_device(config: AuditConfig, rank: Rank) -> AuditConfig:
    """The configuration, with a GPU for each process where there are several."""
    if config.device not in {"auto", "cuda"} or torch.cuda.device_count() < 2:
        return config
    device = f"cuda:{rank.local % torch.cuda.device_count()}"
    return config.model_copy(update={"device": device})


def _merge(out: Path, rank: Rank, phase: Phase, progress: Progress, *, overwrite: bool) -> None:
    """Merges the shards of all processes when they are complete, and removes them."""
    places = [Shard(k + 1, rank.size).place(out, phase) for k in range(rank.size)]
    _wait(lambda: [one.name for one in places if not (one / SHARD).is_file()], progress)
    for warning in merge(places, out, overwrite=overwrite).warnings:
        progress.message(warning)
    for one in places:
        remove_own(one)


def _wait(missing: Callable[[], list[str]], progress: Progress) -> None:
    """Waits until nothing is missing; where a process has died, torchrun ends the others."""
    said = time.monotonic()
    while names := missing():
        if time.monotonic() - said > _SAID_EVERY:
            progress.message(f"waiting for {several(names, 5)}")
            said = time.monotonic()
        time.sleep(_EVERY)
