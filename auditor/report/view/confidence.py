"""How confident the model is when it is right, and when it is wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from auditor.records.predictions import CONFIDENCE, LABEL, PREDICTED

N_BINS = 10
"""Bins of equal width from 0 to 1."""


@dataclass(frozen=True)
class ConfidenceHistogram:
    """Predictions by confidence, in ``N_BINS`` bins from 0 to 1; an edge belongs to the bin above it.

    Attributes:
        correct: correct predictions in each bin.
        failed: wrong predictions in each bin.
    """

    correct: tuple[int, ...]
    failed: tuple[int, ...]


def confidence_histogram(evaluated: pd.DataFrame) -> ConfidenceHistogram | None:
    """Counts correct and wrong predictions by confidence; None without any prediction.

    Args:
        evaluated: the evaluated samples or decisions, with ``label``, ``predicted`` and
            ``confidence``.
    """
    if evaluated.empty:
        return None
    confidence = evaluated[CONFIDENCE].to_numpy(dtype=np.float64)
    is_correct = (evaluated[LABEL].astype(str) == evaluated[PREDICTED].astype(str)).to_numpy()
    # Rounded: 0.29 * 100 is 28.999…, and an edge must not fall into the bin below.
    bins = np.floor(np.round(confidence * N_BINS, 9)).clip(0, N_BINS - 1).astype(np.int64)
    correct, failed = (
        tuple(np.bincount(bins[chosen], minlength=N_BINS).tolist())
        for chosen in (is_correct, ~is_correct)
    )
    return ConfidenceHistogram(correct, failed)
