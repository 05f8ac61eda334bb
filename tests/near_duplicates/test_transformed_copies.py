"""Transformed copies: the search among candidates finds what aligning every pair of images finds."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from builders.stored_images import photo, similar_photo
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from auditor.imaging.small_copies import SIDE
from auditor.near_duplicates.registration import align
from auditor.near_duplicates.transformed_copies import find_transformed_copies

FIT, RATIO = 0.9, 0.35


def grey(image: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX))


def saved_again(image: Image.Image) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=15)
    return Image.open(stream)


COPIES: tuple[Callable[[Image.Image], Image.Image], ...] = (
    ImageOps.mirror,
    lambda one: one.rotate(4, Image.Resampling.BICUBIC),
    lambda one: one.rotate(-5, Image.Resampling.BICUBIC),
    lambda one: one.crop((0, 0, 87, 87)),
    lambda one: one.crop((9, 4, 96, 91)),
    saved_again,
    lambda one: ImageEnhance.Brightness(one).enhance(0.6),
    lambda one: ImageEnhance.Contrast(one).enhance(0.5),
    lambda one: saved_again(ImageOps.mirror(one).crop((4, 4, 92, 92))),
    lambda one: ImageEnhance.Brightness(one.rotate(3)).enhance(1.3),
)


def halved(images: NDArray[np.float32]) -> NDArray[np.float32]:
    n, side = images.shape[:2]
    split = images.reshape(n, side // 2, 2, side // 2, 2)
    return np.asarray(split.mean((2, 4), dtype=np.float32))


def exhaustive(images: NDArray[np.uint8], originals: NDArray[np.uint8]) -> dict[int, int]:
    """Aligns every image and its mirror image to every original, from nine starts each."""
    wide = [0.0, -0.1, 0.11]
    starts = [(scale, angle, 0.0, 0.0) for scale in wide for angle in (-0.087, 0.0, 0.087)]
    n, m = len(images), len(originals)
    correlation = np.full((n, m), -1.0)
    for sides in (images, images[:, :, ::-1]):
        fixed = np.repeat(sides.astype(np.float32), m, axis=0)
        moving = np.tile(originals.astype(np.float32), (n, 1, 1))
        small, other = halved(halved(fixed)), halved(halved(moving))
        each = [np.tile(np.array(start, dtype=np.float32), (n * m, 1)) for start in starts]
        tried = [align(small, other, start, steps=6) for start in each]
        best = np.argmax([value for value, _ in tried], axis=0)
        warp = np.stack([found for _, found in tried])[best, np.arange(n * m)]
        _, warp = align(halved(fixed), halved(moving), warp, steps=4)
        found, _ = align(fixed, moving, warp, steps=4)
        correlation = np.maximum(correlation, found.reshape(n, m))
    order = np.argsort(-correlation, axis=1)
    first, second = np.take_along_axis(correlation, order[:, :2], axis=1).T
    sure = (first >= FIT) & (1 - first <= RATIO * (1 - second))
    return {int(k): int(order[k, 0]) for k in np.flatnonzero(sure)}


def test_search_among_candidates_finds_what_aligning_every_pair_finds() -> None:
    m = len(COPIES)
    originals = [photo(k) for k in range(m)] + [similar_photo(k) for k in range(m)]
    copies = [change(originals[k]) for k, change in enumerate(COPIES)]
    copies += [change(originals[m + k]) for k, change in enumerate(COPIES)]
    new = [photo(100 + k) for k in range(3)] + [similar_photo(100 + k) for k in range(3)]
    images = np.stack([grey(one) for one in [*copies, *new]])
    known = np.stack([grey(one) for one in originals])
    found = find_transformed_copies(images, known, None, FIT, RATIO)
    by_search = dict(zip(found.image.tolist(), found.original.tolist(), strict=True))
    assert by_search == exhaustive(images, known)
    # All copies of photographs, copies of images of similar objects as far as they stand out, and no
    # new image.
    assert {k: k for k in range(m)}.items() <= by_search.items()
    assert by_search.items() <= {k: k for k in range(2 * m)}.items()
