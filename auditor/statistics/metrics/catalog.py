"""How each metric is measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from auditor.records.metric_names import TOP_K, metric_named
from auditor.statistics.intervals import Integers
from auditor.statistics.metrics import averages, ranking, rates, scores
from auditor.statistics.metrics.cases import BinaryCases, ClassCases
from auditor.statistics.metrics.estimated import Estimated

_OF_EITHER: Mapping[str, Callable[[BinaryCases | ClassCases, Integers], Estimated]] = {
    "accuracy": rates.accuracy,
    "error-rate": rates.error_rate,
    "balanced-accuracy": averages.balanced_accuracy,
    "macro-f1": averages.macro_f1,
    "brier": scores.brier,
    "calibration-error": scores.calibration_error,
    "overconfidence": scores.overconfidence_of,
}
_OF_DECISIONS: Mapping[str, Callable[[BinaryCases, Integers], Estimated]] = {
    "sensitivity": rates.sensitivity,
    "specificity": rates.specificity,
    "ppv": rates.ppv,
    "npv": rates.npv,
    "f1": rates.f1,
    "auroc": ranking.auroc,
    "average-precision": ranking.average_precision,
    "calibration-slope": scores.calibration_slope,
    "calibration-intercept": scores.calibration_intercept,
    "selection-rate": rates.selection_rate,
}
_MACRO = frozenset({"auroc", "average-precision"})
"""Metrics of decisions whose mean over the classes is measured on predictions of several classes."""


def measure(name: str, cases: BinaryCases | ClassCases, rows: Integers) -> Estimated:
    """Measures a metric on a slice.

    Args:
        name: of the metric, see `metric_named`.
        cases: all n samples. Metrics of one class take decisions (`ClassCases.of_class`); AUROC and
            average precision of several classes are the mean of each class against the rest.
        rows: (m,) positions of the samples of the slice, int64, each once.

    Returns:
        The metric; `value` is NaN where it is not defined.

    Raises:
        ValueError: there is no such metric, it needs decisions and got several classes (or the
            reverse), or it needs probabilities that are unknown.
    """
    metric = metric_named(name)
    if metric.name in _OF_EITHER:
        return _OF_EITHER[metric.name](cases, rows)
    top = TOP_K.fullmatch(metric.name)
    if top is not None:
        if isinstance(cases, BinaryCases):
            raise ValueError(f"expected predictions of several classes for {name}; got decisions")
        return rates.top_k_accuracy(cases, rows, int(top[1]))
    of_decisions = _OF_DECISIONS[metric.name]
    if isinstance(cases, BinaryCases):
        return of_decisions(cases, rows)
    if metric.name not in _MACRO:
        raise ValueError(
            f"expected decisions for {name}, which is about one class; got predictions of several "
            "classes: pass cases.of_class(k)"
        )
    parts = (of_decisions(cases.of_class(k), rows) for k in range(cases.n_classes))
    return averages.mean_of(parts, len(cases))
