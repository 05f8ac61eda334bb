"""Independence of prediction and attribute, given the label, for clustered samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from auditor.statistics.cluster_cells import Cells, index_of, ratio
from auditor.statistics.cluster_columns import Centred, OneHot
from auditor.statistics.cluster_correlation import null_variances
from auditor.statistics.cluster_permutation import ClusterPermutation
from auditor.statistics.cluster_sample import LEAST_CLUSTERS
from auditor.statistics.dependence import Dependence, conditional_dependence, total_information
from auditor.statistics.intervals import Floats, Integers
from auditor.statistics.permutation import MAX_DRAWS, sequential_p_value

_ENTRIES = 2_000_000
"""Limit on clusters × attribute values × outcomes of the test; the rarest outcomes are pooled."""
_LEAST_OUTCOMES = 10
_LEAST_VARIANCE = 5.0
"""Outcomes whose count has a smaller variance are pooled, as in the rule for χ² tests."""


def clustered_dependence(
    attribute: ArrayLike,
    predicted: ArrayLike,
    labels: ArrayLike,
    groups: ArrayLike,
    n_permutations: int = MAX_DRAWS,
    seed: int = 0,
) -> Dependence:
    """Permutation test of prediction ⟂ attribute | label for clustered samples.

    The statistic is the sum, over attribute values and pairs of label and prediction, of the squared
    standardised differences between the observed count and the one expected given the label. Pairs
    with small counts are pooled. With a single label, it tests the association of two attributes.

    Args:
        attribute: (N,) attribute values. These and the next three may be any values that can be
            sorted.
        predicted: (N,) predicted classes.
        labels: (N,) labels, which are held fixed.
        groups: (N,) cluster of each sample.
        n_permutations: maximum number of permutations; a large p-value needs fewer.
        seed: random seed.

    Returns:
        The dependence in nats. Its `excess` is the information times the share of the statistic
        that exceeds its mean under permutation. The p-value is NaN if there is nothing to permute
        within any label, or if no attribute value has five clusters with it and five without. If
        no two samples share a cluster, the result is that of `conditional_dependence`.

    Raises:
        ValueError: the lengths differ, or there is no sample.

    Reference:
        Test: `ClusterPermutation`. Information: Cover and Thomas (2006), equation 2.60.
    """
    if not np.shape(attribute) == np.shape(predicted) == np.shape(labels) == np.shape(groups):
        raise ValueError(
            f"expected four arrays of one length; got {np.shape(attribute)}, "
            f"{np.shape(predicted)}, {np.shape(labels)} and {np.shape(groups)}"
        )
    codes = np.stack([index_of(part) for part in (labels, attribute, predicted)])
    counts = np.zeros(codes.max(1) + 1)
    np.add.at(counts, tuple(codes), 1)
    cluster = index_of(groups)
    if cluster.max() + 1 == len(cluster):
        return conditional_dependence(counts, n_permutations, seed)
    movable = ((counts.sum(2) > 0).sum(1) > 1) & ((counts.sum(1) > 0).sum(1) > 1)
    seen = sum(float(total_information(table)) for table in counts[movable])
    information = max(seen / len(cluster), 0.0)
    kept = movable[codes[0]]
    permutation = _permutation(codes[:, kept], cluster[kept], seed) if kept.any() else None
    if permutation is None:
        return Dependence(information, np.nan, np.nan, 0)

    def draw(size: int) -> Floats:
        return np.asarray((permutation.draw(size) ** 2).sum((1, 2)), dtype=np.float64)

    observed = float((permutation.observed**2).sum())
    most = min(n_permutations, permutation.max_draws)
    found = sequential_p_value(draw, observed, most, permutation.largest_batch)
    chance = found.mean / observed if observed > 0 else 1.0
    excess = information * max(1 - chance, -1.0)
    return Dependence(information, excess, found.p_value, len(found.drawn))


def _permutation(codes: Integers, groups: Integers, seed: int) -> ClusterPermutation | None:
    """The test for (3, N) labels, attribute values and predictions; None if it is not possible."""
    label, attribute, predicted = (index_of(part) for part in codes)
    cells = Cells.of(label, groups)
    size = cells.by_cluster(cells.by_cell(np.ones(len(label))))
    members = OneHot(attribute, np.arange(attribute.max() + 1))
    columns = (members.column(k) for k in range(members.shape[1]))
    held = np.stack([cells.by_cluster(cells.by_cell(column)) for column in columns], axis=1)
    enough = np.minimum((held > 0).sum(0), (held < size[:, None]).sum(0)) >= LEAST_CLUSTERS
    if not enough.any():
        return None
    members = OneHot(attribute, np.flatnonzero(enough))
    most = max(_LEAST_OUTCOMES, _ENTRIES // (cells.n_clusters * members.shape[1]))
    outcome = _outcomes(label, predicted, most)
    outcomes = OneHot(outcome, np.arange(outcome.max() + 1))
    variances = null_variances(cells, outcomes)
    return ClusterPermutation(cells, members, Centred.of(outcomes, cells), variances, seed=seed)


def _outcomes(label: Integers, predicted: Integers, most: int) -> Integers:
    """Numbers the pairs of label and prediction; those with little variance share the last number."""
    pair = label * (predicted.max() + 1) + predicted
    count = np.bincount(pair).astype(np.float64)
    size = np.zeros(len(count))
    size[pair] = np.bincount(label)[label]
    variance = count * (1 - ratio(count, size))
    order = np.argsort(-variance, kind="stable")[: most - 1]
    alone = order[variance[order] >= _LEAST_VARIANCE]
    number = np.full(len(count), len(alone), dtype=np.int64)
    number[alone] = np.arange(len(alone))
    return index_of(number[pair])
