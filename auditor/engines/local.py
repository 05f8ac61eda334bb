"""What every engine does, and the one that computes everything in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from auditor.audited_model import AuditedModel
from auditor.config import ExplainSection
from auditor.evaluated_samples import EvaluatedSamples
from auditor.progress import Advance
from auditor.records import Dataset, SampleSelection
from auditor.stages.explain import explain_blocks
from auditor.stages.explained_blocks import blocks_of as explained_blocks_of
from auditor.stages.predict import predict_blocks
from auditor.stages.predicted_blocks import blocks_of as predicted_blocks_of


class Engine(Protocol):
    """Computes the blocks of an audit.

    Which process computes a block changes nothing in it. Blocks that are complete are not computed again.
    """

    def predict(
        self,
        model: AuditedModel,
        dataset: Dataset,
        codes: NDArray[np.int64],
        folder: Path,
        advance: Advance,
    ) -> None:
        """Computes all blocks of predictions; see `auditor.stages.predict.predict`."""
        ...

    def explain(
        self,
        samples: EvaluatedSamples,
        selection: SampleSelection,
        section: ExplainSection,
        folder: Path,
        advance: Advance,
    ) -> None:
        """Computes all blocks of explanations; see `auditor.stages.explain.explain_samples`."""
        ...


class LocalEngine:
    """Computes one block after another in this process."""

    def predict(
        self,
        model: AuditedModel,
        dataset: Dataset,
        codes: NDArray[np.int64],
        folder: Path,
        advance: Advance,
    ) -> None:
        """See `Engine`."""
        numbers = range(len(predicted_blocks_of(len(dataset))))
        predict_blocks(model, dataset, codes, folder, numbers, advance)

    def explain(
        self,
        samples: EvaluatedSamples,
        selection: SampleSelection,
        section: ExplainSection,
        folder: Path,
        advance: Advance,
    ) -> None:
        """See `Engine`."""
        numbers = range(len(explained_blocks_of(len(selection.jobs))))
        explain_blocks(samples, selection, section, folder, numbers, advance)
