"""Why a metric has no value on some samples."""

from __future__ import annotations

import numpy as np

from auditor.statistics import Integers
from auditor.statistics.metrics import BinaryCases, ClassCases

_NEEDS_POSITIVES = frozenset(
    {"sensitivity", "auroc", "average-precision", "calibration-slope", "calibration-intercept"}
)
_NEEDS_NEGATIVES = frozenset({"specificity", "auroc", "calibration-slope", "calibration-intercept"})
_OTHERS = {
    "ppv": "no samples called positive",
    "npv": "no samples called negative",
    "f1": "no positive samples and none called positive",
}


def reason_of(
    name: str, cases: BinaryCases | ClassCases, rows: Integers, n_classes: int = 1
) -> str:
    """Why a metric is not defined, such as "not defined: no positive samples".

    Args:
        name: canonical name of a metric that is not defined on these samples.
        cases: the samples.
        rows: positions of the samples of the slice.
        n_classes: number of classes over which the metric is averaged.
    """
    if not len(rows):
        return "not defined: no samples"
    if n_classes > 1:
        return "not defined for any class"
    if name in {"calibration-error", "overconfidence"}:
        return "not defined: fewer than two samples"
    assert isinstance(cases, BinaryCases)
    return f"not defined: {_lacking(name, cases, rows)}"


def _lacking(name: str, cases: BinaryCases, rows: Integers) -> str:
    truth = cases.truth[rows]
    if name in _OTHERS:
        return _OTHERS[name]
    if name in _NEEDS_POSITIVES and not truth.any():
        return "no positive samples"
    if name in _NEEDS_NEGATIVES and truth.all():
        return "no negative samples"
    if cases.score is not None and np.ptp(cases.score[rows]) == 0:
        return "the scores do not vary"
    return "the scores separate positives from negatives"
