"""How well scores rank positives before negatives: AUROC and average precision."""

from __future__ import annotations

import numpy as np

from auditor.statistics.intervals import Floats, Integers
from auditor.statistics.metrics.cases import BinaryCases
from auditor.statistics.metrics.estimated import Estimated, undefined


def auroc(cases: BinaryCases, rows: Integers) -> Estimated:
    """Area under the ROC curve: the probability that a positive scores higher than a negative.

    The influence of a sample is that of its placement value, the share of the other class that it
    beats, with ties counted half. The sum of squared influences is DeLong's variance.

    Args:
        cases: the decisions, with scores.
        rows: positions of the samples of the slice.

    Returns:
        The area; undefined without positives or without negatives.

    Raises:
        ValueError: the scores are unknown.

    Reference:
        E. R. DeLong, D. M. DeLong and D. L. Clarke-Pearson, Biometrics 44 (1988) 837-845, equations
        4 and 5; X. Sun and W. Xu, IEEE Signal Processing Letters 21 (2014) 1389-1393, for the ranks.
    """
    score, truth = scores_of(cases)[rows], cases.truth[rows]
    positive, negative = score[truth], score[~truth]
    m, n = len(positive), len(negative)
    if not m or not n:
        return undefined(len(cases))
    of_positives = _beaten(positive, negative)
    of_negatives = 1 - _beaten(negative, positive)
    value = float(of_positives.mean())
    influence = np.zeros(len(cases))
    influence[rows[truth]] = (of_positives - value) / np.sqrt(m * max(m - 1, 1))
    influence[rows[~truth]] = (of_negatives - value) / np.sqrt(n * max(n - 1, 1))
    smooth = (value * m * n + 0.5) / (m * n + 1)
    size = smooth * (1 - smooth) / _hanley_mcneil(smooth, m, n)
    return Estimated(value, influence, m + n, None, "share", rows, size=size)


def _hanley_mcneil(value: float, m: int, n: int) -> float:
    """Variance of the area for exponential scores, with m positives and n negatives.

    Reference:
        J. A. Hanley and B. J. McNeil, Radiology 143 (1982) 29-36, equations 1 and 2.
    """
    first, second = value / (2 - value), 2 * value**2 / (1 + value)
    own = value * (1 - value)
    return (own + (m - 1) * (first - value**2) + (n - 1) * (second - value**2)) / (m * n)


def average_precision(cases: BinaryCases, rows: Integers) -> Estimated:
    """Average precision: the mean over positives of the precision at their score.

    Args:
        cases: the decisions, with scores.
        rows: positions of the samples of the slice.

    Returns:
        The average precision as in scikit-learn; undefined without positives.

    Raises:
        ValueError: the scores are unknown.

    Reference:
        K. Boyd, K. H. Eng and C. D. Page, "Area under the precision-recall curve: point estimates
        and confidence intervals", ECML PKDD 2013. The influence is the derivative of the average
        precision with respect to the weight of a sample.
    """
    score, truth = scores_of(cases)[rows], cases.truth[rows]
    m = int(truth.sum())
    if not m:
        return undefined(len(cases))
    order = np.argsort(-score, kind="stable")
    ranked, hit = score[order], truth[order]
    # All samples with the same score share the counts at the last of them.
    last = np.searchsorted(-ranked, -ranked, side="right") - 1
    first = np.searchsorted(-ranked, -ranked, side="left")
    called = (last + 1).astype(np.float64)
    precision = np.cumsum(hit)[last] / called
    value = float(precision[hit].mean())
    # A sample is among those called at the score of every positive that ranks equal or lower.
    each, weighted = hit / called, hit * precision / called
    below = _from(each, first), _from(weighted, first)
    effect = hit * (precision - value) + hit * below[0] - below[1]
    influence = np.zeros(len(cases))
    influence[rows[order]] = effect / m
    return Estimated(value, influence, m, None, "share", rows)


def scores_of(cases: BinaryCases) -> Floats:
    """The scores.

    Raises:
        ValueError: they are unknown.
    """
    if cases.score is None:
        raise ValueError("expected cases with scores; got none: pass the probabilities")
    return cases.score


def _beaten(of: Floats, others: Floats) -> Floats:
    """Share of the others below each number, with ties counted half."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, of, side="left")
    upto = np.searchsorted(ordered, of, side="right")
    return np.asarray((below + upto) / (2 * len(others)), dtype=np.float64)


def _from(values: Floats, first: Integers) -> Floats:
    """Sum of the values from each position in `first` to the end."""
    return np.asarray(np.cumsum(values[::-1])[::-1][first], dtype=np.float64)
