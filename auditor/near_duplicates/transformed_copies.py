"""Copies that were changed: cropped, turned, mirrored, toned, saved anew.

Candidates are the nearest images, by small thumbnails from several views and by what the network
says of them. A candidate is a copy if, fitted to the image, it leaves much less of it unexplained
than the next best one does: new images of the same kind resemble several.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from auditor.near_duplicates.registration import INSIDE, align, moved, sampled, standard

Shades = NDArray[np.uint8]
Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]
Numbers = NDArray[np.float64]

SIDE = 64
"""Side in pixels of the grey copies that are compared."""
_COARSE, _MIDDLE = 16, 32
_THUMB = 12
_CROP, _TURN = 0.1, 0.087
"""Part of the side that views leave out or add, and the angle (radians) that they are turned by."""
_NEAREST = 10
"""Candidates by each route."""
_FITTED, _FINALISTS = 4, 3
"""Candidates that are fitted at the middle and at the full scale."""
_PROMISING = 0.7
"""At the middle scale, the best must leave so much less unexplained than the last of them."""
_SAME = 0.995
"""From this correlation on, two candidates are one image."""
_CHUNK = 256


@dataclass(frozen=True)
class Matches:
    """Images and what they are changed copies of.

    Attributes:
        first: (n,) positions, each once.
        second: (n,) positions of the originals.
        mirrored: (n,) whether left and right are exchanged.
        likeness: (n,) correlation of the fitted images.
    """

    first: Rows
    second: Rows
    mirrored: Mask
    likeness: Numbers

    def __len__(self) -> int:
        return len(self.first)


@dataclass(frozen=True)
class Features:
    """What the network says of images.

    Attributes:
        asked: (n, C) of the images.
        mirrored: (n, C) of the images with left and right exchanged.
        known: (m, C) of the originals.
    """

    asked: Vectors
    mirrored: Vectors
    known: Vectors


def shades(image: Image.Image) -> Shades:
    """A grey copy (64, 64)."""
    return np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX))


def changed_copies(
    images: Shades, originals: Shades, features: Features | None, least: float, ratio: float
) -> Matches:
    """Finds images that are changed copies.

    Args:
        images: (n, 64, 64), to be examined.
        originals: (m, 64, 64), among which is looked.
        features: for more candidates; None where the network is not at hand.
        least: smallest correlation of a fitted copy.
        ratio: how much less of the image a copy may leave unexplained than the next best original
            does (both 1 - correlation).

    Returns:
        The copies. Where an original is there twice, equal but for less than 0.995 in correlation,
        none can be told.

    Reference:
        D. G. Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 60 (2004)
        91-110, section 7.1, for the comparison with the next best: it needs no threshold that
        depends on how alike the images of a data set are.
    """
    if len(originals) < 2 or not len(images):
        none = np.empty(0, dtype=np.int64)
        return Matches(none, none, none.astype(np.bool_), none.astype(np.float64))
    search = _Search.of(images, originals, features)
    chunks = np.array_split(np.arange(len(images)), -(-len(images) // _CHUNK))
    # Most of the time goes into NumPy's inner loops, which run outside of Python's lock.
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
        found = list(pool.map(search.best, chunks))
    first, second, mirrored, likeness, rival = (
        np.concatenate(parts) for parts in zip(*found, strict=True)
    )
    sure = (likeness >= least) & (1 - likeness <= ratio * (1 - rival))
    return Matches(first[sure], second[sure], mirrored[sure].astype(np.bool_), likeness[sure])


@dataclass(frozen=True)
class _CandidatePairs:
    """Images with candidates, and how these were fitted so far."""

    asked: Rows
    known: Rows
    mirrored: Mask
    warp: Vectors
    likeness: Numbers

    def __getitem__(self, chosen: Rows) -> _CandidatePairs:
        return _CandidatePairs(
            self.asked[chosen],
            self.known[chosen],
            self.mirrored[chosen],
            self.warp[chosen],
            self.likeness[chosen],
        )


@dataclass(frozen=True)
class _Search:
    """Images and originals, with thumbnails: both ways round, and from all views (V, m, 144)."""

    images: Shades
    originals: Shades
    thumbs: tuple[Vectors, Vectors]
    views: Vectors
    features: tuple[Vectors, Vectors, Vectors] | None

    @classmethod
    def of(cls, images: Shades, originals: Shades, features: Features | None) -> _Search:
        frozen_eval = np.zeros((1, 4), dtype=np.float32)
        told = None
        if features is not None:
            centre, spread = features.known.mean(0), features.known.std(0)
            spread = np.maximum(spread, 1e-3 * float(spread.max(initial=0)) + 1e-6)
            each = (features.asked, features.mirrored, features.known)
            one, other, third = (standard((vectors - centre) / spread)[0] for vectors in each)
            told = (one, other, third)
        return cls(
            images,
            originals,
            (_thumbs(images, frozen_eval)[0], _thumbs(images[:, :, ::-1], frozen_eval)[0]),
            _thumbs(originals, _VIEWS),
            told,
        )

    def best(self, rows: Rows) -> tuple[Rows, Rows, Mask, Numbers, Numbers]:
        """Images that one original fits clearly best, that original, and how well it and the next fit."""
        pairs = _foremost(self._fitted(self._candidates(rows), _COARSE, steps=6), _FITTED, 1.0)
        pairs = _foremost(self._fitted(pairs, _MIDDLE, steps=4), _FINALISTS, _PROMISING)
        pairs = self._fitted(pairs, SIDE, steps=4)
        pairs = pairs[np.lexsort((-pairs.likeness, pairs.asked))]
        rows, first, group = np.unique(pairs.asked, return_index=True, return_inverse=True)
        lead = first[group]
        other = np.flatnonzero(~self._same(pairs.known, pairs.known[lead]))
        rival = np.full(len(rows), -1.0)
        np.maximum.at(rival, group[other], pairs.likeness[other])
        told = first[rival > -1]
        return rows[rival > -1], *_outcome(pairs[told]), rival[rival > -1]

    def _candidates(self, rows: Rows) -> _CandidatePairs:
        """The nearest by thumbnails and by features, each from the view that suits it best."""
        found = []
        for mirrored in (0, 1):
            small = self.thumbs[mirrored][rows]
            tables = [np.max([small @ view.T for view in self.views], axis=0)]
            if self.features is not None:
                tables.append(self.features[mirrored][rows] @ self.features[2].T)
            for table in tables:
                count = min(_NEAREST, table.shape[1])
                top = np.argpartition(-table, count - 1, axis=1)[:, :count]
                asked = np.repeat(rows, count)
                found.append(np.stack([asked, top.ravel(), np.full(top.size, mirrored)], axis=1))
        asked, known, way = np.unique(np.concatenate(found), axis=0).T
        small = np.where(way[:, None] == 1, self.thumbs[1][asked], self.thumbs[0][asked])
        view = np.einsum("np,vnp->vn", small, self.views[:, known]).argmax(0)
        return _CandidatePairs(asked, known, way == 1, _VIEWS[view], np.zeros(len(asked)))

    def _fitted(self, pairs: _CandidatePairs, side: int, steps: int) -> _CandidatePairs:
        one = _shrunk(self.images[pairs.asked], side)
        one[pairs.mirrored] = one[pairs.mirrored][:, :, ::-1]
        other = _shrunk(self.originals[pairs.known], side)
        likeness, warp = align(one, other, pairs.warp, steps)
        return _CandidatePairs(pairs.asked, pairs.known, pairs.mirrored, warp, likeness)

    def _same(self, one: Rows, other: Rows) -> Mask:
        """Whether originals are equal or copies of each other."""
        first, second = (
            standard(_shrunk(self.originals[rows], _MIDDLE).reshape(len(rows), _MIDDLE**2))[0]
            for rows in (one, other)
        )
        return np.asarray((one == other) | ((first * second).sum(1) >= _SAME))


def _outcome(pairs: _CandidatePairs) -> tuple[Rows, Mask, Numbers]:
    return pairs.known, pairs.mirrored, pairs.likeness


def _foremost(pairs: _CandidatePairs, most: int, ratio: float) -> _CandidatePairs:
    """The best fitted candidates of each image, where the first stands out from the last."""
    pairs = pairs[np.lexsort((-pairs.likeness, pairs.asked))]
    # Of the two ways round in which a candidate was fitted, the better.
    both = np.stack([pairs.asked, pairs.known])
    pairs = pairs[np.sort(np.unique(both, axis=1, return_index=True)[1])]
    _, first, group, count = np.unique(
        pairs.asked, return_index=True, return_inverse=True, return_counts=True
    )
    place = np.arange(len(group)) - first[group]
    unlike = 1 - pairs.likeness
    last = first + np.minimum(count, most) - 1
    promising = unlike[first] <= ratio * unlike[last]
    return pairs[np.flatnonzero(promising[group] & (place < most))]


def _views() -> Vectors:
    """As it is; cropped to a corner or the middle; with as much around it; turned a little."""
    corners = [(-1, -1), (-1, 1), (1, -1), (1, 1), (0, 0)]
    crops = [(-_CROP, 0.0, _CROP * x, _CROP * y) for x, y in corners]
    wider = 1 / (1 - _CROP) - 1
    turns = [(0.0, turn, 0.0, 0.0) for turn in (-_TURN, _TURN)]
    return np.array(
        [(0, 0, 0, 0), *crops, *((wider, 0, -wider * x, -wider * y) for x, y in corners), *turns],
        dtype=np.float32,
    )


_VIEWS = _views()


def _thumbs(images: Shades, views: Vectors) -> Vectors:
    """The inner part of images from some views, (V, n, 144), of mean 0 and length 1."""
    places = (INSIDE * ((2 * np.arange(_THUMB) + 1) / _THUMB - 1)).astype(np.float32)
    x, y = (one.ravel() for one in np.meshgrid(places, places))
    found = np.empty((len(views), len(images), _THUMB**2), dtype=np.float32)
    for begin in range(0, len(images), _CHUNK):
        part = _shrunk(images[begin : begin + _CHUNK], _COARSE)
        stacked = part.reshape(len(part), -1, 1)
        for k, view in enumerate(views):
            u, v = (np.broadcast_to(one, (len(part), _THUMB**2)) for one in moved(view[None], x, y))
            seen = sampled(stacked, _COARSE, u, v)[..., 0]
            found[k, begin : begin + _CHUNK] = standard(seen)[0]
    return found


def _shrunk(images: Shades, side: int) -> Vectors:
    """Means of squares of pixels, (n, side, side)."""
    part = SIDE // side
    split = images.reshape(len(images), side, part, side, part)
    return np.asarray(split.mean((2, 4), dtype=np.float32))
