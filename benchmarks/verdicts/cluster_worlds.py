"""Drawn failures of images that come in clusters, with an attribute that is innocent or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from auditor.statistics import Floats, Integers

Sizes = Literal["even", "uneven", "giant"]
Attribute = Literal["constant", "inside", "mixed", "by size", "by label", "series", "spread"]


@dataclass(frozen=True)
class Audit:
    """One drawn audit: failures, labels, clusters and membership in the slice, (N,) each."""

    failed: Floats
    label: Integers
    cluster: Integers
    inside: NDArray[np.bool_]


@dataclass(frozen=True)
class World:
    """What audits are drawn from.

    Attributes:
        clusters: how many.
        sizes: all of 20 images, log-normal (median 10), or 4 % of 300 images among small ones.
        attribute: ``constant`` in a cluster; dealt to images (``inside``); half of each (``mixed``);
            constant and likelier in large clusters (``by size``) or for images of the harder label
            (``by label``); dealt to images, with failures that are alike only among images of one
            cluster and value (``series``); constant, with failures ten times as correlated in the
            slice (``spread``).
        rate: failure rate of the first label; that of the second is three times as high.
        correlation: intra-class correlation of failures.
        share: of the slice.
        gap: failure rate of the slice less that of the rest.
        rare_label: share of the second label.
        labels_in_clusters: whether a cluster has images of both labels.
    """

    clusters: int = 100
    sizes: Sizes = "even"
    attribute: Attribute = "constant"
    rate: float = 0.1
    correlation: float = 0.24
    share: float = 0.3
    gap: float = 0.0
    rare_label: float = 0.1
    labels_in_clusters: bool = True

    def draw(self, generator: np.random.Generator) -> Audit:
        """Draws one audit."""
        sizes = self._sizes(generator)
        cluster = np.repeat(np.arange(self.clusters), sizes)
        many = len(cluster) if self.labels_in_clusters else self.clusters
        label = (generator.random(many) < self.rare_label).astype(np.int64)
        label = label if self.labels_in_clusters else label[cluster]
        inside = self._inside(generator, sizes, cluster, label)
        rate = np.where(label == 1, min(0.9, 3 * self.rate), self.rate) + self.gap * inside
        correlation = np.full(len(cluster), self.correlation)
        if self.attribute == "spread":
            correlation = np.where(inside, self.correlation, self.correlation / 10)
        scale = 1 / correlation - 1
        hard = generator.random((self.clusters, 2))
        of_value = inside.astype(np.int64) if self.attribute == "series" else 0
        # Beta-distributed risk of each cluster: its quantile is the cluster's own.
        risk = betaincinv(rate * scale, (1 - rate) * scale, hard[cluster, of_value])
        failed = (generator.random(len(cluster)) < risk).astype(np.float64)
        return Audit(failed, label, cluster, inside)

    def _sizes(self, generator: np.random.Generator) -> Integers:
        if self.sizes == "even":
            return np.full(self.clusters, 20)
        if self.sizes == "uneven":
            drawn = generator.lognormal(2.3, 1.1, self.clusters)
            return np.maximum(1, drawn).astype(np.int64)
        sizes = generator.integers(2, 15, self.clusters)
        giants = generator.choice(self.clusters, max(1, self.clusters // 25), replace=False)
        sizes[giants] = 300
        return sizes

    def _inside(
        self, generator: np.random.Generator, sizes: Integers, cluster: Integers, label: Integers
    ) -> NDArray[np.bool_]:
        n = self.clusters
        share = np.full(n, self.share)
        if self.attribute in ("inside", "series"):
            return generator.random(len(cluster)) < self.share
        if self.attribute == "mixed":
            whole = generator.random(n) < self.share
            partly = generator.beta(2 * self.share, 2 * (1 - self.share), n)
            share = np.where(generator.random(n) < 0.5, whole, partly)
            return generator.random(len(cluster)) < share[cluster]
        if self.attribute == "by size":
            share = np.where(sizes > np.median(sizes), 1.6 * self.share, 0.4 * self.share)
        if self.attribute == "by label":
            hard = np.bincount(cluster, label, n) > 0
            share = np.where(hard, 1.6 * self.share, 0.4 * self.share)
        return (generator.random(n) < share)[cluster]
