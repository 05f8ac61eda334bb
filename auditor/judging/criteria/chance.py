"""Limits of criteria that guessing would meet."""

from __future__ import annotations

import numpy as np

from auditor.config.criteria import Criterion
from auditor.phrasing import size
from auditor.records import AuditData, Unit
from auditor.records.predictions import codes


def chance_sentence(audit: AuditData, criterion: Criterion) -> str:
    """Says that a limit is met by guessing; empty for other limits, and for metrics without a known one.

    Args:
        audit: the evaluated samples.
        criterion: of the configuration.
    """
    chance = None if criterion.is_gap else _chance(audit, criterion.measured.name)
    if chance is None:
        return ""
    least = criterion.at_least is not None
    if (criterion.limit >= chance) if least else (criterion.limit <= chance):
        return ""
    unit: Unit = "score" if criterion.measured.name == "auroc" else "share"
    side = "below" if least else "above"
    return (
        f" Guessing would reach {size(chance, unit)}, so this limit is {side} chance and says nothing of the "
        "model: set a stricter one."
    )


def _chance(audit: AuditData, metric: str) -> float | None:
    """The value of the best guess without the image; None if it is not known."""
    if audit.task == "multi-label" or not len(audit.predictions):
        return 0.5 if metric in {"auroc", "balanced-accuracy"} else None
    n_classes = len(audit.classes)
    label = codes(audit.predictions["label"])
    most_frequent = float(np.bincount(label).max() / len(label))
    known = {
        "accuracy": most_frequent,
        "error-rate": 1 - most_frequent,
        "balanced-accuracy": 1 / n_classes,
        "sensitivity": 1 / n_classes,
        "top-5": min(1.0, 5 / n_classes),
        "auroc": 0.5,
    }
    return known.get(metric)
