"""Sample splitting: slices are searched for on one half of the samples and tested on the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.records import AuditData
from auditor.records.predictions import codes
from auditor.statistics import (
    Floats,
    Gaps,
    Integers,
    MeanGap,
    clustered_gap,
    clustered_mean_gap,
    stratified_gap,
    stratified_mean_gap,
)

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class SampleSplit:
    """Samples, divided into a search half and a test half.

    Attributes:
        rows: (n,) positions in ``AuditData.predictions``.
        label: (n,) class indices.
        predicted: (n,) class indices.
        failure: (n,) whether the sample is misclassified.
        excess: (n,) failure minus the error that the model expects, 1 - confidence: from -1 (correct
            at confidence 0) to 1 (misclassified at confidence 1).
        search: (n,) whether the sample is in the search half.
        cluster: (n,) cluster of each sample; None where all are independent.
        seed: of permutations of clusters.
    """

    rows: Integers
    label: Integers
    predicted: Integers
    failure: Mask
    excess: Floats
    search: Mask
    cluster: Integers | None = None
    seed: int = 0

    @property
    def test(self) -> Mask:
        """Whether the sample is in the test half, (n,)."""
        return ~self.search

    @classmethod
    def of(
        cls, audit: AuditData, rows: Integers, within: str, generator: np.random.Generator
    ) -> SampleSplit:
        """Divides samples at random, without regard to their outcomes. Clusters are kept whole.

        Args:
            audit: the audited data.
            rows: (n,) positions in ``AuditData.predictions``.
            within: the column, ``label`` or ``predicted``, whose values are each divided in half;
                clusters are divided in the order of their most frequent value.
            generator: source of randomness.
        """
        frame = audit.predictions[["label", "predicted", "failure", "confidence"]].iloc[rows]
        cluster = None if audit.clusters is None else audit.clusters.of_sample[rows]
        if cluster is None:
            order = np.lexsort((generator.random(len(rows)), codes(frame[within])))
            search = np.zeros(len(rows), dtype=np.bool_)
            search[order] = np.arange(len(rows)) % 2 == 0
        else:
            search = half_of_clusters(cluster, codes(frame[within]), generator)
        failure = frame["failure"].to_numpy(dtype=np.bool_)
        confidence = frame["confidence"].to_numpy(dtype=np.float64)
        return cls(
            rows=rows,
            label=codes(frame["label"]),
            predicted=codes(frame["predicted"]),
            failure=failure,
            excess=failure - (1 - confidence),
            search=search,
            cluster=cluster,
            seed=audit.seed,
        )

    def gap(self, inside: Mask, strata: Integers, among: Mask | None = None) -> Gaps:
        """Error rate of a slice minus that of the rest of the same strata.

        Args:
            inside: (n,) membership of the slice.
            strata: (n,) codes of what is held fixed.
            among: (n,) the samples to compare; by default the test half.
        """
        among = self.test if among is None else among
        if self.cluster is not None:
            return clustered_gap(
                self.failure[among],
                [np.flatnonzero(inside[among])],
                strata[among],
                self.cluster[among],
                seed=self.seed,
            )
        return failure_gap(self.failure[among], inside[among], strata[among])

    def excess_gap(self, inside: Mask, strata: Integers, among: Mask | None = None) -> MeanGap:
        """Mean excess of a slice minus that of the rest of the same strata, with a normal test.

        A calibrated model fails more often on hard images, but it is less confident there, and its
        excess is zero. Where a shortcut misleads the model, it is confident and wrong.

        Args:
            inside: (n,) membership of the slice.
            strata: (n,) codes of what is held fixed.
            among: (n,) the samples to compare; by default the test half.
        """
        among = self.test if among is None else among
        if self.cluster is not None:
            return clustered_mean_gap(
                self.excess[among],
                inside[among],
                strata[among],
                self.cluster[among],
                n_permutations=0,
            )
        return stratified_mean_gap(
            self.excess[among], inside[among], strata[among], n_permutations=0
        )


def half_of_clusters(cluster: Integers, value: Integers, generator: np.random.Generator) -> Mask:
    """Half of the samples, in whole clusters.

    Clusters are sorted by their most frequent value and, among these, by size, in random order where
    they tie. Of each two neighbours, one is drawn.

    Args:
        cluster: (n,) cluster of each sample.
        value: (n,) what both halves shall have evenly, from 0.
        generator: source of randomness.

    Returns:
        (n,) whether a sample is in the half.
    """
    _, code = np.unique(cluster, return_inverse=True)
    n_clusters = int(code.max(initial=-1)) + 1
    counts = np.zeros((n_clusters, int(value.max(initial=0)) + 1))
    np.add.at(counts, (code, value), 1)
    order = np.lexsort((generator.random(n_clusters), counts.sum(1), counts.argmax(1)))
    first = generator.integers(0, 2, (n_clusters + 1) // 2)
    chosen = np.zeros(n_clusters, dtype=np.bool_)
    chosen[order] = np.arange(n_clusters) % 2 == np.repeat(first, 2)[:n_clusters]
    return np.asarray(chosen[code], dtype=np.bool_)


def failure_gap(failure: Mask, inside: Mask, strata: Integers) -> Gaps:
    """Error rate inside minus error rate outside, within strata.

    Args:
        failure: (n,) whether a sample is misclassified.
        inside: (n,) membership of the slice.
        strata: (n,) codes of what is held fixed.
    """
    _, code = np.unique(strata, return_inverse=True)
    n = int(code.max(initial=-1)) + 1
    own_failures, own, rest_failures, rest = (
        np.bincount(code[chosen], minlength=n)[None]
        for chosen in (inside & failure, inside, ~inside & failure, ~inside)
    )
    return stratified_gap(own_failures, own, rest_failures, rest)


def jaccard(one: Mask, other: Mask) -> float:
    """Jaccard index of two sets: size of the intersection over size of the union."""
    return float((one & other).sum() / max((one | other).sum(), 1))
