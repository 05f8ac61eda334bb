"""Remove every dependence on attributes from the outcomes, and plant a gap of a known size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from auditor.selftest.tables import Integers, Outcomes, Tables

_BLOCK = 20
"""Clusters of similar size that exchange their outcomes."""


def independent(tables: Tables, generator: np.random.Generator) -> Outcomes:
    """Permutes the outcomes among the samples of each label.

    Accuracy, confusions and confidence of every label stay the same; given the label, nothing depends
    on any attribute. Where samples come in clusters, whole clusters exchange their outcomes; see
    `donors_of`.
    """
    label = tables.label
    if tables.clusters is not None:
        return tables.outcomes.taken(donors_of(label, tables.clusters.of_sample, generator))
    order = np.lexsort((generator.random(len(label)), label))
    source = np.empty(len(label), dtype=np.int64)
    source[np.argsort(label, kind="stable")] = order
    return tables.outcomes.taken(source)


def donors_of(label: Integers, cluster: Integers, generator: np.random.Generator) -> Integers:
    """For each sample another one of the same label, such that outcomes stay as alike in clusters.

    Every cluster gets the outcomes of one other cluster, of about as many samples: clusters are
    sorted by size, and those of a block exchange their outcomes. Within a label, the outcomes are
    dealt out in random order; where the other cluster has too few, some are dealt out twice, and where
    it has no sample of the label, a random cluster that has some takes its place.

    Args:
        label: (n,) indices.
        cluster: (n,) indices.
        generator: source of randomness.

    Returns:
        (n,) positions.
    """
    n_clusters = int(cluster.max()) + 1
    size = np.bincount(cluster, minlength=n_clusters)
    by_size = np.lexsort((generator.random(n_clusters), size))
    donor = np.empty(n_clusters, dtype=np.int64)
    for block in np.array_split(by_size, max(1, n_clusters // _BLOCK)):
        donor[block] = generator.permutation(block)
    source = np.empty(len(label), dtype=np.int64)
    for code in np.unique(label):
        rows = np.flatnonzero(label == code)
        order = rows[np.lexsort((generator.random(len(rows)), cluster[rows]))]
        present, starts, counts = np.unique(cluster[order], return_index=True, return_counts=True)
        places = dict(zip(present.tolist(), zip(starts, counts, strict=True), strict=True))
        for own, (start, count) in places.items():
            other = int(donor[own])
            first, available = places[other if other in places else int(generator.choice(present))]
            source[order[start : start + count]] = order[first + np.arange(count) % available]
    return source


def planted(
    tables: Tables,
    outcomes: Outcomes,
    inside: NDArray[np.bool_],
    gap: float,
    generator: np.random.Generator,
) -> Outcomes:
    """Raises the error rate of some samples by a gap, equally within every label.

    Correct samples become failures with probability gap / (1 - error rate of their label). A new
    failure gets the outcome of a failure of the same label; where there is none, its two largest
    probabilities are exchanged.

    Args:
        tables: the samples.
        outcomes: independent of ``inside``.
        inside: (n,) which samples get the gap.
        gap: its size (a share).
        generator: draws the new failures.
    """
    label, n = tables.label, len(tables.label)
    failure = outcomes.predicted != label
    rate = np.bincount(label[failure], minlength=len(tables.classes)) / np.maximum(
        np.bincount(label, minlength=len(tables.classes)), 1
    )
    chance = np.minimum(gap / np.maximum(1 - rate, 1e-12), 1)[label]
    chosen = inside & ~failure & (generator.random(n) < chance)
    source = np.arange(n)
    without_donor = np.zeros(n, dtype=bool)
    for code in np.unique(label[chosen]):
        rows = np.flatnonzero(chosen & (label == code))
        donors = np.flatnonzero(failure & (label == code))
        if len(donors):
            source[rows] = generator.choice(donors, len(rows))
        else:
            without_donor[rows] = True
    return _flipped(
        outcomes.taken(source), label, np.flatnonzero(without_donor), len(tables.classes)
    )


def _flipped(outcomes: Outcomes, label: Integers, rows: Integers, n_classes: int) -> Outcomes:
    """Predicts the second most probable class for each of these samples, or the next class."""
    predicted, loss = outcomes.predicted.copy(), outcomes.loss.copy()
    shares = outcomes.probabilities
    if shares is None:
        other = (label[rows] + 1) % n_classes
    else:
        left = shares[rows].copy()
        left[np.arange(len(rows)), label[rows]] = -1
        other = left.argmax(1)
        shares = shares.copy()
        # One statement: NumPy reads the right side before it writes.
        shares[rows, label[rows]], shares[rows, other] = (
            shares[rows, other],
            shares[rows, label[rows]],
        )
    predicted[rows] = other
    loss[rows] = -np.log(np.maximum(1 - outcomes.confidence[rows], 1e-6))
    return replace(outcomes, predicted=predicted, loss=loss, probabilities=shares)
