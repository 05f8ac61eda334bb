"""Binary decisions: whether a class is present, what the model says, and its probability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

TaskName = Literal["single-label", "binary", "multi-label"]


@dataclass(frozen=True)
class Decisions:
    """Binary decisions behind the rows of ``AuditData.predictions``.

    Attributes:
        names: (L,) the positive classes, one for a binary task.
        of_row: (n,) int64, which of them the row decides about.
        truth: (n,) bool, whether it is present.
        called: (n,) bool, whether the model says so at the threshold.
        score: (n,) float64, its probability.
        thresholds: (L,) float64.
    """

    names: tuple[str, ...]
    of_row: NDArray[np.int64]
    truth: NDArray[np.bool_]
    called: NDArray[np.bool_]
    score: NDArray[np.float64]
    thresholds: NDArray[np.float64]
