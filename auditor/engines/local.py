"""What every engine does, and the one that computes everything in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from auditor.evaluated_samples import EvaluatedSamples
from auditor.preparation import Prepared
from auditor.progress import Advance
from auditor.records import SampleSelection
from auditor.stages.explain import explain_blocks
from auditor.stages.explained_blocks import blocks_of as explained_blocks_of
from auditor.stages.predict import predict_blocks
from auditor.stages.predicted_blocks import blocks_of as predicted_blocks_of

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from auditor.model_opening import OpenedModel


class BlockComputer(Protocol):
    """Computes the blocks of one audit.

    Which process computes a block changes nothing in it. Blocks that are complete are not computed again.
    """

    def predict(self, folder: Path, advance: Advance) -> None:
        """Computes all blocks of predictions; see `auditor.stages.predict.predict_blocks`.

        Args:
            folder: receives one file per block.
            advance: called with the number of samples that were predicted since the last call.
        """
        ...

    def explain(
        self,
        samples: EvaluatedSamples,
        selection: SampleSelection,
        folder: Path,
        advance: Advance,
    ) -> None:
        """Computes all blocks of explanations; see `auditor.stages.explain.explain_blocks`.

        Args:
            samples: the evaluated samples.
            selection: what to explain.
            folder: ``explanations/`` of the run.
            advance: called with the number of samples that were explained since the last call.
        """
        ...


class Engine(Protocol):
    """Where blocks are computed."""

    def opened(
        self, prepared: Prepared, opened: OpenedModel
    ) -> AbstractContextManager[BlockComputer]:
        """A context manager in which the blocks of an audit can be computed.

        Args:
            prepared: the audit.
            opened: its model.
        """
        ...


class LocalEngine:
    """Computes one block after another in this process."""

    @contextmanager
    def opened(self, prepared: Prepared, opened: OpenedModel) -> Iterator[BlockComputer]:
        """See `Engine`."""
        yield _InThisProcess(prepared, opened)


class _InThisProcess:
    def __init__(self, prepared: Prepared, opened: OpenedModel) -> None:
        self._prepared = prepared
        self._model = opened.model

    def predict(self, folder: Path, advance: Advance) -> None:
        dataset, codes = self._prepared.dataset, self._prepared.codes
        numbers = range(len(predicted_blocks_of(len(dataset))))
        predict_blocks(self._model, dataset, codes, folder, numbers, advance)

    def explain(
        self,
        samples: EvaluatedSamples,
        selection: SampleSelection,
        folder: Path,
        advance: Advance,
    ) -> None:
        section = self._prepared.config.explain
        numbers = range(len(explained_blocks_of(len(selection.jobs))))
        explain_blocks(samples, selection, section, folder, numbers, advance)
