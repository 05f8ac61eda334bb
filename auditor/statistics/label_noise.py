"""How many labels are wrong, which ones, and how accurate is the model without that noise?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import mannwhitneyu, norm

from auditor.statistics.intervals import Floats, Interval, wilson
from auditor.statistics.noise_floor import NoiseFloor, noise_floor

NoiseState = Literal["estimated", "withheld"]
WithheldReason = Literal[
    "few-samples", "weak-model", "uninformative-confidence", "confident-errors"
]

MIN_SAMPLES = 200
"""Fewer samples carry too little for three parameters of a curve and a noise rate."""
_MAX_RELATIVE_ERROR = 0.8
"""A model with more than this part of the errors of the most frequent class cannot judge labels."""
_MIN_CONFIDENT_AGREEMENT = 0.8
"""Among the most confident fifth of the predictions. Usable data sets have fewer wrong labels."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LabelNoise:
    """Estimated label noise. Where it is withheld, numbers are NaN with their widest limits.

    Attributes:
        state: whether the estimate can be relied on.
        reason: why it is withheld; None where it is not.
        share: share of labels that are wrong.
        among_failures: share of the failures (label differs from predicted) whose label is wrong.
        among_successes: share of the successes whose label is wrong: the model agrees with a wrong label.
        accuracy: share of predictions that are the true class.
        wrong: (N,) probability that each label is wrong; 0 where withheld.
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
    """Estimates label noise, and separates it from the model's own errors.

    Over-confidence and label noise look alike: a model that errs in one of ten confident predictions, and
    a perfect one on data with one of ten labels wrong, may give the same probabilities and the same
    disagreements. No statistic of the audited data alone tells them apart. What separates them here is
    an assumption: the model's own error rate falls towards 0 as its confidence rises (by the calibration
    curve of ``noise_floor``, whatever its temperature), while labels are wrong with one rate at any
    confidence. Noise is therefore the share of disagreements that is left among the most confident
    predictions. Like confident learning, it assumes that whether a label is wrong depends on the class
    and not on the image. Confident learning reads the probabilities as they are; over-confidence then
    counts as noise. Here their calibration is fitted on the same samples; with three parameters, no
    cross-fitting is needed.

    The estimate is withheld if there are fewer than 200 samples, if the model is hardly better than the
    most frequent class, if confidence does not separate agreement from disagreement, or if over a fifth
    of its most confident predictions disagree with the label.

    Args:
        labels: (N,) given labels as class indices.
        probabilities: (N, K) predicted probabilities, from a model that was not trained on these
            samples; K at least 2.
        confidence: coverage of the intervals.

    Returns:
        The estimate, or why it is withheld.

    Raises:
        ValueError: shapes that do not fit, or a label that is no class.

    Reference:
        C. G. Northcutt, L. Jiang and I. L. Chuang, "Confident learning: estimating uncertainty in
        dataset labels", JAIR 70 (2021) 1373-1411, section 2 (class-conditional noise). Corrected
        accuracy: W. J. Rogan and B. Gladen, American Journal of Epidemiology 107 (1978) 71-76, with
        the probability of each sample instead of the mean.
    """
    given, shares = _validated(labels, probabilities)
    n, n_classes = shares.shape
    predicted = shares.argmax(1)
    disagrees = predicted != given
    if n < MIN_SAMPLES:
        return _withheld("few-samples", n)
    most_frequent = np.bincount(given, minlength=n_classes).max() / n
    errors = wilson(disagrees.sum(), n)[()]
    if errors.high > _MAX_RELATIVE_ERROR * (1 - most_frequent):
        return _withheld("weak-model", n)
    margins = log_odds_margin(shares)
    most_confident = margins >= np.quantile(margins, 0.8)
    if disagrees[most_confident].mean() > 1 - _MIN_CONFIDENT_AGREEMENT:
        return _withheld("confident-errors", n)
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


def log_odds_margin(probabilities: NDArray[np.floating]) -> Floats:
    """Log odds of the predicted class against all others, above those of a uniform distribution.

    Args:
        probabilities: (N, K); a sum of the other classes of exactly 0 counts as the smallest one that
            occurs, since an infinite margin would claim that no such prediction can be wrong.

    Returns:
        (N,) at least 0.
    """
    ordered = np.sort(np.asarray(probabilities, dtype=np.float64), axis=1)
    others = ordered[:, :-1].sum(1)
    positive = others > 0
    if not positive.any():
        return np.zeros(len(others))
    others = np.where(positive, others, others[positive].min())
    margins = np.log(ordered[:, -1]) - np.log(others) + np.log(ordered.shape[1] - 1)
    return np.asarray(np.maximum(margins, 0), dtype=np.float64)


def _validated(
    labels: ArrayLike, probabilities: NDArray[np.floating]
) -> tuple[NDArray[np.int64], Floats]:
    given = np.asarray(labels, dtype=np.int64)
    shares = np.asarray(probabilities, dtype=np.float64)
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
    """Whether margins are significantly larger where the label agrees; yes if hardly any disagrees."""
    if disagrees.sum() < 5:
        return True
    test = mannwhitneyu(margins[~disagrees], margins[disagrees], alternative="greater")
    return bool(test.pvalue <= 0.025)


def label_posterior(floor: NoiseFloor, disagrees: Mask, n_classes: int) -> tuple[Floats, Floats]:
    """P(label wrong) and P(prediction true) by Bayes' rule, given whether they agree.

    With s = P(prediction true) and the noise rate η, the true class and the label are

    - both the predicted class: s (1 - η)
    - the predicted class, and another label: s η
    - another class, and the predicted class as label: (1 - s) η / (K - 1)
    - another class, rightly labelled: (1 - s) (1 - η)
    - another class, and a label that is neither: (1 - s) η (K - 2) / (K - 1)

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
    """Share of wrong labels among the chosen samples; 0 where there is none.

    The interval adds the uncertainty of the noise rate and the variance of the number of wrong labels
    at that rate, Σ w (1 - w).
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
