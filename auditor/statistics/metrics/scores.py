"""Quality of probabilities: Brier score, calibration slope and intercept, and calibration error."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import expit, logit

from auditor.statistics.blocks import row_blocks
from auditor.statistics.calibration import calibration
from auditor.statistics.intervals import Floats, Integers, Interval
from auditor.statistics.metrics.cases import BinaryCases, ClassCases
from auditor.statistics.metrics.estimated import Estimated, real_limits, undefined
from auditor.statistics.metrics.ranking import scores_of
from auditor.statistics.metrics.widening import Widening, freedom_of
from auditor.statistics.overconfidence import overconfidence

_LEAST = 1e-7
"""Probabilities are clipped this far from 0 and 1, where log-odds are infinite."""
_LARGEST = 50.0
"""A larger slope or intercept means that positives and negatives are separated."""
_STEPS = 100
_CONFIDENCE = 0.95
"""Coverage of the interval that is simulated together with the calibration error."""


def brier(cases: BinaryCases | ClassCases, rows: Integers) -> Estimated:
    """Mean squared difference between the probabilities and what is true.

    For several classes it is half of the sum over classes, so that it lies in [0, 1] and equals the
    score of a binary task with two classes (``scale_by_half`` in scikit-learn).

    Args:
        cases: with scores or probabilities.
        rows: positions of the samples of the slice.

    Returns:
        The score; undefined for an empty slice.

    Raises:
        ValueError: the scores or probabilities are unknown.
    """
    if isinstance(cases, BinaryCases):
        loss = (scores_of(cases)[rows] - cases.truth[rows]) ** 2
    else:
        if cases.probabilities is None:
            raise ValueError("expected cases with probabilities; got none")
        loss = np.empty(len(rows))
        for block in row_blocks(len(rows), cases.n_classes):
            chosen = rows[block]
            probability = cases.probabilities[chosen].astype(np.float64)
            true = np.arange(cases.n_classes) == cases.label[chosen][:, None]
            loss[block] = ((probability - true) ** 2).sum(1) / 2
    return _mean(loss, rows, len(cases))


def _mean(values: Floats, rows: Integers, n: int) -> Estimated:
    size = len(rows)
    if not size:
        return undefined(n)
    value = float(values.mean())
    influence = np.zeros(n)
    influence[rows] = (values - value) / np.sqrt(size * max(size - 1, 1))
    return Estimated(value, influence, size, None, "share", rows)


def calibration_slope(cases: BinaryCases, rows: Integers) -> Estimated:
    """Slope of a logistic regression of the truth on the log-odds of the score; 1 is ideal.

    Below 1 the scores are too extreme.

    Args:
        cases: the decisions, with scores.
        rows: positions of the samples of the slice.

    Returns:
        The slope; undefined if one of both outcomes is missing, if the scores do not vary, or if they
        separate the outcomes.

    Raises:
        ValueError: the scores are unknown.

    Reference:
        D. R. Cox, Biometrika 45 (1958) 562-565; B. Van Calster et al., Journal of Clinical
        Epidemiology 74 (2016) 167-176; sandwich: H. White, Econometrica 50 (1982) 1-25.
    """
    odds, truth = _log_odds(cases, rows)
    if not _varies(truth) or np.ptp(odds) == 0:
        return undefined(len(cases), "real")
    design = np.column_stack([np.ones(len(odds)), odds])
    found = _coefficient(design, np.zeros(len(odds)), truth, rows, len(cases))
    influence = found.influence[rows]
    # The rarer outcome determines how well the variance of the slope is known.
    rarer = min(truth.sum(), len(truth) - truth.sum())
    known = max(min(freedom_of(influence), float(rarer) - 1), 1.0)

    def limits(wider: Widening, confidence: float) -> Interval:
        least = Widening(wider.factor, min(known, wider.freedom))
        return real_limits(found.value, influence, least, confidence)

    return replace(found, limits=limits)


def calibration_intercept(cases: BinaryCases, rows: Integers) -> Estimated:
    """Intercept of a logistic regression of the truth with the log-odds of the score as offset.

    It is 0 if as many positives are found as predicted ("calibration in the large"), and negative if
    the scores are too high.

    Args:
        cases: the decisions, with scores.
        rows: positions of the samples of the slice.

    Returns:
        The intercept; undefined if one of both outcomes is missing.

    Raises:
        ValueError: the scores are unknown.

    Reference:
        As for `calibration_slope`.
    """
    odds, truth = _log_odds(cases, rows)
    if not _varies(truth):
        return undefined(len(cases), "real")
    return _coefficient(np.ones((len(odds), 1)), odds, truth, rows, len(cases))


def _coefficient(
    design: Floats, offset: Floats, truth: Floats, rows: Integers, n: int
) -> Estimated:
    """The last coefficient of a logistic regression; undefined if it diverges."""
    beta = _fit(design, offset, truth)
    if beta is None:
        return undefined(n, "real")
    fitted = expit(design @ beta + offset)
    inverse = np.linalg.inv((design.T * (fitted * (1 - fitted))) @ design)
    leverage = fitted * (1 - fitted) * np.einsum("ij,jk,ik->i", design, inverse, design)
    influence = np.zeros(n)
    residual = (truth - fitted) / np.sqrt(np.maximum(1 - leverage, 1e-3))
    influence[rows] = residual * (design @ inverse[:, -1])
    return Estimated(float(beta[-1]), influence, len(rows), None, "real", rows)


def _fit(design: Floats, offset: Floats, truth: Floats) -> Floats | None:
    """Newton's method with step halving; None where the likelihood has no maximum."""
    beta = np.zeros(design.shape[1])
    beta[-1] = 1.0 if design.shape[1] > 1 else 0.0
    likelihood = _log_likelihood(design @ beta + offset, truth)
    for _ in range(_STEPS):
        fitted = expit(design @ beta + offset)
        gradient = design.T @ (truth - fitted)
        information = (design.T * (fitted * (1 - fitted))) @ design
        if np.linalg.cond(information) > 1e12 or np.abs(beta).max() > _LARGEST:
            return None
        step = np.linalg.solve(information, gradient)
        while (new := _log_likelihood(design @ (beta + step) + offset, truth)) < likelihood - 1e-12:
            step = step / 2
        beta, likelihood = beta + step, new
        if np.abs(step).max() < 1e-10:
            return np.asarray(beta, dtype=np.float64)
    return None


def _log_likelihood(odds: Floats, truth: Floats) -> float:
    return float((truth * odds - np.logaddexp(0, odds)).sum())


def calibration_error(cases: BinaryCases | ClassCases, rows: Integers) -> Estimated:
    """Expected calibration error, corrected for the bias of noise.

    For decisions, of the score against the truth; for several classes, of the confidence against
    whether the prediction is right.

    Args:
        cases: with scores or confidences.
        rows: positions of the samples of the slice.

    Returns:
        The error; undefined for fewer than two samples.

    Raises:
        ValueError: the scores are unknown.

    Reference:
        `auditor.statistics.calibration`.
    """
    stated, right = _stated(cases, rows)
    if len(rows) < 2:
        return undefined(len(cases))
    found = calibration(stated, right, confidence=_CONFIDENCE)
    influence = _noise(stated - right, rows, len(cases))

    def limits(wider: Widening, confidence: float) -> Interval:
        known = confidence == _CONFIDENCE
        one = found.error if known else calibration(stated, right, confidence=confidence).error
        return _widened(one, wider, confidence, 0.0)

    return Estimated(found.error.value, influence, len(rows), None, "share", rows, limits=limits)


def overconfidence_of(cases: BinaryCases | ClassCases, rows: Integers) -> Estimated:
    """Mean confidence minus accuracy.

    For decisions, the confidence is the probability of what is said: the score, or 1 minus the score.

    Args:
        cases: with scores or confidences.
        rows: positions of the samples of the slice.

    Returns:
        The difference in [-1, 1]; undefined for fewer than two samples.

    Raises:
        ValueError: the scores are unknown.

    Reference:
        `auditor.statistics.overconfidence`.
    """
    if isinstance(cases, BinaryCases):
        score, called = scores_of(cases)[rows], cases.called[rows]
        stated = np.where(called, score, 1 - score)
        right = np.asarray(cases.truth[rows] == called)
    else:
        stated, right = cases.confidence[rows], cases.correct[rows]
    if len(rows) < 2:
        return undefined(len(cases), "real")
    value = float(stated.mean() - right.mean())

    def limits(wider: Widening, confidence: float) -> Interval:
        found = overconfidence(stated, right, confidence)
        return _widened(found.difference, wider, confidence, -1.0)

    influence = _noise(stated - right, rows, len(cases))
    return Estimated(value, influence, len(rows), None, "real", rows, limits=limits)


def _stated(cases: BinaryCases | ClassCases, rows: Integers) -> tuple[Floats, Floats]:
    """What is stated as a probability, and whether it came true."""
    if isinstance(cases, BinaryCases):
        return scores_of(cases)[rows], cases.truth[rows].astype(np.float64)
    return cases.confidence[rows], cases.correct[rows].astype(np.float64)


def _noise(residual: Floats, rows: Integers, n: int) -> Floats:
    influence = np.zeros(n)
    size = len(rows)
    influence[rows] = (residual - residual.mean()) / np.sqrt(size * (size - 1))
    return influence


def _widened(one: Interval, wider: Widening, confidence: float, least: float) -> Interval:
    scale = float(np.sqrt(max(wider.inflation(confidence), 1.0)))
    return Interval(
        one.value,
        max(least, float(one.value - scale * (one.value - one.low))),
        min(1.0, float(one.value + scale * (one.high - one.value))),
    )


def _log_odds(cases: BinaryCases, rows: Integers) -> tuple[Floats, Floats]:
    odds = logit(np.clip(scores_of(cases)[rows], _LEAST, 1 - _LEAST))
    return np.asarray(odds, dtype=np.float64), cases.truth[rows].astype(np.float64)


def _varies(truth: Floats) -> bool:
    return bool(0 < truth.sum() < len(truth))
