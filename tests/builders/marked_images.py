"""Images with a bright band for their class, and a mark that makes a plain function predict class a."""

from __future__ import annotations

import numpy as np
from builders.image_evidence import ImageArray, Model, Probabilities, audit_data
from numpy.typing import NDArray

from auditor.interventions.regions import Region
from auditor.records import AuditData, Claim, Intervention

SIDE = 32
MARK = np.s_[:, :, 26:30, 26:30]
"""Pixels of the mark."""


def labels(n: int) -> NDArray[np.int64]:
    """Three labels in turn, (n,)."""
    return np.arange(n) % 3


def turns(n: int, period: int) -> NDArray[np.int64]:
    """A number from 0 to period - 1 for each image, equally frequent in every label, (n,)."""
    return np.arange(n) // 3 % period


def banded_images(n: int, seed: int) -> ImageArray:
    """Noise with a bright band of eight rows at the place that belongs to the label, (n, 3, 32, 32)."""
    images = np.random.default_rng(seed).integers(0, 60, (n, 3, SIDE, SIDE), dtype=np.uint8)
    for code in range(3):
        images[labels(n) == code, :, 8 * code : 8 * code + 8] += 100
    return images


def with_mark(
    images: ImageArray, chosen: NDArray[np.bool_], pixels: tuple[slice, ...] = MARK
) -> ImageArray:
    """The same images, some of them with a white mark."""
    marked = images.copy()
    changed = marked[chosen]
    changed[pixels] = 255
    marked[chosen] = changed
    return marked


def has_mark(images: ImageArray, pixels: tuple[slice, ...] = MARK) -> NDArray[np.bool_]:
    """Whether most of the mark is visible, (n,)."""
    return np.asarray(images[pixels].mean((1, 2, 3)) > 150)


def band_brightness(images: ImageArray) -> NDArray[np.float64]:
    """Brightness of the band of each of the three classes, (n, 3)."""
    bands = images[:, 0, :24].reshape(len(images), 3, 8, SIDE)
    return np.asarray(bands.mean((2, 3)), dtype=np.float64)


def confident(codes: NDArray[np.int64], n_classes: int = 3) -> Probabilities:
    """Probability 0.8 for each of these classes, (n, n_classes)."""
    rest = 0.2 / (n_classes - 1)
    return np.where(np.arange(n_classes) == codes[:, None], 0.8, rest)


def predict_by_band_or_mark(images: ImageArray) -> Probabilities:
    """The class of the brightest band; class a for images with the mark."""
    return confident(np.where(has_mark(images), 0, band_brightness(images).argmax(1)))


def bright_places(images: ImageArray, _: NDArray[np.int64]) -> NDArray[np.float32]:
    """Maps (n, 8, 8) with the evidence at the mark, and a little wherever an image is bright."""
    cells = images.mean(1).reshape(len(images), 8, 4, 8, 4)
    maps = np.maximum(cells.max((2, 4)) - 170, 0) + 0.01 * cells.mean((2, 4))
    return np.asarray(maps, dtype=np.float32)


def marked_audit(n: int = 360, seed: int = 0) -> AuditData:
    """Audit of images without attributes; a third of every label has the mark."""
    images = with_mark(banded_images(n, seed), turns(n, 3) == 0)
    model = Model(images, predict_by_band_or_mark, cams_with=bright_places)
    return audit_data(labels(n), predict_by_band_or_mark(images), {}, model=model, seed=seed)


def model_of(audit: AuditData) -> Model:
    """The model of the audit, with its images and its count of predictions."""
    assert isinstance(audit.model, Model)
    return audit.model


def intervention(claim: Claim) -> Intervention:
    """The intervention in a claim's evidence."""
    part = claim.part(Intervention)
    assert part is not None
    return part


def region_of(claim: Claim) -> Region:
    """The region that the intervention changed."""
    box = intervention(claim).region
    assert box is not None
    return Region(*box.box, outside=box.outside)
