"""The metrics by name: what they are called, and which tasks they suit.

They are measured by `auditor.statistics.metrics`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from auditor.records.decisions import TaskName

MetricUnit = Literal["share", "points", "score"]

_ALL: frozenset[TaskName] = frozenset({"single-label", "binary", "multi-label"})
TOP_K = re.compile(r"top-([1-9][0-9]*)")
"""Names of top-k accuracies."""
_SYNONYMS = {"recall": "sensitivity", "precision": "ppv"}


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of the catalog.

    Attributes:
        name: as in the configuration, such as ``error-rate``.
        title: as in texts, such as "error rate".
        tasks: the tasks that it suits.
        needs_class: whether a single-label task has to name the class that it is about.
        higher_is_better: None if neither is, as for the selection rate.
        unit: "share" for 0 to 1, "points" for a difference of shares, "score" for other numbers.
        ideal: the best value where neither high nor low is better, such as 1 for the calibration slope;
            None for other metrics.
        needs_scores: whether it needs probabilities, not just predictions.
    """

    name: str
    title: str
    tasks: frozenset[TaskName] = _ALL
    needs_class: bool = False
    higher_is_better: bool | None = True
    unit: MetricUnit = "share"
    ideal: float | None = None
    needs_scores: bool = False


def _catalog(*metrics: Metric) -> Mapping[str, Metric]:
    return MappingProxyType({one.name: one for one in metrics})


METRICS: Mapping[str, Metric] = _catalog(
    Metric("accuracy", "accuracy"),
    Metric("error-rate", "error rate", higher_is_better=False),
    Metric("balanced-accuracy", "balanced accuracy"),
    Metric("macro-f1", "macro-F1"),
    Metric("top-5", "top-5 accuracy", frozenset({"single-label"}), needs_scores=True),
    Metric("sensitivity", "sensitivity", needs_class=True),
    Metric("specificity", "specificity", needs_class=True),
    Metric("ppv", "positive predictive value", needs_class=True),
    Metric("npv", "negative predictive value", needs_class=True),
    Metric("f1", "F1", needs_class=True),
    Metric("auroc", "AUROC", needs_scores=True),
    Metric("average-precision", "average precision", needs_scores=True),
    Metric("brier", "Brier score", higher_is_better=False, needs_scores=True),
    Metric("calibration-error", "expected calibration error", higher_is_better=False),
    Metric(
        "calibration-slope",
        "calibration slope",
        needs_class=True,
        higher_is_better=None,
        unit="score",
        ideal=1.0,
        needs_scores=True,
    ),
    Metric(
        "calibration-intercept",
        "calibration intercept",
        needs_class=True,
        higher_is_better=None,
        unit="score",
        ideal=0.0,
        needs_scores=True,
    ),
    Metric("selection-rate", "selection rate", needs_class=True, higher_is_better=None),
    Metric("overconfidence", "over-confidence", higher_is_better=None, unit="points", ideal=0.0),
)
"""The metrics by name. Any ``top-<k>`` is known too, see `metric_named`."""


def metric_named(name: str) -> Metric:
    """The metric with a name, a synonym of it, or its name with underscores.

    Args:
        name: such as ``error-rate``, ``error_rate``, ``recall`` or ``top-3``.

    Returns:
        The metric.

    Raises:
        ValueError: there is none.
    """
    plain = name.strip().lower().replace("_", "-")
    plain = _SYNONYMS.get(plain, plain)
    if plain in METRICS:
        return METRICS[plain]
    top = TOP_K.fullmatch(plain)
    if top is not None:
        title = f"top-{top[1]} accuracy"
        return Metric(plain, title, frozenset({"single-label"}), needs_scores=True)
    known = [*METRICS, *_SYNONYMS]
    near = difflib.get_close_matches(plain, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(METRICS)}"
    raise ValueError(f"expected the name of a metric; got {name!r}: {hint}")
