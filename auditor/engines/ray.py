"""Computes blocks in actors of Ray, each of which opens the model once and holds it."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import auditor
from auditor import errors
from auditor.blocks import Blocks
from auditor.engines.block_worker import BlockWorker, ComputedBlock, Explaining, Setup
from auditor.engines.files import write_file
from auditor.engines.local import BlockComputer
from auditor.errors import AuditAbortedError, MissingDependencyError
from auditor.evaluated_samples import EvaluatedSamples
from auditor.model_opening import OpenedModel
from auditor.preparation import Prepared
from auditor.progress import Advance, Progress
from auditor.records import SampleSelection
from auditor.stages.explained_blocks import blocks_of as explained_blocks_of
from auditor.stages.explained_blocks import complete_blocks as explained
from auditor.stages.explained_blocks import fingerprints
from auditor.stages.predicted_blocks import blocks_of as predicted_blocks_of
from auditor.stages.predicted_blocks import complete_blocks as predicted

_DEATHS = 5
"""After more deaths of one actor, or at one block, the audit is aborted; usually memory runs out."""
_SWITCHED_OFF = {"RAY_USAGE_STATS_ENABLED": "0"}
"""Telemetry, as a variable of the environment."""
_LOCAL_ONLY = {
    # Lets a cluster listen on the loopback interface alone, on every system, despite its name.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # Without a dashboard, nobody reads what all of Ray's processes would report every few seconds.
    "RAY_enable_metrics_collection": "0",
    "RAY_enable_open_telemetry": "0",
    "RAY_enable_timeline": "0",
    "RAY_task_events_report_interval_ms": "0",
    "RAY_event_stats": "0",
    "RAY_debug_dump_period_milliseconds": "0",
}
"""Variables of the environment for a cluster of this computer alone."""


@dataclass(frozen=True)
class RayEngine:
    """Computes blocks in actors of a Ray cluster.

    Attributes:
        progress: says where the blocks are computed.
        actors: number of actors; None: as many as there are devices, or CPUs for the threads of each.
        address: of a running cluster; None: the one that ``RAY_ADDRESS`` names, or else one of this
            computer alone, which ends with the audit.
    """

    progress: Progress
    actors: int | None = None
    address: str | None = None

    @property
    def where(self) -> str | None:
        """Address of the running cluster; None where one is started."""
        return self.address or os.environ.get("RAY_ADDRESS") or None

    @contextmanager
    def opened(self, prepared: Prepared, opened: OpenedModel) -> Iterator[BlockComputer]:
        """See `auditor.engines.local.Engine`."""
        require_ray(self.where)
        found = _Actors(self, prepared, Setup.of(prepared, opened))
        try:
            yield found
        finally:
            found.close()


def require_ray(address: str | None) -> None:
    """Makes sure that Ray is installed; it is imported with the settings for a cluster.

    Args:
        address: of a running cluster; None: one of this computer alone will be started.

    Raises:
        MissingDependencyError: it is not.
    """
    os.environ.update(_SWITCHED_OFF if address is not None else _SWITCHED_OFF | _LOCAL_ONLY)
    with _quiet():
        try:
            import ray  # noqa: F401
        except ImportError as error:
            raise MissingDependencyError(
                f"--engine ray: expected the library Ray; {error}: install it with "
                "`pip install 'classifier-auditor[ray]'`"
            ) from error


class _Actors:
    """The actors of one audit; the cluster is started for the first block that is missing."""

    def __init__(self, engine: RayEngine, prepared: Prepared, setup: Setup) -> None:
        self._engine = engine
        self._prepared = prepared
        self._setup = setup
        self._n_actors = 0
        self._actors: list[Any] = []

    def predict(self, folder: Path, advance: Advance) -> None:
        """See `auditor.engines.local.BlockComputer`."""
        n_samples = len(self._prepared.dataset)
        done = predicted(folder, n_samples)
        self._compute(None, predicted_blocks_of(n_samples), done, folder, advance)

    def explain(
        self,
        samples: EvaluatedSamples,
        selection: SampleSelection,
        folder: Path,
        advance: Advance,
    ) -> None:
        """See `auditor.engines.local.BlockComputer`."""
        done = explained(folder, fingerprints(samples, selection))
        explaining = Explaining.of(samples, selection)
        cut = explained_blocks_of(len(selection.jobs))
        gave_up = [number for number, one in done.items() if one.gave_up]
        skipped = range(len(cut)) if gave_up else ()
        self._compute(explaining, cut, {*done, *skipped}, folder, advance)

    def close(self) -> None:
        """Ends the cluster that was started, or leaves the one that was running."""
        if self._n_actors:
            import ray

            ray.shutdown()
            self._n_actors = 0
            self._actors.clear()

    def _compute(
        self,
        explaining: Explaining | None,
        cut: Blocks,
        done: Iterable[int],
        folder: Path,
        advance: Advance,
    ) -> None:
        """Computes the blocks that are missing, and writes their files."""
        missing = [number for number in range(len(cut)) if number not in set(done)]
        for number in set(done):
            advance(len(cut.rows(number)))
        if not missing:
            return
        self._connect()
        for block in self._computed(explaining, missing):
            for text in block.said:
                self._engine.progress.message(text)
            if block.error is not None:
                name, text = block.error
                raise getattr(errors, name)(text)
            # The file with which a block is complete is the last one.
            for name, data in sorted(block.files.items(), key=lambda file: "blocks/" in file[0]):
                _require_own(name, block.number)
                write_file(data, folder / name)
            advance(len(cut.rows(block.number)))

    def _computed(
        self, explaining: Explaining | None, missing: list[int]
    ) -> Iterator[ComputedBlock]:
        """The blocks as they are finished: an actor that is idle takes the next one."""
        import ray

        with _quiet():
            self._add_actors(min(self._n_actors, len(missing)))
            shared = ray.put(explaining)
            running = {actor.ready.remote(): actor for actor in self._actors}
        waiting, n_left = iter(missing), len(missing)
        while n_left:
            [done], _ = ray.wait(list(running), num_returns=1)
            actor = running.pop(done)
            found = _result(done)
            number = next(waiting, None)
            if number is not None:
                running[actor.compute.remote(number, shared)] = actor
            if found is not None:
                n_left -= 1
                yield found

    def _add_actors(self, wanted: int) -> None:
        """Starts the actors that are missing; the cluster may have a place for some of them only later."""
        import ray

        on_gpu = self._setup.config.device == "cuda"
        kind = ray.remote(
            num_cpus=1,
            num_gpus=1 if on_gpu else 0,
            max_restarts=_DEATHS,
            max_task_retries=_DEATHS,
        )(BlockWorker)
        while len(self._actors) < wanted:
            self._actors.append(kind.remote(self._setup))

    def _connect(self) -> None:
        """Connects to a cluster, or starts one of this computer alone; keeps the one that it has."""
        if self._n_actors:
            return
        import ray

        address = self._engine.where
        threads, wanted = self._setup.threads, self._engine.actors
        cores = os.cpu_count() or 1
        with _quiet():
            if address is not None:
                ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
            else:
                os.environ["PYTHONPATH"] = _search_path()
                ray.init(
                    address="local",
                    num_cpus=max(wanted or 0, cores // threads, 1),
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                )
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        if self._setup.config.device == "cuda":
            possible = int(resources.get("GPU", 0))
        else:
            possible = int(resources.get("CPU", 1) / (threads if address else 1))
        self._n_actors = max(1, wanted or possible)
        where = address or "this computer"
        self._engine.progress.message(f"Ray: up to {self._n_actors} actors on {where}")


def _result(done: Any) -> ComputedBlock | None:
    """The block that an actor has computed; None where it has only started.

    Raises:
        AuditAbortedError: the actor has died too often.
    """
    import ray

    try:
        found: ComputedBlock | None = ray.get(done)
    except ray.exceptions.RayActorError as error:
        raise AuditAbortedError(
            f"Ray: expected an actor that computes its blocks; it died {_DEATHS + 1} times, usually because "
            "memory ran out: use fewer --actors, or a smaller batch_size"
        ) from error
    return found


def _search_path() -> str:
    """Where workers of this computer find the package: the same place as this process."""
    own = str(Path(auditor.__file__).parents[1])
    given = os.environ.get("PYTHONPATH")
    return own if not given else os.pathsep.join([own, given])


def _require_own(name: str, number: int) -> None:
    """Makes sure that an actor writes nothing but the files of its block."""
    parts = Path(name).parts
    if (
        len(parts) > 2
        or (len(parts) == 2 and parts[0] != "blocks")
        or not name.endswith(f"-{number:05d}.parquet")
    ):
        raise AuditAbortedError(
            f"Ray: expected the files of block {number}; an actor returned {name!r}"
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences what Ray logs and warns of at each start."""
    logging.getLogger("ray").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        # Ray's own modules use what it has deprecated.
        warnings.simplefilter("ignore")
        yield
