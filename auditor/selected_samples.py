"""From predictions to what is explained: failures, slices, and the selected samples."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from auditor.audited_model import AuditedModel
from auditor.evaluated_samples import EvaluatedSamples, SharedResults
from auditor.image_cache import ImageCache
from auditor.preparation import Prepared
from auditor.records import DataNote, SampleSelection
from auditor.stages.find_failures import FailureAnalysis, find_failures
from auditor.stages.select_samples import select_samples
from auditor.stages.slicing import Slicing, slice_samples

Timed = Callable[[str], AbstractContextManager[object]]
"""A context manager around the stage of a name, which measures its time."""


@dataclass(frozen=True)
class SelectedSamples:
    """What is explained, and why.

    Attributes:
        analysis: the failures.
        slicing: the evaluated samples in slices.
        samples: the same with the model.
        regions: notes on boxes and masks that can't be used.
        selection: the samples to explain.
    """

    analysis: FailureAnalysis
    slicing: Slicing
    samples: EvaluatedSamples
    regions: tuple[DataNote, ...]
    selection: SampleSelection


def select_from(
    predictions: Path, prepared: Prepared, model: AuditedModel, timed: Timed = nullcontext
) -> SelectedSamples:
    """Finds the failures and selects what is explained; the same predictions give the same selection.

    Args:
        predictions: ``predictions.parquet`` of the run.
        prepared: the audit.
        model: the audited model.
        timed: measures the time of each stage.
    """
    config, dataset = prepared.config, prepared.dataset
    with timed("find failures"):
        analysis = find_failures(
            predictions, model.classes, dataset.attributes, config.slices.computed, model.rule
        )
    with timed("slicing"):
        slicing = slice_samples(
            analysis.usable,
            None if config.task == "multi-label" else dataset.reference,
            prepared.classes,
            dataset.attributes,
            config.slices,
            config.slices.computed,
            prepared.attributes,
        )
        analysis = replace(analysis, usable=slicing.predictions)  # releases the attributes as read
    kept = SharedResults(ImageCache(predictions.parent.parent))
    samples = EvaluatedSamples(model, dataset, slicing.predictions, kept=kept)
    samples, regions = samples.with_usable_regions()
    selection = select_samples(
        samples.table, analysis.failures, slicing.attributes, config.explain, config.seed
    )
    return SelectedSamples(analysis, slicing, samples, regions, selection)
