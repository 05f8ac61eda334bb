"""What blurring hides, and which images are dropped instead because it would not hide them."""

from __future__ import annotations

import numpy as np
import pytest
from builders.photographs import photograph
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits, load_sample_image
from sklearn.neighbors import KNeighborsClassifier

from auditor import imaging
from auditor.errors import DataError
from auditor.redaction.images import Treatment, treated, treatment_of

TRAINED, TESTED = 150, 100


def _digits(side: int) -> tuple[list[bytes], NDArray[np.int64]]:
    """Real handwritten digits of 28 pixels a side, enlarged to the input of a network."""
    data = load_digits()
    images = []
    for values in data.images[: TRAINED + TESTED]:
        small = Image.fromarray((values * 255 / 16).astype(np.uint8))
        digit = small.resize((28, 28), Image.Resampling.BICUBIC)
        images.append(
            imaging.jpeg(np.asarray(digit.resize((side, side)).convert("RGB")))  # bicubic as well
        )
    return images, data.target[: TRAINED + TESTED]


def _recognised(images: list[bytes], labels: NDArray[np.int64], how: Treatment) -> float:
    """Share of digits that a 1-nearest-neighbour classifier recognises in what a copy contains."""
    inputs = np.stack([treated(one, how)[::7, ::7, 0].ravel() for one in images]).astype(float)
    classifier = KNeighborsClassifier(1).fit(inputs[:TRAINED], labels[:TRAINED])
    return float(classifier.score(inputs[TRAINED:], labels[TRAINED:]))


@pytest.mark.parametrize("side", [28, 112])
def test_digits_are_dropped_because_blurring_does_not_hide_them(side: int) -> None:
    images, labels = _digits(side)
    assert _recognised(images, labels, "blur") > 0.6
    assert {treatment_of(one, "blur") for one in images} == {"drop"}
    # All grey images are equal: whatever is guessed is right for about one digit of ten.
    assert _recognised(images, labels, "drop") < 0.2


@pytest.mark.parametrize("size", [(128, 80), (224, 224), (640, 427)])
@pytest.mark.parametrize("name", ["china.jpg", "flower.jpg"])
def test_photographs_are_blurred(name: str, size: tuple[int, int]) -> None:
    jpeg = imaging.jpeg(np.asarray(Image.fromarray(load_sample_image(name)).resize(size)))
    assert treatment_of(jpeg, "blur") == "blur"
    assert treatment_of(jpeg, "drop") == "drop"


@pytest.mark.parametrize("size", [(64, 64), (64, 20), (1, 1)])
def test_small_images_are_dropped(size: tuple[int, int]) -> None:
    jpeg = imaging.jpeg(np.asarray(photograph(3, size)))
    assert treatment_of(jpeg, "blur") == "drop"
    assert set(treated(jpeg, "drop").ravel()) == {128}


def test_plain_image_is_dropped() -> None:
    assert treatment_of(imaging.jpeg(np.full((90, 90, 3), 7, np.uint8)), "blur") == "drop"


def test_damaged_image_is_refused() -> None:
    with pytest.raises(DataError, match="one is damaged"):
        treatment_of(b"no image", "blur")
