"""Estimate of the time and memory of an audit, from a trial on a few images.

It counts the forward passes of every stage and of every check. Interventions run only where there is
something to confirm, so the estimate is a range.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np

from auditor.attributes.categories import categories_of
from auditor.attributes.cells import stored_cells
from auditor.config.budget import forward_limit
from auditor.phrasing import count
from auditor.preparation import Prepared
from auditor.records import AuditSize
from auditor.records.forward_budget import MAP_PASSES
from auditor.records.predictions import MOST_PROBABILITY_COLUMNS

_SANITY, _LEAST_SANITY = 52, 20
"""Forward passes of the map sanity checks per sample, and the least number of samples."""
_PER_SAMPLE = 0.004
"""Seconds per sample for what runs without the model: tests, near-duplicates, drawings."""
_FIXED = 20.0
"""Seconds that an audit takes beside: imports, permutation tests, documents."""
_ACTIVATIONS = 30
"""Memory of the activations of a network as a multiple of its inputs; roughly that of a ResNet."""
_CHECKS = 350.0
"""Memory in MiB of the checks and documents beside: libraries that a dry run does not load."""
_SAMPLE = 0.0012
"""Memory in MiB for each sample: its columns, its slices, and what a check computes of all samples. Measured
up to a million samples, see `docs/scale.md`."""
_MAP = 0.005
"""Memory in MiB for each map: its record, and its place in the documents."""
_PROCESS = 600.0
"""Memory in MiB of a process that has loaded PyTorch, where it can't be measured."""


@dataclass(frozen=True)
class TrialCost:
    """What a trial on a few images took.

    Attributes:
        read_seconds: to read an image.
        predict_seconds: to predict it.
        explain_seconds: to explain it for one target.
        failures: share of the images that were misclassified, 0 to 1.
        input_numbers: numbers in one input.
    """

    read_seconds: float
    predict_seconds: float
    explain_seconds: float
    failures: float
    input_numbers: int


@dataclass(frozen=True)
class CostEstimate:
    """The estimated cost of an audit.

    Attributes:
        predictions: samples to predict.
        maps: maps to make.
        least_passes: forward passes of the checks, if nothing has to be confirmed.
        most_passes: the same, if every budget is used.
        least_seconds: of the audit.
        most_seconds: of the audit.
        megabytes: memory at its peak.
    """

    predictions: int
    maps: float
    least_passes: float
    most_passes: float
    least_seconds: float
    most_seconds: float
    megabytes: float

    def __str__(self) -> str:
        """The estimate as one line."""
        least, most = _duration(self.least_seconds), _duration(self.most_seconds)
        took = f"about {least}" if least == most else f"about {least} to {most}"
        passes = " to ".join(
            dict.fromkeys(
                count(round(one / 100) * 100) for one in (self.least_passes, self.most_passes)
            )
        )
        return (
            f"{took} ({count(self.predictions)} predictions, {count(round(self.maps))} maps, {passes} "
            f"forward passes of checks; the most only if interventions have much to confirm); peak memory "
            f"about {self.megabytes / 1024:.1f} GiB"
        )


def estimate_cost(prepared: Prepared, trial: TrialCost) -> CostEstimate:
    """Estimates time and memory of an audit.

    Args:
        prepared: the audit.
        trial: what a few images took.
    """
    n, explain = len(prepared.dataset), prepared.config.explain
    n_values, n_mean = _attribute_values(prepared)
    failures = n * min(trial.failures, 1.0)
    explained = failures if explain.max_failures is None else min(failures, explain.max_failures)
    contrast = min(explained, n - failures) if explain.contrast else 0.0
    in_means = n_mean * (1 - (explained + contrast) / n)
    maps = explained * len(explain.targets) + contrast + in_means
    size = AuditSize(
        n_samples=n,
        n_failures=failures,
        n_classes=len(prepared.classes),
        n_values=n_values,
        n_reference=len(prepared.dataset.reference_images or ()),
        has_expected=prepared.config.model.expected.accuracy is not None,
    )
    found = [
        one.passes(size) for one in prepared.checks.values() if prepared.config.task in one.tasks
    ]
    checks = [sum(one.least for one in found), sum(one.most for one in found)]
    reference = n + MAP_PASSES * maps
    affordable = max(reference / (2 * _SANITY), _LEAST_SANITY)
    sanity = _SANITY * min(explain.trust_samples, affordable)
    units = min(explain.unit_samples, n) * bool(explain.units)
    limit = forward_limit(prepared.config.checks, reference, trial.input_numbers // 3)
    checks = [min(one, limit) for one in checks]
    least, most = (
        _FIXED
        + n * (trial.read_seconds + trial.predict_seconds + _PER_SAMPLE)
        + maps * (trial.read_seconds + trial.explain_seconds)
        + (sanity + used + passes) * trial.predict_seconds
        for passes, used in zip(checks, (0, units), strict=True)
    )
    return CostEstimate(n, maps, checks[0], checks[1], least, most, _peak(prepared, trial, maps))


def _attribute_values(prepared: Prepared) -> tuple[int, float]:
    """Attribute values with enough samples, and the expected number of samples in mean maps."""
    section, explain = prepared.config.slices, prepared.config.explain
    label = prepared.codes.reshape(len(prepared.dataset), -1)[:, 0]
    n_values, n_cells = 0, 0
    left_out = np.ones(len(label))
    for name, spec in prepared.attributes.items():
        found = categories_of(
            stored_cells(prepared.dataset.samples[name]),
            spec,
            stated_edges=section.edges.get(name),
            quantiles=section.quantiles,
            min_support=section.min_support,
        )
        if found.record.left_out is not None:
            continue
        value = found.column.codes.astype(np.int64)
        n_values += int((np.bincount(value[value >= 0]) >= section.min_support).sum())
        cell = np.unique(value * (label.max() + 1) + label, return_inverse=True)[1]
        sizes = np.bincount(cell)
        n_cells += len(sizes)
        left_out *= 1 - np.minimum(explain.mean_samples / sizes, 1)[cell]
    kept = min(1.0, explain.mean_cells / max(n_cells, 1))
    return n_values, float((1 - left_out).sum()) * kept


def _peak(prepared: Prepared, trial: TrialCost, maps: float) -> float:
    """Memory in MiB: this process as it is now, what a batch takes, and what is kept of each sample."""
    batch = prepared.config.batch_size * trial.input_numbers * 4 * _ACTIVATIONS / 2**20
    stored = len(prepared.classes) if len(prepared.classes) <= MOST_PROBABILITY_COLUMNS else 0
    kept = len(prepared.dataset) * (_SAMPLE + 4 * stored / 2**20) + maps * _MAP
    inputs = 500 * trial.input_numbers / 2**20  # images that checks hold at once, one byte a number
    return float(_own_megabytes() + _CHECKS + batch + kept + inputs)


def _own_megabytes() -> float:
    """The largest memory of this process so far, in MiB."""
    if sys.platform == "win32":
        return _PROCESS
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (2**20 if sys.platform == "darwin" else 2**10)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
