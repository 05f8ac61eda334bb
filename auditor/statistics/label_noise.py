"""Number of wrong labels, which ones they are, and accuracy corrected for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import mannwhitneyu, norm

from auditor.statistics.blocks import row_blocks
from auditor.statistics.intervals import Floats, Interval, wilson
from auditor.statistics.noise_floor import NoiseFloor, noise_floor

NoiseState = Literal["estimated", "withheld"]
WithheldReason = Literal[
    "few-samples", "weak-model", "uninformative-confidence", "confident-errors"
]

MIN_SAMPLES = 200
"""Fewer samples do not determine the three parameters of the curve and the noise rate."""
_MAX_RELATIVE_ERROR = 0.8
"""A model that makes more than this share of the errors of always predicting the most frequent class
cannot judge labels."""
_MIN_CONFIDENT_AGREEMENT = 0.8
"""Smallest agreement with the label in the most confident fifth of the predictions. Usable data sets
have fewer wrong labels."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LabelNoise:
    """Estimated label noise. If it is withheld, values are NaN with limits 0 and 1.

    Attributes:
        state: whether there is a reliable estimate.
        reason: why it is withheld; None otherwise.
        share: share of labels that are wrong.
        among_failures: share of the failures (label differs from predicted) whose label is wrong.
        among_successes: share of the successes whose label is wrong: the model agrees with a wrong label.
        accuracy: share of predictions that are the true class.
        wrong: (N,) probability that each label is wrong; 0 if withheld.
    """

    state: NoiseState
    reason: WithheldReason | None
    share: Interval
    among_failures: Interval
    among_successes: Interval
    accuracy: Interval
    wrong: Floats

    @property
    def is_detected(self) -> bool:
        """Whether the interval of the share excludes 0."""
        return self.state == "estimated" and self.share.low > 0


def label_noise(
    labels: ArrayLike, probabilities: NDArray[np.floating], confidence: float = 0.95
) -> LabelNoise:
    """Estimates label noise, and separates it from the errors of the model.

    Over-confidence and label noise look alike: a model that is wrong in one of ten confident predictions,
    and a perfect model on data with one of ten labels wrong, can have the same probabilities and the
    same disagreements. The audited data alone cannot distinguish them, so an assumption is needed: the
    error rate of the model approaches 0 as its confidence rises (along the calibration curve of
    ``noise_floor``, with any temperature), whereas labels are wrong at the same rate at any confidence.
    The noise rate is therefore the share of disagreements that remains among the most confident
    predictions. As in confident learning, whether a label is wrong is assumed to depend on the class and
    not on the image. Confident learning uses the probabilities as they are, so that over-confidence
    counts as noise. Here, the calibration is fitted on the same samples; with three parameters,
    cross-fitting is not necessary.

    The estimate is withheld if there are fewer than 200 samples, if the model is hardly better than
    always predicting the most frequent class, if confidence does not separate agreement from
    disagreement, or if over a fifth of its most confident predictions disagree with the label.

    Args:
        labels: (N,) given labels as class indices.
        probabilities: (N, K) predicted probabilities, from a model that was not trained on these
            samples; K at least 2.
        confidence: coverage of the intervals.

    Returns:
        The estimate, or why it is withheld.

    Raises:
        ValueError: the shapes do not match, or a label is not a class index.

    Reference:
        C. G. Northcutt, L. Jiang and I. L. Chuang, "Confident learning: estimating uncertainty in
        dataset labels", JAIR 70 (2021) 1373-1411, section 2 (class-conditional noise). Corrected
        accuracy: W. J. Rogan and B. Gladen, American Journal of Epidemiology 107 (1978) 71-76, with
        the probability of each sample instead of the mean.
    """
    given, shares = _validated(labels, probabilities)
    n, n_classes = shares.shape
    disagrees = shares.argmax(1) != given
    margins = log_odds_margin(shares)
    if (reason := _withheld_before_fit(given, disagrees, margins)) is not None:
        return _withheld(reason, n)
    floor = noise_floor(margins, disagrees, n_classes, confidence)
    if floor.rate.low == 0 and not _separates(margins, disagrees):
        return _withheld("uninformative-confidence", n)
    wrong, right = label_posterior(floor, disagrees, n_classes)
    accuracy = right.mean(1)
    sampled = wilson(accuracy[0] * n, n, confidence)[()]
    below = np.hypot(accuracy[0] - accuracy[1], accuracy[0] - sampled.low)
    above = np.hypot(accuracy[2] - accuracy[0], sampled.high - accuracy[0])
    return LabelNoise(
        "estimated",
        None,
        floor.rate,
        _mean(wrong, disagrees, confidence),
        _mean(wrong, ~disagrees, confidence),
        Interval(
            float(accuracy[0]), float(accuracy[0] - below), float(min(1.0, accuracy[0] + above))
        ),
        wrong[0],
    )


def _withheld_before_fit(
    given: NDArray[np.int64], disagrees: Mask, margins: Floats
) -> WithheldReason | None:
    """Why the estimate is withheld, as far as that does not depend on the fit; None otherwise."""
    n = len(given)
    if n < MIN_SAMPLES:
        return "few-samples"
    most_frequent = np.bincount(given).max() / n
    if wilson(disagrees.sum(), n)[()].high > _MAX_RELATIVE_ERROR * (1 - most_frequent):
        return "weak-model"
    most_confident = margins >= np.quantile(margins, 0.8)
    if disagrees[most_confident].mean() > 1 - _MIN_CONFIDENT_AGREEMENT:
        return "confident-errors"
    return None


def log_odds_margin(probabilities: NDArray[np.floating]) -> Floats:
    """Log odds of the predicted class against all others, minus those of a uniform distribution.

    Args:
        probabilities: (N, K). If the other classes sum to exactly 0, the smallest positive sum of all
            samples is used instead: an infinite margin would mean that the prediction cannot be wrong.

    Returns:
        (N,) at least 0.
    """
    n, n_classes = probabilities.shape
    largest, others = np.empty(n), np.empty(n)
    for rows in row_blocks(n, n_classes):
        ordered = np.sort(np.asarray(probabilities[rows], dtype=np.float64), axis=1)
        largest[rows], others[rows] = ordered[:, -1], ordered[:, :-1].sum(1)
    positive = others > 0
    if not positive.any():
        return np.zeros(len(others))
    others = np.where(positive, others, others[positive].min())
    margins = np.log(largest) - np.log(others) + np.log(n_classes - 1)
    return np.asarray(np.maximum(margins, 0), dtype=np.float64)


def _validated(
    labels: ArrayLike, probabilities: NDArray[np.floating]
) -> tuple[NDArray[np.int64], NDArray[np.floating]]:
    given = np.asarray(labels, dtype=np.int64)
    shares = np.asarray(probabilities)
    if shares.ndim != 2 or shares.shape[1] < 2 or given.shape != shares.shape[:1]:
        raise ValueError(
            f"expected labels (n,) and probabilities (n, K), K ≥ 2; got {given.shape} and "
            f"{shares.shape}: pass one row of probabilities per sample"
        )
    if len(given) and (given.min() < 0 or given.max() >= shares.shape[1]):
        raise ValueError(
            f"expected labels in 0 … {shares.shape[1] - 1}; got {given.min()} … {given.max()}: "
            "pass indices of the columns of the probabilities"
        )
    return given, shares


def _withheld(reason: WithheldReason, n: int) -> LabelNoise:
    unknown = Interval(np.nan, 0.0, 1.0)
    return LabelNoise("withheld", reason, unknown, unknown, unknown, unknown, np.zeros(n))


def _separates(margins: Floats, disagrees: Mask) -> bool:
    """Whether margins are significantly larger for labels that agree; True with under 5 disagreements."""
    if disagrees.sum() < 5:
        return True
    test = mannwhitneyu(margins[~disagrees], margins[disagrees], alternative="greater")
    return bool(test.pvalue <= 0.025)


def label_posterior(floor: NoiseFloor, disagrees: Mask, n_classes: int) -> tuple[Floats, Floats]:
    """P(label wrong) and P(prediction true) by Bayes' rule, given whether label and prediction agree.

    With s = P(prediction true) and the noise rate η, the true class and the label are

    - both the predicted class: s (1 - η)
    - the predicted class, and another label: s η
    - another class, and the predicted class as label: (1 - s) η / (K - 1)
    - another class, correctly labelled: (1 - s) (1 - η)
    - another class, and a label that is neither of the two: (1 - s) η (K - 2) / (K - 1)

    Args:
        floor: the noise rate and s.
        disagrees: (N,) whether the label differs from the predicted class.
        n_classes: K, at least 2.

    Returns:
        Both (3, N): at the estimated rate, at its lower limit and at its upper limit.
    """
    rate = np.array([floor.rate.value, floor.rate.low, floor.rate.high])[:, None]
    s = floor.correct
    lucky = (1 - s) * rate / (n_classes - 1)
    neither = lucky * (n_classes - 2)
    agree, disagree = s * (1 - rate) + lucky, s * rate + (1 - s) * (1 - rate) + neither
    tiny = np.finfo(np.float64).tiny
    agree, disagree = np.maximum(agree, tiny), np.maximum(disagree, tiny)
    wrong = np.where(disagrees, (s * rate + neither) / disagree, lucky / agree)
    right = np.where(disagrees, s * rate / disagree, s * (1 - rate) / agree)
    return wrong, right


def _mean(wrong: Floats, chosen: Mask, confidence: float) -> Interval:
    """Share of wrong labels among the chosen samples; 0 if there are none.

    The interval combines the uncertainty of the noise rate with the variance of the number of wrong
    labels at that rate, Σ w (1 - w).
    """
    if not chosen.any():
        return Interval(0.0, 0.0, 0.0)
    own = wrong[:, chosen]
    value, low, high = (float(one) for one in own.mean(1))
    spread = norm.isf((1 - confidence) / 2) * np.sqrt((own[0] * (1 - own[0])).sum()) / own.shape[1]
    return Interval(
        value,
        float(max(0.0, value - np.hypot(min(0.0, low - value), spread))),
        float(min(1.0, value + np.hypot(max(0.0, high - value), spread))),
    )
