"""Finds transformed copies: images that were cropped, rotated, mirrored, toned or compressed.

Candidates are the nearest originals by small thumbnails from several views, and by the network's features
where they are given. A candidate is a copy if, after alignment, it leaves much less of the image unexplained
than the next best one: a new image of the same object resembles several originals.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.imaging.small_copies import SIDE
from auditor.near_duplicates.registration import INNER, Grid, align, standardised

GreyCopies = NDArray[np.uint8]
Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]
Numbers = NDArray[np.float64]

_COARSE, _MIDDLE = 16, 32
"""Sides of the first two scales at which candidates are aligned; the third is ``SIDE``."""
_THUMBNAIL = 12
_CROP, _ROTATION = 0.1, 0.087
"""Part of the side that views cut off or add, and the angle (radians) by which they are rotated."""
_NEAREST = 10
"""Candidates by thumbnails, and by features."""
_AT_COARSE, _AT_MIDDLE, _AT_FULL = 12, 4, 3
"""Candidates that are aligned in more than two steps at the coarse scale, at the middle scale, and at the
full scale."""
_PROMISING = 0.7
"""At the middle scale, the best may leave this part unexplained of what the last of them does."""
_SAME = 0.995
"""From this correlation on, two originals are the same image."""
_BATCH = 256


@dataclass(frozen=True)
class TransformedCopies:
    """Images and the originals that they are transformed copies of.

    Attributes:
        image: (n,) positions of the images, each once.
        original: (n,) positions of the originals.
        mirrored: (n,) whether left and right are exchanged.
        correlation: (n,) correlation after alignment.
    """

    image: Rows
    original: Rows
    mirrored: Mask
    correlation: Numbers

    def __len__(self) -> int:
        return len(self.image)

    @property
    def notes(self) -> list[str]:
        """How each pair matches, in words."""
        return [
            f"transformed copy{', mirrored' if mirrored else ''}; correlation {value:.4f} after alignment"
            for mirrored, value in zip(self.mirrored, self.correlation, strict=True)
        ]


@dataclass(frozen=True)
class NetworkFeatures:
    """The network's features of images and originals.

    Attributes:
        images: (n, C) of the images.
        mirrored: (n, C) of the images with left and right exchanged.
        originals: (m, C) of the originals.
    """

    images: Vectors
    mirrored: Vectors
    originals: Vectors


def find_transformed_copies(
    images: GreyCopies,
    originals: GreyCopies,
    features: NetworkFeatures | None,
    min_correlation: float,
    max_ratio: float,
) -> TransformedCopies:
    """Finds the images that are transformed copies of an original.

    Args:
        images: (n, 64, 64) grey copies of the images to examine.
        originals: (m, 64, 64) grey copies of the possible originals.
        features: for more candidates; None: by thumbnails alone.
        min_correlation: smallest correlation of a copy after alignment.
        max_ratio: largest part that a copy may leave unexplained (1 - correlation) of what the next
            best original does.

    Returns:
        The copies. If an original occurs twice with a correlation below 0.995, its copies are not
        found.

    Reference:
        D. G. Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 60 (2004)
        91-110, section 7.1, for the comparison with the next best: it needs no threshold that
        depends on how similar the images of a data set are.
    """
    if len(originals) < 2 or not len(images):
        none = np.empty(0, dtype=np.int64)
        return TransformedCopies(none, none, none.astype(np.bool_), none.astype(np.float64))
    search = _Search.of(images, originals, features)
    chunks = np.array_split(np.arange(len(images)), -(-len(images) // _BATCH))
    # NumPy releases Python's lock in the inner loops, where most of the time is spent.
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
        found = list(pool.map(search.best, chunks))
    image, original, mirrored, correlation, next_best = (
        np.concatenate(parts) for parts in zip(*found, strict=True)
    )
    sure = (correlation >= min_correlation) & (1 - correlation <= max_ratio * (1 - next_best))
    return TransformedCopies(
        image[sure], original[sure], mirrored[sure].astype(np.bool_), correlation[sure]
    )


@dataclass(frozen=True)
class _Candidates:
    """Pairs of an image and an original, with their alignment so far."""

    image: Rows
    original: Rows
    mirrored: Mask
    warp: Vectors
    correlation: Numbers

    def __getitem__(self, chosen: Rows) -> _Candidates:
        return _Candidates(
            self.image[chosen],
            self.original[chosen],
            self.mirrored[chosen],
            self.warp[chosen],
            self.correlation[chosen],
        )


@dataclass(frozen=True)
class _Search:
    """Images and originals with what candidates are chosen by.

    Attributes:
        images: (n, 64, 64).
        originals: (m, 64, 64).
        coarse: both at the coarse scale, float32 (n, 16, 16) and (m, 16, 16).
        thumbnails: of the images and of the mirrored images, (n, 144) each.
        views: (V, m, 144) thumbnails of the originals from all views.
        features: standardised features of images, mirrored images and originals.
    """

    images: GreyCopies
    originals: GreyCopies
    coarse: tuple[Vectors, Vectors]
    thumbnails: tuple[Vectors, Vectors]
    views: Vectors
    features: tuple[Vectors, Vectors, Vectors] | None

    @classmethod
    def of(
        cls, images: GreyCopies, originals: GreyCopies, features: NetworkFeatures | None
    ) -> _Search:
        identity = np.zeros((1, 4), dtype=np.float32)
        scaled = None
        if features is not None:
            mean, deviation = features.originals.mean(0), features.originals.std(0)
            deviation = np.maximum(deviation, 1e-3 * float(deviation.max(initial=0)) + 1e-6)
            each = (features.images, features.mirrored, features.originals)
            one, other, third = (standardised((values - mean) / deviation)[0] for values in each)
            scaled = (one, other, third)
        small, known = _shrunk(images, _COARSE), _shrunk(originals, _COARSE)
        return cls(
            images,
            originals,
            (small, known),
            (_thumbnails(small, identity)[0], _thumbnails(small[:, :, ::-1], identity)[0]),
            _thumbnails(known, _VIEWS),
            scaled,
        )

    def best(self, rows: Rows) -> tuple[Rows, Rows, Mask, Numbers, Numbers]:
        """Finds the best original of images, where there is one that stands out.

        Returns:
            Positions of the images and of their originals, whether they are mirrored, and the
            correlations with the original and with the next best one.
        """
        pairs = _leading(self._aligned(self._candidates(rows), _COARSE, steps=2), _AT_COARSE, 1.0)
        pairs = _leading(self._aligned(pairs, _COARSE, steps=5), _AT_MIDDLE, 1.0)
        pairs = _leading(self._aligned(pairs, _MIDDLE, steps=4), _AT_FULL, _PROMISING)
        pairs = self._aligned(pairs, SIDE, steps=4)
        pairs = pairs[np.lexsort((-pairs.correlation, pairs.image))]
        rows, first, group = np.unique(pairs.image, return_index=True, return_inverse=True)
        lead = first[group]
        other = np.flatnonzero(~self._same(pairs.original, pairs.original[lead]))
        next_best = np.full(len(rows), -1.0)
        np.maximum.at(next_best, group[other], pairs.correlation[other])
        compared = next_best > -1
        found = pairs[first[compared]]
        return (
            rows[compared],
            found.original,
            found.mirrored,
            found.correlation,
            next_best[compared],
        )

    def _candidates(self, rows: Rows) -> _Candidates:
        """The nearest originals by thumbnails and by features, each from the view that fits best."""
        found = []
        for mirrored in (0, 1):
            small = self.thumbnails[mirrored][rows]
            nearest = small @ self.views[0].T
            for view in self.views[1:]:
                np.maximum(nearest, small @ view.T, out=nearest)
            tables = [nearest]
            if self.features is not None:
                tables.append(self.features[mirrored][rows] @ self.features[2].T)
            for table in tables:
                count = min(_NEAREST, table.shape[1])
                top = np.argpartition(-table, count - 1, axis=1)[:, :count]
                image = np.repeat(rows, count)
                found.append(np.stack([image, top.ravel(), np.full(top.size, mirrored)], axis=1))
        image, original, flipped = np.unique(np.concatenate(found), axis=0).T
        small = np.where(
            flipped[:, None] == 1, self.thumbnails[1][image], self.thumbnails[0][image]
        )
        view = np.einsum("np,vnp->vn", small, self.views[:, original]).argmax(0)
        return _Candidates(image, original, flipped == 1, _VIEWS[view], np.zeros(len(image)))

    def _aligned(self, pairs: _Candidates, side: int, steps: int) -> _Candidates:
        if side == _COARSE:
            fixed, moving = self.coarse[0][pairs.image], self.coarse[1][pairs.original]
        else:
            fixed = _shrunk(self.images[pairs.image], side)
            moving = _shrunk(self.originals[pairs.original], side)
        fixed[pairs.mirrored] = fixed[pairs.mirrored][:, :, ::-1]
        correlation, warp = align(fixed, moving, pairs.warp, steps)
        return _Candidates(pairs.image, pairs.original, pairs.mirrored, warp, correlation)

    def _same(self, one: Rows, other: Rows) -> Mask:
        """Whether originals are the same image."""
        first, second = (
            standardised(_shrunk(self.originals[rows], _MIDDLE).reshape(len(rows), _MIDDLE**2))[0]
            for rows in (one, other)
        )
        return np.asarray((one == other) | ((first * second).sum(1) >= _SAME))


def _leading(pairs: _Candidates, count: int, max_ratio: float) -> _Candidates:
    """The best candidates of each image, if the first of them stands out from the last."""
    pairs = pairs[np.lexsort((-pairs.correlation, pairs.image))]
    # A candidate that was aligned both mirrored and not: the better one.
    both = np.stack([pairs.image, pairs.original])
    pairs = pairs[np.sort(np.unique(both, axis=1, return_index=True)[1])]
    _, first, group, counts = np.unique(
        pairs.image, return_index=True, return_inverse=True, return_counts=True
    )
    place = np.arange(len(group)) - first[group]
    unexplained = 1 - pairs.correlation
    last = first + np.minimum(counts, count) - 1
    promising = unexplained[first] <= max_ratio * unexplained[last]
    return pairs[np.flatnonzero(promising[group] & (place < count))]


def _views() -> Vectors:
    """Transforms: identity; crops to corners and centre; the same margins added; small rotations."""
    corners = [(-1, -1), (-1, 1), (1, -1), (1, 1), (0, 0)]
    crops = [(-_CROP, 0.0, _CROP * x, _CROP * y) for x, y in corners]
    wider = 1 / (1 - _CROP) - 1
    rotations = [(0.0, angle, 0.0, 0.0) for angle in (-_ROTATION, _ROTATION)]
    return np.array(
        [
            (0, 0, 0, 0),
            *crops,
            *((wider, 0, -wider * x, -wider * y) for x, y in corners),
            *rotations,
        ],
        dtype=np.float32,
    )


_VIEWS = _views()


def _thumbnails(images: Vectors, views: Vectors) -> Vectors:
    """The inner part of images (n, 16, 16) from some views, (V, n, 144), with mean 0 and length 1."""
    places = (INNER * ((2 * np.arange(_THUMBNAIL) + 1) / _THUMBNAIL - 1)).astype(np.float32)
    grid = Grid.of(_COARSE, places)
    found = np.empty((len(views), len(images), _THUMBNAIL**2), dtype=np.float32)
    for begin in range(0, len(images), _BATCH):
        part = images[begin : begin + _BATCH]
        for k, view in enumerate(views):
            seen = grid.seen_from(np.repeat(view[None], len(part), axis=0)).values(part)
            found[k, begin : begin + _BATCH] = standardised(seen)[0]
    return found


def _shrunk(images: GreyCopies, side: int) -> Vectors:
    """Images at a smaller side (n, side, side): means of squares of pixels."""
    part = SIDE // side
    levels = images.astype(np.float32)
    for _ in range(part.bit_length() - 1):
        levels = levels[:, ::2] + levels[:, 1::2]
        levels = levels[:, :, ::2] + levels[:, :, 1::2]
    return levels / np.float32(part**2)
