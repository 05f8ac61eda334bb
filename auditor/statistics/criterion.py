"""Acceptance criteria: met, missed or undecided, judged by an interval and not by a point estimate.

A criterion is met only if the data show that it holds, and missed only if they show that it does not.
Otherwise it is undecided: more samples are needed, and it must not be read as a pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom, hypergeom

from auditor.statistics.closed_testing import hochberg
from auditor.statistics.intervals import (
    Floats,
    Interval,
    Intervals,
    counts_and_totals,
    subtract,
)
from auditor.statistics.mid_p import mid_p
from auditor.statistics.paired import mcnemar

Status = Literal["met", "missed", "undecided"]


@dataclass(frozen=True, slots=True)
class JudgedNumber:
    """One number against a threshold.

    Attributes:
        status: ``"met"``, ``"missed"`` or ``"undecided"``.
        value: the number; either limit is one-sided at alpha.
        threshold: what it is compared with.
        p_met: one-sided, of "the criterion does not hold".
        p_missed: one-sided, of "the criterion holds".
    """

    status: Status
    value: Interval
    threshold: float
    p_met: float
    p_missed: float


@dataclass(frozen=True, slots=True)
class EveryClass:
    """The same criterion for every class.

    Attributes:
        status: ``"met"`` if every class meets it, ``"missed"`` if any misses it.
        each: (K,) status of each class; they are consistent with `status`.
        value: (K,) the numbers; either limit is one-sided at alpha, for one class.
        threshold: (K,) what they are compared with.
        p_met: (K,) adjusted for all classes; NaN for a class without samples.
        p_missed: (K,) adjusted for all classes; NaN for a class without samples.
    """

    status: Status
    each: tuple[Status, ...]
    value: Intervals
    threshold: Floats
    p_met: Floats
    p_missed: Floats


def judge_interval(interval: Interval, threshold: float, *, higher_is_better: bool) -> Status:
    """Compares an interval with a threshold.

    Args:
        interval: a number with its limits. For an error of at most alpha, either limit is one-sided
            at alpha: a 90 % interval for 5 %.
        threshold: what it is compared with.
        higher_is_better: whether the criterion asks for more or for less than the threshold.

    Returns:
        The status; ``"undecided"`` for a number that is NaN.
    """
    if np.isnan(interval.value):
        return "undecided"
    above, below = interval.low > threshold, interval.high < threshold
    if not higher_is_better:
        above, below = below, above
    return "met" if above else "missed" if below else "undecided"


def judge_against_majority(
    correct: ArrayLike, totals: ArrayLike, alpha: float = 0.05
) -> JudgedNumber:
    """Compares the accuracy with that of always predicting the most frequent class.

    Both are measured on the same samples, so the test is paired: it compares the numbers of samples
    that only the model and only the baseline predict correctly. The most frequent class is determined
    on these samples, which favours the baseline slightly.

    Args:
        correct: (K,) correct predictions by label.
        totals: (K,) samples by label.
        alpha: bound on the probability of either false statement, in (0, 0.5).

    Returns:
        The accuracy minus that of the baseline against 0, with exact tests (one-sided McNemar).

    Raises:
        ValueError: a count is outside of 0 … total, or `alpha` is out of range.

    Reference:
        Q. McNemar, Psychometrika 12 (1947) 153-157, with the binomial distribution; interval as in
        `mcnemar`.
    """
    count, total = counts_and_totals(correct, totals)
    _check_alpha(alpha)
    if not total.sum() > 0:
        return JudgedNumber("undecided", Interval(np.nan, -1.0, 1.0), 0.0, np.nan, np.nan)
    majority = int(total.argmax())
    only_baseline = float(total[majority] - count[majority])
    only_model = float(count.sum() - count[majority])
    differing = only_model + only_baseline
    p_met = float(binom.sf(only_model - 1, differing, 0.5))
    p_missed = float(binom.cdf(only_model, differing, 0.5))
    change = mcnemar(only_model, only_baseline, total.sum(), 1 - 2 * alpha).change[()]
    return JudgedNumber(_status(p_met, p_missed, alpha), change, 0.0, p_met, p_missed)


def judge_against_chance(confusion: ArrayLike, alpha: float = 0.05) -> EveryClass:
    """Tests whether every class is recognised better than by chance.

    Chance is the rate at which the class is predicted for samples with *other* labels: a model that
    always predicts one class has a recall of 1 for it, but does not recognise it. Compared with the
    recall 1/K of a fair die, this model would be better than chance, and a cautious detector with a
    recall of 40 % and hardly any false positives could be worse. The die only serves to call a class
    missed: if its recall is shown to be below 1/K, or below the rate for other labels, and the class
    is not shown to be recognised.

    Args:
        confusion: (K, K) samples by label (rows) and prediction (columns).
        alpha: bound on the probability of any false "met", and of any false "missed".

    Returns:
        Recall minus the rate for other labels against 0, with Fisher's exact test.

    Raises:
        ValueError: `confusion` is not a square matrix of counts, or `alpha` is out of range.

    Reference:
        The difference is informedness: W. J. Youden, Cancer 3 (1950) 32-35. Tests of the classes
        depend positively, as the diagonal of a table with fixed margins does, so that Hochberg's
        procedure holds: S. K. Sarkar, Annals of Statistics 26 (1998) 494-504.
    """
    table = np.asarray(confusion, dtype=np.float64)
    _check_alpha(alpha)
    if table.ndim != 2 or table.shape[0] != table.shape[1] or not bool(np.all(table >= 0)):
        raise ValueError(
            f"expected a square matrix of counts, labels in rows; got shape {table.shape}: "
            "use the same classes for labels and predictions"
        )
    hits, own, named = np.diagonal(table), table.sum(1), table.sum(0)
    whole = table.sum()
    others = whole - own
    known = (own > 0) & (others > 0)
    above = hypergeom.sf(hits - 1, whole, named, own)
    below = hypergeom.cdf(hits, whole, named, own)
    die = binom.cdf(hits, own, 1 / max(len(table), 1))
    met = np.where(known, above, np.nan)
    missed = np.where(known, np.minimum(2 * np.minimum(below, die), 1.0), np.nan)
    value = subtract(mid_p(hits, own, 1 - 2 * alpha), mid_p(named - hits, others, 1 - 2 * alpha))
    return _every(met, missed, value, np.zeros(len(table)), alpha)


def _every(
    met: Floats, missed: Floats, value: Intervals, threshold: Floats, alpha: float
) -> EveryClass:
    """Combines the tests of the classes."""
    p_met, p_missed = hochberg(met), hochberg(missed)
    each = tuple(
        _status(float(one), float(other), alpha) for one, other in zip(p_met, p_missed, strict=True)
    )
    status: Status = "undecided"
    if "missed" in each:
        status = "missed"
    elif each and all(one == "met" for one in each):
        status = "met"
    return EveryClass(status, each, value, threshold, p_met, p_missed)


def _status(p_met: float, p_missed: float, alpha: float) -> Status:
    if p_met <= alpha:
        return "met"
    return "missed" if p_missed <= alpha else "undecided"


def _check_alpha(alpha: float) -> None:
    if not 0 < alpha < 0.5:
        raise ValueError(
            f"expected an alpha in (0, 0.5), such as 0.05; got {alpha!r}: give a share, not a "
            "percentage"
        )
