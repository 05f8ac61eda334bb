"""Images with roughly the spectrum of a photograph."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image


def photograph(
    seed: int = 0, size: tuple[int, int] = (300, 200), grain: float = 4.0
) -> Image.Image:
    """Smooth noise with some grain."""
    generator = np.random.default_rng(seed)
    coarse = Image.fromarray(generator.integers(0, 256, (9, 12, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize(size, Image.Resampling.BICUBIC), dtype=np.float64)
    noisy = smooth + generator.normal(0, grain, smooth.shape)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def saved(image: Image.Image, **options: object) -> Image.Image:
    """The image after saving it as JPEG, not loaded yet."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", **options)
    return Image.open(stream)
