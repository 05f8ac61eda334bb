"""Spectral clusters of attribution maps: which ways of looking there are among some images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh
from scipy.sparse.csgraph import laplacian
from sklearn.cluster import KMeans
from sklearn.neighbors import KNeighborsClassifier, kneighbors_graph

from auditor.statistics import Floats, Integers

_NEIGHBOURS = 10
"""Maps that each map is joined to."""
_MOST = 8
"""Largest number of clusters."""
_STARTS = 10
"""Random starts of k-means."""


@dataclass(frozen=True)
class Clusters:
    """Maps in clusters.

    Attributes:
        maps: (n, p) the maps that were divided, flat.
        members: (n,) the cluster of each, 0 … count - 1.
        count: how many clusters there are, at least two.
    """

    maps: Floats
    members: Integers
    count: int

    def assign(self, maps: Floats) -> Integers:
        """The clusters of further maps (m, h, w): a vote of the nearest maps that were divided."""
        vote = KNeighborsClassifier(min(_NEIGHBOURS, len(self.maps)))
        return np.asarray(vote.fit(self.maps, self.members).predict(_flat(maps)), dtype=np.int64)


def cluster_maps(maps: Floats, seed: int, most: int = _MOST) -> Clusters | None:
    """Divides maps into as many clusters as their spectrum shows.

    The steps are those of spectral relevance analysis: small maps of one size, a graph of nearest
    neighbours, its normalised Laplacian, the largest gap between its smallest eigenvalues for the
    number of clusters, and k-means in the space of the first eigenvectors, each row at length one.
    Two departures: the maps are Grad-CAMs as shares of their evidence, not relevances, so that the
    confidence has no say in who is whose neighbour; and a largest gap behind the first eigenvalue,
    which is always 0, is taken for what it says: all maps are of one kind.

    Args:
        maps: (n, h, w) shares of each map's evidence.
        seed: of k-means.
        most: clusters that are wanted at most: where there are more, the largest gap between two and
            so many decides.

    Returns:
        The clusters; None where the maps are of one kind or too few.

    Reference:
        S. Lapuschkin et al., "Unmasking Clever Hans predictors and assessing what machines really
        learn", Nature Communications 10 (2019) 1096, Methods; U. von Luxburg, "A tutorial on
        spectral clustering", Statistics and Computing 17 (2007) 395-416, sections 4 and 8.3;
        A. Ng, M. Jordan and Y. Weiss, "On spectral clustering", NIPS 2001, for the rows' length.
    """
    flat = _flat(maps)
    if len(flat) < 2 or not flat.std(0).any():
        return None
    eigenvalues, vectors = spectrum(affinity(flat))
    count = eigengap(eigenvalues)
    if min(count, most) < 2:
        return None
    if count > most:
        count = 1 + eigengap(eigenvalues[1 : most + 1])
    rows = vectors[:, :count]
    # A length of 0 would be a map without neighbours, and each has some.
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    members = KMeans(count, n_init=_STARTS, random_state=seed).fit_predict(rows)
    return Clusters(flat, np.asarray(members, dtype=np.int64), count)


def affinity(maps: Floats) -> Floats:
    """Who is whose neighbour: 1 where two maps (of (n, p)) name each other, ½ where one does."""
    named = kneighbors_graph(maps, min(_NEIGHBOURS, len(maps) - 1)).toarray()
    mutual: Floats = (named + named.T) / 2
    return mutual


def spectrum(affinities: Floats) -> tuple[Floats, Floats]:
    """The smallest eigenvalues of the normalised Laplacian of a graph.

    Args:
        affinities: (n, n), symmetric, at least 0.

    Returns:
        At most nine eigenvalues, ascending, and their eigenvectors (n, 9).
    """
    last = min(_MOST, len(affinities) - 1)
    found: tuple[Floats, Floats] = eigh(
        laplacian(affinities, normed=True), subset_by_index=[0, last]
    )
    return found


def eigengap(eigenvalues: Floats) -> int:
    """How many eigenvalues, ascending, lie before the largest gap."""
    # Rounded, so that among several zeros (a graph in pieces) there is none.
    return int(np.diff(np.round(eigenvalues, 9)).argmax()) + 1


def _flat(maps: Floats) -> Floats:
    return maps.reshape(len(maps), -1)
