"""Metrics that are shares of samples: accuracy, sensitivity, predictive values, F1 and others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from auditor.statistics.intervals import Floats, Integers, Interval, two_sided_z, wilson_of_share
from auditor.statistics.metrics.cases import BinaryCases, Booleans, ClassCases
from auditor.statistics.metrics.estimated import Estimated, undefined
from auditor.statistics.metrics.widening import Widening
from auditor.statistics.mid_p import mid_p_of_share


def share(outcome: Booleans, counted: Booleans | None, rows: Integers) -> Estimated:
    """Share of successes among the samples that are counted.

    Args:
        outcome: (n,) whether a sample is a success.
        counted: (n,) whether it counts; None if all do.
        rows: positions of the samples of the slice.

    Returns:
        The share; undefined if no sample of the slice counts.
    """
    members = rows if counted is None else rows[counted[rows]]
    if not len(members):
        return undefined(len(outcome))
    value = outcome[members].astype(np.float64)
    successes, total = int(value.sum()), len(members)
    rate = successes / total
    influence = np.zeros(len(outcome))
    influence[members] = (value - rate) / total

    def limits(wider: Widening, confidence: float) -> Interval:
        return _proportion(successes, total, wider.inflation(confidence), confidence)

    return Estimated(
        rate, influence, total, successes, "share", members, two_valued=True, limits=limits
    )


def _proportion(successes: float, total: float, factor: float, confidence: float) -> Interval:
    """The wider of Wilson's and the mid-p limits, for counts divided by the factor.

    Reference:
        J. N. K. Rao and A. J. Scott, Biometrics 48 (1992) 577-585.
    """
    z = two_sided_z(confidence)
    count, size = np.array([successes / factor]), np.array([total / factor])
    score, exact = wilson_of_share(count, size, z)[0], mid_p_of_share(count, size, z)[0]
    return Interval(successes / total, min(score.low, exact.low), max(score.high, exact.high))


def accuracy(cases: BinaryCases | ClassCases, rows: Integers) -> Estimated:
    """Share of samples with the right prediction."""
    return share(_correct(cases), None, rows)


def error_rate(cases: BinaryCases | ClassCases, rows: Integers) -> Estimated:
    """Share of samples with a wrong prediction."""
    return share(~_correct(cases), None, rows)


def top_k_accuracy(cases: ClassCases, rows: Integers, k: int) -> Estimated:
    """Share of samples whose label is among the k most probable classes.

    A class that ties with the label counts before it if its index is higher, as in scikit-learn.

    Raises:
        ValueError: the probabilities are unknown.
    """
    if cases.probabilities is None:
        raise ValueError("expected probabilities for top-k accuracy; got none")
    probability = cases.probabilities
    own = np.take_along_axis(probability, cases.label[:, None], 1)
    later = np.arange(cases.n_classes) > cases.label[:, None]
    ahead = (probability > own) | ((probability == own) & later)
    return share(ahead.sum(1) < k, None, rows)


def sensitivity(cases: BinaryCases, rows: Integers) -> Estimated:
    """Share of positives that are called positive (recall)."""
    return share(cases.called, cases.truth, rows)


def specificity(cases: BinaryCases, rows: Integers) -> Estimated:
    """Share of negatives that are called negative."""
    return share(~cases.called, ~cases.truth, rows)


def ppv(cases: BinaryCases, rows: Integers) -> Estimated:
    """Share of positives among the samples called positive (precision)."""
    return share(cases.truth, cases.called, rows)


def npv(cases: BinaryCases, rows: Integers) -> Estimated:
    """Share of negatives among the samples called negative."""
    return share(~cases.truth, ~cases.called, rows)


def selection_rate(cases: BinaryCases, rows: Integers) -> Estimated:
    """Share of samples that are called positive."""
    return share(cases.called, None, rows)


def f1(cases: BinaryCases, rows: Integers) -> Estimated:
    """Harmonic mean of sensitivity and positive predictive value.

    F1 = 2 J / (1 + J), where J is the share of true positives among the samples that are positive or
    called positive (Jaccard index). The interval is that of J, transformed.

    Args:
        cases: the decisions.
        rows: positions of the samples of the slice.

    Returns:
        The score; undefined if no sample is positive or called positive.
    """
    found = share(cases.truth & cases.called, cases.truth | cases.called, rows)
    if not found.defined or found.limits is None:
        return found
    inner: Callable[[Widening, float], Interval] = found.limits
    slope = 2 / (1 + found.value) ** 2

    def limits(wider: Widening, confidence: float) -> Interval:
        of_share = inner(wider, confidence)
        return Interval(_dice(of_share.value), _dice(of_share.low), _dice(of_share.high))

    return Estimated(
        _dice(found.value),
        _scaled(found.influence, slope),
        found.support,
        None,
        "share",
        found.members,
        two_valued=True,
        limits=limits,
    )


def _dice(jaccard: float) -> float:
    return 2 * jaccard / (1 + jaccard)


def _scaled(influence: Floats, slope: float) -> Floats:
    return np.asarray(influence * slope, dtype=np.float64)


def _correct(cases: BinaryCases | ClassCases) -> Booleans:
    if isinstance(cases, ClassCases):
        return cases.correct
    return np.asarray(cases.truth == cases.called)
