"""Alternatives to the configured preprocessing, tried on images of the data set."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from auditor import imaging
from auditor.audited_model import AuditedModel
from auditor.classifiers.preprocessing import (
    PreprocessingTrial,
    ResizedImages,
    compare_preprocessing,
)
from auditor.config import Preprocess
from auditor.errors import UnreadableImageError
from auditor.records import Images

MOST_IMAGES = 256
"""Images on which the alternatives are tried at most."""
LEAST_IMAGES = 32
"""With fewer images, hardly any difference can be shown."""
_SECONDS = 10.0
"""Time that the trial may take."""
_RUNS = 11
"""About so many preprocessings are tried."""
_MARGIN = 256 / 224
"""Resize before a centre crop, as is usual for ImageNet."""


def affordable(seconds_per_image: float) -> int:
    """On how many images the alternatives can be tried in about ten seconds, 32 to 256.

    Args:
        seconds_per_image: time of one prediction.
    """
    number = int(_SECONDS / max(_RUNS * seconds_per_image, 1e-9))
    return min(max(number, LEAST_IMAGES), MOST_IMAGES)


def try_preprocessing(
    model: AuditedModel, images: Images, rows: NDArray[np.int64], labels: NDArray[np.int64]
) -> list[PreprocessingTrial]:
    """Runs images through the network with the configured and other usual preprocessings.

    Args:
        model: the audited model.
        images: any images.
        rows: (n,) positions in them; unreadable ones are left out.
        labels: (n,) class indices.

    Returns:
        The trials, as `compare_preprocessing` returns them; empty if no image can be read.
    """
    used = model.preprocess
    pixels: list[NDArray[np.uint8]] = []
    codes: list[int] = []
    alternatives: list[tuple[str, Preprocess]] = []
    others: list[list[NDArray[np.uint8]]] = []
    for row, label in zip(rows, labels, strict=True):
        try:
            image = images[int(row)].image
        except UnreadableImageError:
            continue
        made = imaging.prepare(image, used.resize, used.crop, used.interpolation)
        if not pixels:
            alternatives = list(_resizes(used, (made.shape[1], made.shape[2])))
            others = [[] for _ in alternatives]
        pixels.append(made)
        codes.append(int(label))
        for (_, one), kept in zip(alternatives, others, strict=True):
            kept.append(imaging.prepare(image, one.resize, one.crop, one.interpolation))
    if not pixels:
        return []
    resized = [
        ResizedImages(name, _setting(one), np.stack(kept))
        for (name, one), kept in zip(alternatives, others, strict=True)
        if any(bool((a != b).any()) for a, b in zip(kept, pixels, strict=True))
    ]
    return compare_preprocessing(
        model.module, np.stack(pixels), np.array(codes), used, model.batch_size, resized
    )


def _resizes(used: Preprocess, size: tuple[int, int]) -> Iterator[tuple[str, Preprocess]]:
    """Other usual ways to the same size."""
    height, width = size
    ways: list[tuple[str, int | tuple[int, int] | None, tuple[int, int] | None]] = [
        ("the whole image resized to the input size", size, None)
    ]
    if height == width:
        ways += [
            ("the shorter side resized to the crop", height, size),
            ("a centre crop of seven eighths", round(height * _MARGIN), size),
        ]
    seen = {(used.resize, used.crop)}
    for name, resize, crop in ways:
        if (resize, crop) not in seen:
            yield name, used.model_copy(update={"resize": resize, "crop": crop})
    if used.resize is not None:
        other = "bicubic" if used.interpolation != "bicubic" else "bilinear"
        yield f"{other} interpolation", used.model_copy(update={"interpolation": other})


def _setting(one: Preprocess) -> str:
    """What the configuration would say."""

    def shown(side: int | tuple[int, int] | None) -> str:
        return "null" if side is None else str(side if isinstance(side, int) else list(side))

    return f"`resize: {shown(one.resize)}, crop: {shown(one.crop)}, interpolation: {one.interpolation}`"
