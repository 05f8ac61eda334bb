"""The loss of predictions beside their confidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auditor.phrasing import count, percent, plural
from auditor.records.predictions import CONFIDENCE, LABEL, LOSS, PREDICTED

SURE = 0.9
"""A prediction with at least this confidence counts as sure."""
_COLUMNS, _ROWS = 40, 20
"""Cells along the axis of the confidence and along that of the loss."""
LARGEST_LOSS = 10.0
"""Larger losses are drawn there: the label has a probability below 0.00005."""


@dataclass(frozen=True)
class LossCell:
    """Predictions with about the same confidence and loss.

    Attributes:
        confidence: mean confidence, 0 to 1.
        loss: mean loss, at most `LARGEST_LOSS`.
        n: how many there are.
    """

    confidence: float
    loss: float
    n: int


@dataclass(frozen=True)
class LossPlane:
    """Predictions by confidence and loss; a cell for each place where there are any.

    Attributes:
        correct: correct predictions.
        failed: wrong predictions.
        reading: what can be read from it, in one sentence.
    """

    correct: tuple[LossCell, ...]
    failed: tuple[LossCell, ...]
    reading: str


def loss_plane(evaluated: pd.DataFrame) -> LossPlane | None:
    """Counts predictions by confidence and loss; None without any.

    Args:
        evaluated: the evaluated samples or decisions, with ``label``, ``predicted``, ``confidence``
            and ``loss``.
    """
    if evaluated.empty:
        return None
    confidence = evaluated[CONFIDENCE].to_numpy(dtype=np.float64)
    loss = evaluated[LOSS].to_numpy(dtype=np.float64).clip(0, LARGEST_LOSS)
    failed = (evaluated[LABEL].astype(str) != evaluated[PREDICTED].astype(str)).to_numpy()
    return LossPlane(
        correct=_cells(confidence[~failed], loss[~failed]),
        failed=_cells(confidence[failed], loss[failed]),
        reading=_reading(confidence, failed),
    )


def _cells(confidence: NDArray[np.float64], loss: NDArray[np.float64]) -> tuple[LossCell, ...]:
    across = np.floor(confidence * _COLUMNS).clip(0, _COLUMNS - 1)
    up = np.floor(loss / LARGEST_LOSS * _ROWS).clip(0, _ROWS - 1)
    _, cell, n = np.unique(across * _ROWS + up, return_inverse=True, return_counts=True)
    means = (np.bincount(cell, values) / n for values in (confidence, loss)) if len(n) else ((), ())
    return tuple(LossCell(float(x), float(y), int(k)) for x, y, k in zip(*means, n, strict=True))


def _reading(confidence: NDArray[np.float64], failed: NDArray[np.bool_]) -> str:
    if not failed.any():
        return "No prediction is wrong."
    sure = confidence >= SURE
    n_failed, n_sure = int(failed.sum()), int((failed & sure).sum())
    if not n_sure:
        return (
            f"No failure has a confidence of {percent(SURE)} or more: sending all predictions below it to "
            f"a person would catch every failure, and {percent(float((~sure).mean()))} of all predictions."
        )
    return (
        f"{count(n_sure)} of {plural(n_failed, 'failure')} ({percent(n_sure / n_failed)}) "
        f"{'has' if n_sure == 1 else 'have'} a confidence of {percent(SURE)} or more: a threshold on the "
        f"confidence would not catch {'it' if n_sure == 1 else 'them'}."
    )
