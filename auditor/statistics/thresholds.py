"""Thresholds that are chosen by a rule, on data that are not audited."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from auditor.statistics.intervals import Floats

Rule = Literal["youden", "f1", "sensitivity", "specificity"]


def choose_threshold(
    score: ArrayLike, truth: ArrayLike, rule: Rule, at_least: float | None = None
) -> float:
    """The threshold at which a rule is fulfilled best.

    Candidates lie halfway between neighbouring scores, so that no score of these samples is at the
    threshold itself. Among equally good ones, the highest is taken: it makes fewer positive
    predictions.

    Args:
        score: (n,) probability of the positive class; samples with NaN are left out.
        truth: (n,) whether the sample is positive.
        rule: ``youden`` maximises sensitivity + specificity - 1, ``f1`` maximises F1. With
            ``sensitivity``, the highest threshold that reaches `at_least` of it is taken, which has
            the largest specificity; with ``specificity``, the lowest.
        at_least: the required share, for the last two.

    Returns:
        The threshold, in (0, 1).

    Raises:
        ValueError: there is no positive or no negative sample, or no threshold reaches `at_least`.

    Reference:
        W. J. Youden, Cancer 3 (1950) 32-35.
    """
    scores, positive = np.asarray(score, np.float64), np.asarray(truth, bool)
    known = np.isfinite(scores)
    scores, positive = scores[known], positive[known]
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if not n_positive or not n_negative:
        raise ValueError(
            f"expected positive and negative samples; got {n_positive} and {n_negative}"
        )
    candidates = _candidates(scores)
    hits = n_positive - np.searchsorted(np.sort(scores[positive]), candidates)
    alarms = n_negative - np.searchsorted(np.sort(scores[~positive]), candidates)
    sensitivity, specificity = hits / n_positive, 1 - alarms / n_negative
    if rule in {"sensitivity", "specificity"}:
        reached = (sensitivity if rule == "sensitivity" else specificity) >= (at_least or 0.0)
        if not reached.any():
            raise ValueError(f"expected a threshold with a {rule} of {at_least:g}; none reaches it")
        chosen = np.flatnonzero(reached)[-1 if rule == "sensitivity" else 0]
        return float(candidates[chosen])
    gain = (
        sensitivity + specificity
        if rule == "youden"
        else 2 * hits / np.maximum(hits + alarms + n_positive, 1)
    )
    return float(candidates[len(gain) - 1 - int(np.argmax(gain[::-1]))])


def _candidates(scores: Floats) -> Floats:
    """Ascending thresholds in (0, 1) that separate the scores in all possible ways."""
    distinct = np.unique(np.clip(scores, 0, 1))
    middle = (distinct[1:] + distinct[:-1]) / 2
    below = distinct[0] / 2 if distinct[0] > 0 else np.finfo(np.float32).tiny
    above = (1 + distinct[-1]) / 2 if distinct[-1] < 1 else 1 - np.finfo(np.float32).epsneg
    return np.concatenate([[below], middle, [above]])
