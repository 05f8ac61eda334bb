"""Classifier two-sample test: can a classifier tell the samples of two data sets apart?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata
from scipy.stats import t as student
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from auditor.statistics.cluster_cells import index_of
from auditor.statistics.intervals import Floats, Integers, Interval, two_sided_z, wilson_of_share

_LEAST = 10
"""Fewest clusters of either sample in each half."""
_STRENGTH = 0.1
"""Inverse strength of the penalty: with many columns, a weak penalty would fit the noise."""


@dataclass(frozen=True, slots=True)
class TwoSample:
    """How well a classifier tells two samples apart.

    Attributes:
        auroc: probability that, of one member of each sample, the classifier ranks that of the second
            higher, 0 to 1; 0.5 if it can't tell them apart. NaN if there are too few clusters.
        p_value: of "both samples come from one distribution"; 1 if there are too few clusters.
        scores: (n + m,) score of each member by a classifier that has not seen it, the first sample
            first: the share of the members of both samples in its half that are ranked lower.
    """

    auroc: Interval
    p_value: float
    scores: Floats


def two_sample_test(
    first: ArrayLike,
    second: ArrayLike,
    first_groups: ArrayLike | None = None,
    second_groups: ArrayLike | None = None,
    seed: int = 0,
) -> TwoSample:
    """Classifier two-sample test with a logistic regression, fitted on one half and tested on the other.

    Each half takes both roles. The classifier of a half is independent of the other half, so each of the
    two tests is valid; the p-value is twice the smaller one. Cross-validated scores would share training
    data, and their test would not hold its level.

    Args:
        first: (n, d) finite numbers.
        second: (m, d).
        first_groups: (n,) cluster of each member, such as the patient; None: all are independent.
        second_groups: (m,) the same; a cluster that occurs in both samples is in one half.
        seed: of the division into halves.

    Returns:
        The area under the ROC curve, averaged over the halves, with its test.

    Raises:
        ValueError: the numbers of columns differ, or a number is not finite.

    Reference:
        D. Lopez-Paz and M. Oquab, "Revisiting classifier two-sample tests", ICLR 2017, with the area
        under the ROC curve instead of the accuracy. Its variance: E. R. DeLong et al., Biometrics 44
        (1988) 837-845; of clusters: N. A. Obuchowski, Biometrics 53 (1997) 567-578; of folds: E. LeDell
        et al., Electronic Journal of Statistics 9 (2015) 1583-1607. Under the null, the variance of the
        Mann-Whitney statistic, if it is larger.
    """
    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if one.ndim != 2 or two.ndim != 2 or one.shape[1] != two.shape[1]:
        raise ValueError(f"expected two tables of equal width; got {one.shape} and {two.shape}")
    values = np.concatenate([one, two])
    if not bool(np.isfinite(values).all()):
        raise ValueError("expected finite numbers; got others: leave out these columns")
    is_second = np.arange(len(values)) >= len(one)
    cluster = _clusters(len(one), len(two), first_groups, second_groups)
    half = _halves(cluster, is_second, seed)
    scores = np.full(len(values), 0.5)
    tested: list[_Tested] = []
    for own in (half, ~half):
        if min(_number(cluster, own, is_second), _number(cluster, ~own, is_second)) < _LEAST:
            return TwoSample(Interval(np.nan, 0.0, 1.0), 1.0, scores)
        model = make_pipeline(StandardScaler(), LogisticRegression(C=_STRENGTH, max_iter=1000))
        model.fit(values[own], is_second[own])
        raw = model.decision_function(values[~own])
        scores[~own] = (rankdata(raw) - 0.5) / len(raw)
        tested.append(_tested(raw, is_second[~own], cluster[~own]))
    return TwoSample(_pooled(tested), min(1.0, 2 * min(one.p_value for one in tested)), scores)


@dataclass(frozen=True, slots=True)
class _Tested:
    auroc: float
    variance: float
    n_clusters: int
    p_value: float


def _tested(score: Floats, is_second: NDArray[np.bool_], cluster: Integers) -> _Tested:
    """The area under the ROC curve of one half, and its one-sided test."""
    n, m = int((~is_second).sum()), int(is_second.sum())
    rank = rankdata(score)
    within = np.empty(len(score))
    within[is_second], within[~is_second] = rankdata(score[is_second]), rankdata(score[~is_second])
    # Share of the other sample that is ranked lower (second sample) or higher (first sample).
    placement = (rank - within) / np.where(is_second, n, m)
    placement[~is_second] = 1 - placement[~is_second]
    auroc = float(placement[is_second].mean())
    influence = (placement - auroc) / np.where(is_second, m, n)
    sums = np.bincount(index_of(cluster), influence)
    fewest = min(len(np.unique(cluster[is_second])), len(np.unique(cluster[~is_second])))
    variance = float((sums**2).sum()) * fewest / max(fewest - 1, 1)
    null = max(variance, (n + m + 1) / (12 * n * m))
    p_value = float(student.sf((auroc - 0.5) / np.sqrt(null), 2 * fewest - 2))
    return _Tested(auroc, variance, fewest, p_value)


def _pooled(tested: list[_Tested]) -> Interval:
    """Wilson's interval at the effective sample size of the mean over both halves."""
    value = float(np.mean([one.auroc for one in tested]))
    variance = sum(one.variance for one in tested) / len(tested) ** 2
    most = float(sum(one.n_clusters for one in tested))
    size = min(value * (1 - value) / variance, most) if variance > 0 else most
    return wilson_of_share(np.array([value * size]), np.array([size]), two_sided_z(0.95))[0]


def _clusters(
    n: int, m: int, first_groups: ArrayLike | None, second_groups: ArrayLike | None
) -> Integers:
    """(n + m,) cluster of each member; members without a group are clusters of one."""
    groups: list[object] = []
    for size, given, name in ((n, first_groups, "first"), (m, second_groups, "second")):
        own = [(name, k) for k in range(size)] if given is None else np.asarray(given).tolist()
        groups += own
    place: dict[object, int] = {}
    return np.array([place.setdefault(one, len(place)) for one in groups], dtype=np.int64)


def _halves(cluster: Integers, is_second: NDArray[np.bool_], seed: int) -> NDArray[np.bool_]:
    """Whether each member is in one half of the clusters, of either sample about half."""
    rng = np.random.default_rng(seed)
    half = np.zeros(int(cluster.max(initial=-1)) + 1, dtype=bool)
    first = np.unique(cluster[~is_second])
    for own in (first, np.setdiff1d(cluster[is_second], first)):
        half[rng.permutation(own)[: len(own) // 2]] = True
    chosen: NDArray[np.bool_] = half[cluster]
    return chosen


def _number(cluster: Integers, half: NDArray[np.bool_], is_second: NDArray[np.bool_]) -> int:
    """Clusters in a half, of the sample that has fewer."""
    return min(len(np.unique(cluster[half & side])) for side in (is_second, ~is_second))
