"""Dry run: validates configuration, data and model, and estimates the cost of the audit."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditor.attributes.categories import categories_of
from auditor.attributes.cells import stored_cells
from auditor.audited_model import AuditedModel
from auditor.autograd.preflight import Preflight
from auditor.batch_dependence import batch_dependence
from auditor.classifiers.fingerprint import n_parameters
from auditor.comparisons.chosen_metrics import ChosenMetrics
from auditor.config import AuditConfig
from auditor.cost_estimate import TrialCost, estimate_cost
from auditor.datasets.labels import label_codes
from auditor.datasets.object_regions import usable_regions
from auditor.errors import ModelError
from auditor.explainers.api import explain_batch
from auditor.model_opening import OpenedModel, open_model
from auditor.phrasing import count, percent, plural, several
from auditor.phrasing.maps import guided_rule_text
from auditor.preparation import Prepared, prepare, sample_images, trial_positions
from auditor.records import OTHER_VALUES, AttributeRecord
from auditor.records.decisions import DecisionRule
from auditor.records.metric_names import metric_named
from auditor.records.predictions import GROUP, LABEL, WEIGHT
from auditor.report.settings import require_report_settings
from auditor.stages.choose_thresholds import require_threshold_data
from auditor.statistics import kish_size
from auditor.trial_advice import accuracy_advice

_IMAGES = 32
"""Images in the trial."""
_REGIONS = 500
"""Boxes and masks that are read."""


@dataclass(frozen=True)
class DryRun:
    """Result of a dry run.

    Attributes:
        lines: pairs of subject and result, in order.
        warnings: what to look into before the audit.
    """

    lines: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Trial:
    """A few images, read, predicted and explained; times are in seconds per image.

    ``error_rate`` is the number of wrong decisions per image. ``n_failed`` images made the network raise
    an exception; they are not among the others.
    """

    images: NDArray[np.uint8]
    unreadable: int
    n_failed: int
    n_decisions: int
    error_rate: float
    preflight: Preflight
    read_seconds: float
    predict_seconds: float
    explain_seconds: float


def dry_run(config: AuditConfig) -> DryRun:
    """Opens everything, runs one batch, and estimates time and memory of the audit.

    Raises:
        UsageError: the same that the audit itself would raise.
    """
    require_report_settings(config.report)
    prepared = prepare(config)
    opened = open_model(require_threshold_data(prepared))
    model = opened.model
    trial = _trial(prepared, model)
    layer, module = model.layer, model.module
    shape = " × ".join(str(side) for side in trial.images.shape[1:])
    lines = (
        *_data_lines(prepared),
        ("model", f"{prepared.classifier.description}, {n_parameters(module):,} parameters"),
        ("preprocess", prepared.preprocess_note),
        ("input", f"{shape} on {model.device}"),
        ("output", opened.description),
        *_decision_lines(prepared),
        ("metrics", _metrics_line(prepared.metrics)),
        (
            "target layer",
            f"{layer.name}, {layer.channels} × {layer.height} × {layer.width}: {layer.why}",
        ),
        ("guided rule", guided_rule_text(trial.preflight)),
        ("trial", _trial_line(trial)),
        ("estimate", _estimate(prepared, trial)),
    )
    return DryRun(lines, tuple(_warnings(prepared, opened, trial)))


def _trial(prepared: Prepared, model: AuditedModel) -> _Trial:
    start = time.perf_counter()
    images, codes, unreadable = sample_images(prepared, _IMAGES)
    read = time.perf_counter()
    logits, errors = model.logits_of_each(torch.from_numpy(images))
    if len(errors) == len(images):
        raise errors[0]
    kept = np.array([k not in errors for k in range(len(images))])
    images, codes = images[kept], codes[kept]
    probabilities = np.exp(model.rule.log_probabilities(logits[kept]))
    predicted = time.perf_counter()
    labels = codes.reshape(len(images), -1)
    pairs = [(k, int(code)) for k, code in enumerate(labels[:, 0])]
    inputs = model.inputs(torch.from_numpy(images))
    verdict = _verdict(model, inputs, pairs)
    explained = time.perf_counter()
    return _Trial(
        images=images,
        unreadable=unreadable,
        n_failed=len(errors),
        n_decisions=labels.size,
        error_rate=float((_decided(model.rule, probabilities) != labels).sum(1).mean()),
        preflight=verdict,
        read_seconds=(read - start) / len(images),
        predict_seconds=(predicted - read) / len(images),
        explain_seconds=(explained - predicted) / len(images),
    )


def _verdict(model: AuditedModel, inputs: Tensor, pairs: list[tuple[int, int]]) -> Preflight:
    """Whether the detail view is defined, from maps of the images; computing them may raise."""
    try:
        return explain_batch(model.module, inputs, pairs, model.layer).preflight
    except ModelError as error:
        for row, target in pairs:
            with suppress(ModelError):
                one = inputs[row : row + 1]
                return explain_batch(model.module, one, [(0, target)], model.layer).preflight
        return Preflight("undefined", f"no map of the trial could be computed: {error}", 0)


def _decided(rule: DecisionRule, probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    """The decisions; a threshold that the audit will choose is 0.5 here."""
    return replace(rule, thresholds=np.nan_to_num(rule.thresholds, nan=0.5)).decide(probabilities)


def _trial_line(trial: _Trial) -> str:
    n_images = len(trial.images)
    share = percent(1 - trial.error_rate * n_images / trial.n_decisions)
    if trial.n_decisions == n_images:
        return f"{share} of {n_images} images correct"
    return f"{share} of {trial.n_decisions} decisions on {n_images} images correct"


def _metrics_line(chosen: ChosenMetrics) -> str:
    primary, others = (
        several([metric_named(name).title for name in names], 12)
        for names in (
            chosen.primary,
            [name for name in chosen.shown if name not in chosen.primary],
        )
    )
    return f"tested: {primary}" + (f"; also shown: {others}" if others else "")


def _decision_lines(prepared: Prepared) -> Iterator[tuple[str, str]]:
    rule = prepared.rule
    if rule.task == "single-label":
        return
    shown = [
        f"{label} from {'a threshold chosen by rule' if np.isnan(threshold) else f'{threshold:g}'}"
        for label, threshold in zip(rule.labels, rule.thresholds, strict=True)
    ]
    yield "decision", f"{rule.task}: {several(shown, 8)}"


def _data_lines(prepared: Prepared) -> Iterator[tuple[str, str]]:
    dataset = prepared.dataset
    yield "data", f"{len(dataset):,} samples ({dataset.adapter})"
    if dataset.reference is not None:
        yield "reference", _reference(prepared, dataset.reference)
    if dataset.group is not None:
        yield "group", f"{dataset.group}: {_groups(dataset.samples[GROUP])}"
    if dataset.weight is not None:
        size = kish_size(dataset.samples[WEIGHT].to_numpy(dtype=np.float64))
        yield "weight", f"{dataset.weight}: effective sample size {count(round(size))}"
    counts = np.bincount(prepared.codes.ravel(), minlength=len(prepared.classes))
    largest = np.argsort(-counts, kind="stable")[:8]
    more = f", … {len(counts) - 8} more" if len(counts) > 8 else ""
    shown = ", ".join(f"{prepared.classes[k]} {counts[k]:,}" for k in largest)
    yield "classes", f"{len(counts)}: {shown}{more}"
    section = prepared.config.slices
    for name, spec in prepared.attributes.items():
        found = categories_of(
            stored_cells(dataset.samples[name]),
            spec,
            stated_edges=section.edges.get(name),
            quantiles=section.quantiles,
            min_support=section.min_support,
        )
        yield "attribute", _attribute(found.record)


def _reference(prepared: Prepared, reference: pd.DataFrame) -> str:
    """How many samples of the training data there are, and how many of them have no class."""
    text = f"{count(len(reference))} samples"
    if prepared.config.task == "multi-label":
        return text
    n_unknown = int((label_codes(reference[LABEL], prepared.classes) < 0).sum())
    return f"{text}, {count(n_unknown)} of another class" if n_unknown else text


def _attribute(record: AttributeRecord) -> str:
    """An attribute in one line: type, why, values, how it will be sliced."""
    why = f"guessed: {record.reason}" if record.guessed else "stated"
    parts = [f"{record.name}: {record.type} ({why})", plural(record.n_values, "value")]
    if record.n_missing:
        parts.append(f"{count(record.n_missing)} missing")
    if record.edges is not None:
        parts.append(f"cut at {', '.join(f'{edge:g}' for edge in record.edges)}")
    if record.n_pooled:
        parts.append(f"the {count(record.n_pooled)} rarest pooled in {OTHER_VALUES}")
    if record.left_out is not None:
        parts.append(f"not sliced: {record.left_out}")
    return ", ".join(parts)


def _groups(column: pd.Series[Any]) -> str:
    """How many clusters there are, and how many samples have none."""
    sizes, n_missing = column.value_counts(), int(column.isna().sum())
    known = plural(len(sizes), "cluster")
    if len(sizes):
        known += f", the largest with {plural(int(sizes.max()), 'sample')}"
    if n_missing:
        known += f"; {plural(n_missing, 'sample')} without, each its own"
    return known


def _estimate(prepared: Prepared, trial: _Trial) -> str:
    cost = TrialCost(
        trial.read_seconds,
        trial.predict_seconds,
        trial.explain_seconds,
        trial.error_rate,
        trial.images[0].size,
    )
    return str(estimate_cost(prepared, cost))


def _warnings(prepared: Prepared, opened: OpenedModel, trial: _Trial) -> Iterator[str]:
    if trial.unreadable:
        yield f"{trial.unreadable} of the images tried could not be read; the audit lists them"
    if trial.n_failed:
        yield (
            f"the network raised an exception on {trial.n_failed} of the images tried; the audit lists "
            "them and goes on without"
        )
    if opened.doubt is not None:
        yield opened.doubt
    tried = trial_positions(len(prepared.dataset), _REGIONS)
    _, regions = usable_regions(prepared.dataset, tried)
    yield from (note.text for note in (*prepared.dataset.notes, *regions))
    for limit in batch_dependence(prepared, opened.model):
        yield limit.problem
    if prepared.rule.task != "multi-label":
        yield from accuracy_advice(
            prepared, opened.model, trial.read_seconds + trial.predict_seconds
        )
