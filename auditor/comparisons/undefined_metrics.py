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


def reason_of(name: str, cases: BinaryCases | ClassCases, rows: Integers) -> str:
    """Why a metric is not defined, such as "no positive samples".

    Args:
        name: canonical name of a metric that is not defined on these samples.
        cases: the samples.
        rows: positions of the samples of the slice.
    """
    if not len(rows):
        return "no samples"
    if name in {"calibration-error", "overconfidence"}:
        return "fewer than two samples"
    assert isinstance(cases, BinaryCases)
    return _lacking(name, cases, rows)


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
