"""Image embedding: coordinates from the target layer's features and from thumbnails.

What distinguishes the classes is removed, so that images are close for other reasons than their class.
"""

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
"""Side of the thumbnails in pixels."""
_DIMENSIONS = 24
"""Principal components kept of the features, and of the thumbnails."""
_MAX_COVARIANCE = 1000
"""Number of columns up to which the PCA decomposes their covariance matrix."""
_TOLERANCE = 1e-9
"""Standard deviations and singular values below it are rounding errors."""
_BATCH = 256
"""Images in memory at a time."""


@dataclass(frozen=True)
class BrightnessDifference:
    """Difference in brightness of two groups of images.

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
        coordinates: (n, d), each with standard deviation 1 in the samples it was fitted on.
        brightness: (n, 8, 8) brightness of thumbnails minus the mean of the label.
    """

    coordinates: Floats
    brightness: Floats

    def brightness_difference(
        self, one: NDArray[np.bool_], other: NDArray[np.bool_]
    ) -> BrightnessDifference:
        """Compares the brightness of two groups of images, each given as a mask (n,)."""
        difference = self.brightness[one].mean(0) - self.brightness[other].mean(0)
        deviation = np.maximum(self.brightness[one | other].std(0), 1.0)
        standardised: Floats = difference / deviation
        largest = np.unravel_index(int(np.abs(standardised).argmax()), standardised.shape)
        brighter = bool(standardised[largest] > 0)
        weights = np.maximum(standardised if brighter else -standardised, 0)
        weights = np.where(weights >= weights.max() / 2, weights, 0)
        words = f"{'brighter' if brighter else 'darker'} at the {place_name(weights)}"
        return BrightnessDifference(standardised, words)


def embed(
    model: ModelAccess, rows: Integers, label: Integers, fitted_on: NDArray[np.bool_]
) -> ImageEmbedding:
    """Computes coordinates in which similar images of any class are close to each other.

    The mean of the label is subtracted, and the directions in which the means of the labels differ
    are projected out. How similar an image is to another class is already in the prediction; that
    images similar to a 3 are predicted as 3 is no discovery.

    Args:
        model: the audited model, which computes features and returns the images.
        rows: (n,) positions in ``AuditData.predictions``.
        label: (n,) class indices.
        fitted_on: (n,) the samples on which components and means are fitted.

    Returns:
        The coordinates of all n samples.
    """
    thumbnails = np.concatenate(
        [
            thumbnails_of(model.images(rows[start : start + _BATCH]))
            for start in range(0, len(rows), _BATCH)
        ]
    )
    features = model.features(rows).astype(np.float64)
    parts = [
        _components(_without_class(values, label, fitted_on), fitted_on)
        for values in (features, thumbnails.reshape(len(rows), -1))
    ]
    grey = thumbnails.mean(1).reshape(len(rows), -1)
    brightness = grey - _label_means(grey, label, fitted_on)[label]
    return ImageEmbedding(
        np.concatenate(parts, axis=1), brightness.reshape(len(rows), _SIDE, _SIDE)
    )


def thumbnails_of(images: NDArray[np.uint8]) -> Floats:
    """Thumbnails (n, 3, 8, 8) of images (n, 3, H, W): means of patches, in the unit of the images."""
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


def _label_means(values: Floats, label: Integers, fitted_on: NDArray[np.bool_]) -> Floats:
    """Means of the labels (K, d); 0 for a label without samples."""
    n = int(label.max()) + 1
    sizes = np.bincount(label[fitted_on], minlength=n)
    sums = np.zeros((n, values.shape[1]))
    np.add.at(sums, label[fitted_on], values[fitted_on])
    means: Floats = sums / np.maximum(sizes, 1)[:, None]
    return means


def _without_class(values: Floats, label: Integers, fitted_on: NDArray[np.bool_]) -> Floats:
    """Values minus the mean of their label and minus the directions in which these means differ."""
    scaled = _standardised(values, fitted_on)
    means = _label_means(scaled, label, fitted_on)
    present = np.bincount(label[fitted_on], minlength=len(means)) > 0
    between = means[present] - means[present].mean(0)
    _, sizes, rotated = svd(between, full_matrices=False, lapack_driver="gesvd")
    directions = rotated[sizes > _TOLERANCE * max(sizes.max(initial=0), 1.0)]
    centred = scaled - means[label]
    return np.asarray(centred - (centred @ directions.T) @ directions, dtype=np.float64)


def _standardised(values: Floats, fitted_on: NDArray[np.bool_]) -> Floats:
    """Divides each column by its standard deviation; a constant column becomes 0."""
    deviation = values[fitted_on].std(0)
    columns: Floats = values / np.where(deviation > _TOLERANCE, deviation, np.inf)
    return columns


def _components(values: Floats, fitted_on: NDArray[np.bool_]) -> Floats:
    """Standardised principal components (n, d)."""
    scaled = _standardised(values, fitted_on)
    n = min(_DIMENSIONS, *scaled[fitted_on].shape)
    # LAPACK's divide and conquer does not always converge on grey images, whose three channels are
    # equal. With a fixed seed, the randomised solver is reproducible.
    solver = "covariance_eigh" if scaled.shape[1] <= _MAX_COVARIANCE else "randomized"
    if not scaled[fitted_on].var(0).any():  # images or features that are all equal
        return np.zeros((len(scaled), n))
    fitted = PCA(n, svd_solver=solver, random_state=0).fit(scaled[fitted_on])
    return _standardised(fitted.transform(scaled), fitted_on)
