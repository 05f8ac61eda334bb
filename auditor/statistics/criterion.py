"""Acceptance criteria: met, missed or undecided, judged by an interval and not by a point estimate.

A criterion is met only if the data show that it holds, and missed only if they show that it does not.
Otherwise it is undecided: more samples are needed, and it must not be read as a pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import beta, binom, hypergeom

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


def judge_share(
    count: float,
    total: float,
    threshold: float,
    *,
    higher_is_better: bool = True,
    alpha: float = 0.05,
) -> JudgedNumber:
    """A share against a threshold: accuracy, the recall of one class, an error rate.

    Args:
        count: how many of `total`.
        total: samples; with none the status is ``"undecided"``.
        threshold: in [0, 1].
        higher_is_better: True asks for more than the threshold, False for less.
        alpha: bound on the probability of either false statement, in (0, 0.5).

    Returns:
        The criterion with exact limits (Clopper and Pearson's) and exact binomial tests.

    Raises:
        ValueError: a number is out of range.

    Reference:
        C. J. Clopper and E. S. Pearson, Biometrika 26 (1934) 404-413.
    """
    all_classes = judge_every_share(
        [count], [total], threshold, higher_is_better=higher_is_better, alpha=alpha
    )
    return JudgedNumber(
        all_classes.status,
        all_classes.value[0],
        threshold,
        float(all_classes.p_met[0]),
        float(all_classes.p_missed[0]),
    )


def judge_every_share(
    counts: ArrayLike,
    totals: ArrayLike,
    threshold: float,
    *,
    higher_is_better: bool = True,
    alpha: float = 0.05,
) -> EveryClass:
    """The share of every class against one threshold, say the recall of each.

    That *every* class meets it needs no correction: each has to (an intersection-union test). Which
    classes meet or miss it is corrected for all of them. Classes are independent samples, and
    Hochberg's procedure says that all meet it exactly if each does.

    Args:
        counts: (K,) how many of `totals`.
        totals: (K,) samples of each class. A class without any leaves the whole undecided, unless
            another one misses the threshold.
        threshold: in [0, 1].
        higher_is_better: True asks for more than the threshold, False for less.
        alpha: bound on the probability of any false "met", and of any false "missed".

    Returns:
        The criterion with exact limits and exact binomial tests.

    Raises:
        ValueError: a number is out of range.

    Reference:
        R. L. Berger, Technometrics 24 (1982) 295-300; Y. Hochberg, Biometrika 75 (1988) 800-802.
    """
    count, total = counts_and_totals(counts, totals)
    _check(threshold, alpha)
    known = total > 0
    above = np.where(known, binom.sf(count - 1, total, threshold), np.nan)
    below = np.where(known, binom.cdf(count, total, threshold), np.nan)
    met, missed = (above, below) if higher_is_better else (below, above)
    return _every(met, missed, _exact(count, total, alpha), np.full(count.shape, threshold), alpha)


def judge_against_majority(
    correct: ArrayLike, totals: ArrayLike, alpha: float = 0.05
) -> JudgedNumber:
    """Is the model more often right than always naming the most frequent class would be?

    Both are judged on the same samples, so the test is paired: of the samples that only one of the
    two gets right, does the model get more? The most frequent class is taken from these samples,
    which favours the baseline slightly.

    Args:
        correct: (K,) correct predictions by label.
        totals: (K,) samples by label.
        alpha: bound on the probability of either false statement, in (0, 0.5).

    Returns:
        The accuracy minus that of the baseline against 0, with exact tests (one-sided McNemar).

    Raises:
        ValueError: a count is outside of 0 … total, or `alpha` is out of range.

    Reference:
        Q. McNemar, Psychometrika 12 (1947) 153-157, with the binomial law; interval as in
        `mcnemar`.
    """
    count, total = counts_and_totals(correct, totals)
    _check(0.0, alpha)
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
    """Is every class recognised better than by chance?

    Chance is the rate at which the class is predicted for samples of *other* labels: a model that
    always names one class has a recall of 1 for it, and recognises nothing. One in K, the recall of
    a fair die, would call that better than chance, and a cautious detector with a recall of 40 %
    and hardly any false alarm worse. It only serves to call a class missed: a class whose recall is
    shown to be below one in K, or below the rate for other labels, and that is not shown to be
    recognised.

    Args:
        confusion: (K, K) samples by label (rows) and prediction (columns).
        alpha: bound on the probability of any false "met", and of any false "missed".

    Returns:
        Recall minus the rate for other labels against 0, with Fisher's exact test.

    Raises:
        ValueError: `confusion` is no square matrix of counts, or `alpha` is out of range.

    Reference:
        The difference is informedness: W. J. Youden, Cancer 3 (1950) 32-35. Tests of the classes
        depend positively, as the diagonal of a table with fixed margins does, so that Hochberg's
        procedure holds: S. K. Sarkar, Annals of Statistics 26 (1998) 494-504.
    """
    table = np.asarray(confusion, dtype=np.float64)
    _check(0.0, alpha)
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


def _exact(count: Floats, total: Floats, alpha: float) -> Intervals:
    """Clopper and Pearson's limits, each one-sided at alpha."""
    known = total > 0
    rest = total - count
    inner = known & (count > 0)
    low = np.where(inner, beta.ppf(alpha, np.where(inner, count, 1), rest + 1), 0.0)
    inner = known & (rest > 0)
    high = np.where(inner, beta.isf(alpha, count + 1, np.where(inner, rest, 1)), 1.0)
    value = np.divide(count, total, out=np.full_like(count, np.nan), where=known)
    return Intervals(value, low, high)


def _check(threshold: float, alpha: float) -> None:
    if not 0 <= threshold <= 1:
        raise ValueError(
            f"expected a threshold in [0, 1]; got {threshold!r}: give a share, not a percentage"
        )
    if not 0 < alpha < 0.5:
        raise ValueError(
            f"expected an alpha in (0, 0.5), such as 0.05; got {alpha!r}: give a share, not a "
            "percentage"
        )
