"""What an actor of a cluster does: it opens the model once, and computes the blocks that it is given.

A block's files come back as bytes, so that actors on other machines need not share a folder with the run.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pandas as pd
import torch

from auditor import blocks
from auditor.allocator import keep_freed_memory
from auditor.config import AuditConfig
from auditor.engines.same_audit import State, require_same_audit
from auditor.errors import AuditorError
from auditor.evaluated_samples import EvaluatedSamples
from auditor.model_opening import OpenedModel, open_model
from auditor.preparation import Prepared, prepare
from auditor.progress import ignore
from auditor.records import SampleSelection
from auditor.records.decisions import DecisionRule
from auditor.records.predictions import IMAGE_SAMPLE, SAMPLE
from auditor.resume_state import different_arithmetic, row_hashes, state_of
from auditor.stages.choose_thresholds import require_threshold_data
from auditor.stages.explain import explain_blocks
from auditor.stages.predict import predict_blocks


@dataclass(frozen=True)
class Explaining:
    """What is to be explained.

    Attributes:
        table: the ids of the evaluated samples.
        selection: which of them.
    """

    table: pd.DataFrame
    selection: SampleSelection

    @classmethod
    def of(cls, samples: EvaluatedSamples, selection: SampleSelection) -> Explaining:
        """What actors need of the evaluated samples."""
        names = [name for name in (SAMPLE, IMAGE_SAMPLE) if name in samples.table]
        return cls(samples.table[names], selection)


@dataclass(frozen=True)
class Setup:
    """What an actor needs to open an audit.

    Attributes:
        config: the configuration.
        state: what the audit depends on; the actor refuses to work where it finds anything else.
        rule: the decision rule, with thresholds that are chosen already.
        threads: of torch, on which bits can depend.
        sizes: samples in a block of predictions, and of explanations.
    """

    config: AuditConfig
    state: State
    rule: DecisionRule
    threads: int
    sizes: tuple[int, int]

    @classmethod
    def of(cls, prepared: Prepared, opened: OpenedModel) -> Setup:
        """The setup of an audit that this process has opened, to predict on the same kind of device."""
        return cls(
            config=prepared.config.model_copy(update={"device": prepared.device.type}),
            state=(state_of(prepared, opened), row_hashes(prepared, opened)),
            rule=opened.model.rule,
            threads=torch.get_num_threads(),
            sizes=(blocks.PREDICTED_SAMPLES, blocks.EXPLAINED_SAMPLES),
        )


@dataclass(frozen=True)
class ComputedBlock:
    """A block that an actor has computed.

    Attributes:
        number: of the block.
        files: names below the folder of the blocks → content; none where an error was raised.
        error: name of the class and text of an error of the auditor; None where there is none.
        said: messages for the user.
    """

    number: int
    files: dict[str, bytes]
    error: tuple[str, str] | None
    said: tuple[str, ...]


class BlockWorker:
    """Computes blocks; an actor is one of these, in a process of its own."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._said: list[str] = []

    def ready(self) -> None:
        """Answers as soon as the actor has a place in the cluster."""

    def compute(self, number: int, explaining: Explaining | None) -> ComputedBlock:
        """Computes a block.

        Args:
            number: of the block.
            explaining: what is to be explained; None to predict.
        """
        files: dict[str, bytes] = {}
        failed: tuple[str, str] | None = None
        with tempfile.TemporaryDirectory(prefix="auditor-") as place:
            try:
                self._compute(number, explaining, Path(place))
            except AuditorError as error:
                failed = type(error).__name__, str(error)
            else:
                found = sorted(path for path in Path(place).rglob("*") if path.is_file())
                files = {path.relative_to(place).as_posix(): path.read_bytes() for path in found}
        said = tuple(self._said)
        self._said.clear()
        return ComputedBlock(number, files, failed, said)

    def _compute(self, number: int, explaining: Explaining | None, place: Path) -> None:
        prepared, opened = self._audit
        if explaining is None:
            predict_blocks(opened.model, prepared.dataset, prepared.codes, place, [number], ignore)
            return
        samples = EvaluatedSamples(opened.model, prepared.dataset, explaining.table)
        section = prepared.config.explain
        explain_blocks(samples, explaining.selection, section, place, [number], ignore)

    @cached_property
    def _audit(self) -> tuple[Prepared, OpenedModel]:
        """Data and model, which are opened for the first block."""
        setup = self._setup
        keep_freed_memory()  # as the command line does; large arrays are faster then
        torch.set_num_threads(setup.threads)
        blocks.PREDICTED_SAMPLES, blocks.EXPLAINED_SAMPLES = setup.sizes
        prepared = require_threshold_data(prepare(setup.config))
        found = open_model(prepared)
        opened = replace(found, model=replace(found.model, rule=setup.rule, say=self._said.append))
        state = state_of(prepared, opened), row_hashes(prepared, opened)
        require_same_audit(Path("an actor"), state, setup.state)
        warning = different_arithmetic(setup.state[0], state[0])
        if warning is not None:
            self._said.append(f"an actor: {warning}")
        return prepared, opened
