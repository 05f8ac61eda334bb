"""Spectral clusters of attribution maps: groups of images with the evidence at the same places."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh
from scipy.sparse.csgraph import laplacian
from sklearn.cluster import KMeans
from sklearn.neighbors import KNeighborsClassifier, kneighbors_graph

from auditor.statistics import Floats, Integers

_NEIGHBOURS = 10
"""Nearest neighbours of each map in the graph."""
_MAX_CLUSTERS = 8
_STARTS = 10
"""Random starts of k-means."""


@dataclass(frozen=True)
class Clusters:
    """Maps with the clusters that they belong to.

    Attributes:
        maps: (n, p) the flattened maps.
        members: (n,) the cluster of each map, 0 to ``count - 1``.
        count: number of clusters, at least two.
    """

    maps: Floats
    members: Integers
    count: int

    def assign(self, maps: Floats) -> Integers:
        """Assigns further maps (m, h, w) to the clusters (m,), by a vote of their nearest neighbours."""
        vote = KNeighborsClassifier(min(_NEIGHBOURS, len(self.maps)))
        return np.asarray(vote.fit(self.maps, self.members).predict(_flat(maps)), dtype=np.int64)


def cluster_maps(maps: Floats, seed: int, max_clusters: int = _MAX_CLUSTERS) -> Clusters | None:
    """Divides maps into as many clusters as their spectrum shows.

    The steps are those of spectral relevance analysis: small maps of one size, a graph of nearest
    neighbours, its normalised Laplacian, the largest gap between its smallest eigenvalues for the
    number of clusters, and k-means on the first eigenvectors with each row scaled to length one.

    There are two departures. The maps are Grad-CAMs as shares of their evidence, not relevances, so
    that the confidence does not influence which maps are neighbours. And if the largest gap follows
    the first eigenvalue, which is always 0, the maps are taken to form a single cluster.

    Args:
        maps: (n, h, w) shares of each map's evidence.
        seed: random seed of k-means.
        max_clusters: largest number of clusters. If the spectrum shows more, the largest gap between
            two and this number decides.

    Returns:
        The clusters; None if the maps form a single cluster or are too few.

    Reference:
        S. Lapuschkin et al., "Unmasking Clever Hans predictors and assessing what machines really
        learn", Nature Communications 10 (2019) 1096, Methods; U. von Luxburg, "A tutorial on
        spectral clustering", Statistics and Computing 17 (2007) 395-416, sections 4 and 8.3;
        A. Ng, M. Jordan and Y. Weiss, "On spectral clustering", NIPS 2001, for the scaling of rows.
    """
    flat = _flat(maps)
    if len(flat) < 2 or not flat.std(0).any():
        return None
    eigenvalues, vectors = spectrum(affinity(flat))
    count = eigengap(eigenvalues)
    if min(count, max_clusters) < 2:
        return None
    if count > max_clusters:
        count = 1 + eigengap(eigenvalues[1 : max_clusters + 1])
    rows = vectors[:, :count]
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    # A row has length 0 if the graph has more components than there are eigenvectors.
    rows = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    members = KMeans(count, n_init=_STARTS, random_state=seed).fit_predict(rows)
    return Clusters(flat, np.asarray(members, dtype=np.int64), count)


def affinity(maps: Floats) -> Floats:
    """Affinity matrix (n, n) of maps (n, p): 1 for mutual nearest neighbours, ½ for one-sided ones."""
    directed = kneighbors_graph(maps, min(_NEIGHBOURS, len(maps) - 1)).toarray()
    symmetric: Floats = (directed + directed.T) / 2
    return symmetric


def spectrum(affinities: Floats) -> tuple[Floats, Floats]:
    """Smallest eigenvalues of the normalised Laplacian of a graph.

    Args:
        affinities: (n, n), symmetric, at least 0.

    Returns:
        At most nine eigenvalues in ascending order, and their eigenvectors (n, 9).
    """
    last = min(_MAX_CLUSTERS, len(affinities) - 1)
    found: tuple[Floats, Floats] = eigh(
        laplacian(affinities, normed=True), subset_by_index=[0, last]
    )
    return found


def eigengap(eigenvalues: Floats) -> int:
    """Number of eigenvalues, in ascending order, before the largest gap."""
    # Rounded, so that there are no gaps among the zeros of a disconnected graph.
    return int(np.diff(np.round(eigenvalues, 9)).argmax()) + 1


def _flat(maps: Floats) -> Floats:
    return maps.reshape(len(maps), math.prod(maps.shape[1:]))  # also without any map
