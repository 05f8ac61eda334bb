"""What images look like: features of the target layer and thumbnails, less what tells classes apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import svd
from sklearn.decomposition import PCA

from auditor.imaging.location import place_name
from auditor.records import ModelAccess
from auditor.statistics import Floats, Integers

_SIDE = 8
_DIMENSIONS = 24
"""Principal components that are kept, of the features and of the thumbnails each."""
_SQUARE = 1000
"""Columns up to which their covariances are decomposed."""
_LEAST = 1e-9
"""Smaller spreads are rounding."""
_AT_ONCE = 256
"""Images in memory at a time."""


@dataclass(frozen=True)
class Difference:
    """How two groups of images differ in brightness.

    Attributes:
        map: (8, 8) standardised differences of their means.
        words: where it is largest, such as ``brighter at the lower right corner``.
    """

    map: Floats
    words: str


@dataclass(frozen=True)
class ImageEmbedding:
    """Coordinates of images.

    Attributes:
        space: (n, d), each with deviation 1 in the samples that it was made on.
        bright: (n, 8, 8) brightness of thumbnails, less the mean of the label.
    """

    space: Floats
    bright: Floats

    def differs(self, one: NDArray[np.bool_], other: NDArray[np.bool_]) -> Difference:
        """Compares the brightness of two groups of images."""
        gap = self.bright[one].mean(0) - self.bright[other].mean(0)
        spread = np.maximum(self.bright[one | other].std(0), 1.0)
        standard: Floats = gap / spread
        most = np.unravel_index(int(np.abs(standard).argmax()), standard.shape)
        side = "brighter" if standard[most] > 0 else "darker"
        there = np.maximum(standard if standard[most] > 0 else -standard, 0)
        there = np.where(there >= there.max() / 2, there, 0)
        return Difference(standard, f"{side} at the {place_name(there)}")


def embed(
    model: ModelAccess, rows: Integers, label: Integers, made_on: NDArray[np.bool_]
) -> ImageEmbedding:
    """Coordinates in which images that look alike, but for their class, lie close together.

    The mean of the label is subtracted, and the directions in which the means of the labels differ
    are left out: how much an image looks like another class is what the prediction says already,
    and "images that look like a 3 are called 3" is no discovery.

    Args:
        model: is asked for features and images.
        rows: (n,) positions in the predictions.
        label: (n,) indices.
        made_on: (n,) the samples that components and means come from.

    Returns:
        The coordinates.
    """
    thumbnails = np.concatenate(
        [
            _thumbnails(model.images(rows[start : start + _AT_ONCE]))
            for start in range(0, len(rows), _AT_ONCE)
        ]
    )
    features = model.features(rows).astype(np.float64)
    parts = [
        _components(_without_class(values, label, made_on), made_on)
        for values in (features, thumbnails.reshape(len(rows), -1))
    ]
    bright = _within_label(thumbnails.mean(1).reshape(len(rows), -1), label, made_on)
    return ImageEmbedding(np.concatenate(parts, axis=1), bright.reshape(len(rows), _SIDE, _SIDE))


def _thumbnails(images: NDArray[np.uint8]) -> Floats:
    """(n, 3, 8, 8) means of patches, for images of any size."""
    small = images.astype(np.float64)
    for axis in (2, 3):
        side = small.shape[axis]
        if side < _SIDE:
            small = np.repeat(small, -(-_SIDE // side), axis=axis)
            side = small.shape[axis]
        starts = np.arange(_SIDE) * side // _SIDE
        sizes = np.diff([*starts, side])
        shape = [1] * 4
        shape[axis] = _SIDE
        small = np.add.reduceat(small, starts, axis=axis) / sizes.reshape(shape)
    return small


def _means(values: Floats, label: Integers, made_on: NDArray[np.bool_]) -> Floats:
    """Means of the labels (K, d); 0 for a label without samples."""
    n = int(label.max()) + 1
    sizes = np.bincount(label[made_on], minlength=n)
    sums = np.zeros((n, values.shape[1]))
    np.add.at(sums, label[made_on], values[made_on])
    means: Floats = sums / np.maximum(sizes, 1)[:, None]
    return means


def _within_label(values: Floats, label: Integers, made_on: NDArray[np.bool_]) -> Floats:
    """Values less the mean of their label."""
    return values - _means(values, label, made_on)[label]


def _without_class(values: Floats, label: Integers, made_on: NDArray[np.bool_]) -> Floats:
    """Values less the mean of their label and all that lies in the directions of the labels' means."""
    scaled = _standardised(values, made_on)
    means = _means(scaled, label, made_on)
    there = np.bincount(label[made_on], minlength=len(means)) > 0
    apart = means[there] - means[there].mean(0)
    _, sizes, turned = svd(apart, full_matrices=False, lapack_driver="gesvd")
    directions = turned[sizes > _LEAST * max(sizes.max(initial=0), 1.0)]
    centred = scaled - means[label]
    return np.asarray(centred - (centred @ directions.T) @ directions, dtype=np.float64)


def _standardised(values: Floats, made_on: NDArray[np.bool_]) -> Floats:
    """Each column by its deviation; 0 where it has none."""
    deviation = values[made_on].std(0)
    columns: Floats = values / np.where(deviation > _LEAST, deviation, np.inf)
    return columns


def _components(values: Floats, made_on: NDArray[np.bool_]) -> Floats:
    scaled = _standardised(values, made_on)
    n = min(_DIMENSIONS, *scaled[made_on].shape)
    # Not by LAPACK's divide and conquer: on grey images, whose three channels are one, it did not
    # converge once. With a fixed state the randomised solver gives the same coordinates again.
    solver = "covariance_eigh" if scaled.shape[1] <= _SQUARE else "randomized"
    found = PCA(n, svd_solver=solver, random_state=0).fit(scaled[made_on])
    return _standardised(found.transform(scaled), made_on)
