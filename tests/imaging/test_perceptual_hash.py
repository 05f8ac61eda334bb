from __future__ import annotations

import numpy as np
from builders.photographs import photograph, saved
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import dctn

from auditor.imaging.perceptual_hash import phash


def bits(hexadecimal: str | None) -> NDArray[np.uint8]:
    assert hexadecimal is not None
    return np.unpackbits(np.frombuffer(bytes.fromhex(hexadecimal), dtype=np.uint8))


def test_phash_equals_signs_of_scipy_cosine_transform() -> None:
    levels = np.asarray(photograph(size=(32, 32)).convert("L"), dtype=np.float64)
    coefficients = dctn(levels, type=2)[1:9, 1:9].ravel()
    # scipy scales all coefficients of rows and columns 1 to 8 by the same factor.
    expected = (coefficients > np.median(coefficients)).astype(np.uint8)
    found = bits(phash(photograph(size=(32, 32))))
    assert (found == expected).mean() > 0.98  # the medians differ by rounding


def test_phash_is_stable_under_edits_and_differs_between_images() -> None:
    distances, others = [], []
    for seed in range(20):
        image = photograph(seed)
        own = bits(phash(image))
        changed = [
            saved(image, quality=50),
            image.resize((150, 100), Image.Resampling.BICUBIC),
            Image.eval(image, lambda level: round(0.9 * level)),
        ]
        distances += [int((bits(phash(one)) != own).sum()) for one in changed]
        others.append(int((bits(phash(photograph(seed + 100))) != own).sum()))
    assert max(distances) <= 6
    assert min(others) >= 14
