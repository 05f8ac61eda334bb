"""What an audit may spend beyond predicting and explaining, from numbers of images alone."""

from __future__ import annotations

import numpy as np

from auditor.config import AuditConfig
from auditor.config.budget import forward_limit
from auditor.evaluated_samples import EvaluatedSamples
from auditor.map_metrics.summary import PASSES
from auditor.records import SampleSelection
from auditor.records.forward_budget import MAP_PASSES, ForwardBudget

_LEAST_SANITY = 20
"""Samples for map sanity, if the configuration does not state fewer: four for each randomized network."""


def begin_budget(
    config: AuditConfig, samples: EvaluatedSamples, selection: SampleSelection
) -> ForwardBudget:
    """Sets the limit for the checks; what was run before does not count.

    Args:
        config: may state the limit as ``checks.budget.forwards``.
        samples: the evaluated samples, whose forward passes are counted.
        selection: what was explained.

    Returns:
        The budget, which ``samples`` counts.
    """
    pixels = _pixels(samples)
    reference = _reference_passes(samples, selection)
    samples.budget.limit, samples.budget.used = forward_limit(config.checks, reference, pixels), 0
    return samples.budget


def sanity_samples(
    config: AuditConfig, samples: EvaluatedSamples, selection: SampleSelection
) -> int:
    """Number of samples on which map sanity is measured.

    Args:
        config: states the largest number as ``explain.trust_samples``.
        samples: the evaluated samples.
        selection: what is explained.

    Returns:
        As many as take half the passes of predicting and explaining, and at least 20.
    """
    affordable = _reference_passes(samples, selection) // (2 * PASSES)
    return min(config.explain.trust_samples, max(affordable, _LEAST_SANITY))


def _pixels(samples: EvaluatedSamples) -> int:
    """Pixels of a preprocessed image; 1 where none can be read any more."""
    if samples.kept.images.shape:
        return int(np.prod(samples.kept.images.shape[1:]))
    every = np.arange(len(samples.table), dtype=np.int64)
    for rows in (every[:1], every):  # usually, the first image is still there
        for images, _ in samples.read_present(rows):
            if len(images):
                return int(np.prod(images.shape[2:]))
    return 1


def _reference_passes(samples: EvaluatedSamples, selection: SampleSelection) -> int:
    """Forward passes of predicting and explaining."""
    maps = sum(len(job.targets) for job in selection.jobs)
    return len(samples.table) + MAP_PASSES * maps
