"""Computes blocks in actors of Ray Data, each of which holds the model."""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import auditor
from auditor import errors
from auditor.blocks import Blocks
from auditor.engines.block_worker import STATUS, BlockWorker, Explaining, Setup
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

_SLOTS = 1
"""Logical CPUs that are left to tasks of Ray Data itself, which would wait for ever beside the actors."""
_DEATHS = 5
"""After more deaths of one actor, or at one block, the audit is aborted; usually memory runs out."""
_SWITCHED_OFF = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DATA_DISABLE_PROGRESS_BARS": "1"}
"""Telemetry and displays, as variables of the environment."""
_LOCAL_ONLY = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Lets a cluster listen on the loopback interface alone, on every system, despite the variable's name."""


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
            import ray.data  # noqa: F401
        except ImportError as error:
            raise MissingDependencyError(
                f"--engine ray: expected the library Ray with Ray Data; {error}: install it with "
                "`pip install 'classifier-auditor[ray]'`"
            ) from error


class _Actors:
    """The actors of one audit; the cluster is started for the first block that is missing."""

    def __init__(self, engine: RayEngine, prepared: Prepared, setup: Setup) -> None:
        self._engine = engine
        self._prepared = prepared
        self._setup = setup
        self._n_actors = 0

    def predict(self, folder: Path, advance: Advance) -> None:
        """See `auditor.engines.local.BlockComputer`."""
        n_samples = len(self._prepared.dataset)
        done = predicted(folder, n_samples)
        self._compute(self._setup, predicted_blocks_of(n_samples), done, folder, advance)

    def explain(
        self,
        samples: EvaluatedSamples,
        selection: SampleSelection,
        folder: Path,
        advance: Advance,
    ) -> None:
        """See `auditor.engines.local.BlockComputer`."""
        done = explained(folder, fingerprints(samples, selection))
        setup = replace(self._setup, explaining=Explaining.of(samples, selection))
        cut = explained_blocks_of(len(selection.jobs))
        gave_up = [number for number, one in done.items() if one.gave_up]
        self._compute(setup, cut, {*done, *(range(len(cut)) if gave_up else ())}, folder, advance)

    def close(self) -> None:
        """Ends the cluster that was started, or leaves the one that was running."""
        if self._n_actors:
            import ray

            ray.shutdown()
            self._n_actors = 0

    def _compute(
        self, setup: Setup, cut: Blocks, done: Iterable[int], folder: Path, advance: Advance
    ) -> None:
        """Computes the blocks that are missing, and writes their files."""
        missing = [number for number in range(len(cut)) if number not in set(done)]
        for number in set(done):
            advance(len(cut.rows(number)))
        if not missing:
            return
        self._connect()
        for row in self._rows(setup, missing):
            name, data, number = row["name"], row["data"], int(row["block"])
            if name != STATUS:
                _require_own(name, number)
                write_file(data, folder / name)
                continue
            status = json.loads(data)
            for text in status["said"]:
                self._engine.progress.message(text)
            if "error" in status:
                raise getattr(errors, status["error"])(status["text"])
            advance(len(cut.rows(number)))

    def _rows(self, setup: Setup, missing: list[int]) -> Iterator[dict[str, Any]]:
        import ray

        device = setup.config.device
        with _quiet():
            # One block of the data set for each of ours, so that an idle actor takes the next one.
            items = ray.data.from_items(
                [{"block": number} for number in missing], override_num_blocks=len(missing)
            )
            computed = items.map_batches(
                BlockWorker,
                fn_constructor_args=[setup],
                batch_size=1,
                num_cpus=1,
                num_gpus=1 if device == "cuda" else 0,
                compute=ray.data.ActorPoolStrategy(
                    min_size=1, max_size=min(self._n_actors, len(missing))
                ),
                max_restarts=_DEATHS,
                max_task_retries=_DEATHS,
            )
            rows = iter(computed.iter_rows())
        while True:
            with _quiet():
                row = next(rows, None)
            if row is None:
                return
            yield row

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
                    num_cpus=max(wanted or 0, cores // threads) + _SLOTS,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                )
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        if self._setup.config.device == "cuda":
            possible = int(resources.get("GPU", 0))
        else:
            possible = int((resources.get("CPU", 1) - _SLOTS) / (threads if address else 1))
        self._n_actors = max(1, wanted or possible)
        where = address or "this computer"
        self._engine.progress.message(f"Ray: up to {self._n_actors} actors on {where}")


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
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        # Ray's own modules use what it has deprecated.
        warnings.simplefilter("ignore")
        yield
