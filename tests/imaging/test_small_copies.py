"""Small copies: what they hold, and that each image is decoded once for what is asked of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from builders.stored_images import StoredImages, coloured
from PIL import Image

from auditor.imaging.perceptual_hash import phash
from auditor.imaging.properties import measure
from auditor.imaging.small_copies import small_copies
from auditor.records import DecodedImage
from auditor.records.image_properties import as_stored
from auditor.records.small_copies import Detail, KeptCopies


@dataclass(frozen=True)
class CountedImages:
    """Images that note which of them were decoded."""

    images: StoredImages
    decoded: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> DecodedImage:
        self.decoded.append(index)
        return self.images[index]


def test_small_copies_hold_what_the_image_gives() -> None:
    images = StoredImages(tuple(coloured(k) for k in range(20)))
    copies = small_copies(images, [*range(20)], KeptCopies(), Detail.PROPERTIES)
    for k in (0, 19):
        image, copy = images[k], copies[k]
        assert copy is not None
        grey = image.image.convert("L").resize((64, 64), Image.Resampling.BOX)
        small = image.image.resize((8, 8), Image.Resampling.BOX)
        assert (copy.grey == np.asarray(grey)).all()
        assert (copy.thumbnail == np.asarray(small)).all()
        expected, fingerprint = measure(image.image, image.stored)
        assert (copy.properties, copy.phash) == (as_stored(expected), fingerprint)
        assert (copy.sha256, copy.phash) == (image.sha256, phash(image.image))


def test_image_is_decoded_again_only_where_more_is_asked() -> None:
    images = CountedImages(StoredImages((coloured(0), None, coloured(2))))
    kept = KeptCopies()
    first = small_copies(images, [2, 1, 2], kept)
    assert first[1] is None
    assert first[0] is first[2] is not None
    assert images.decoded == [2, 1]
    small_copies(images, [2, 1], kept, Detail.PROPERTIES)
    assert images.decoded == [2, 1, 2]  # the unreadable one is known to be so
    found = small_copies(images, [0, 1, 2], kept, Detail.FINGERPRINT)
    assert images.decoded == [2, 1, 2, 0]
    assert [one is None or one.phash is None for one in found] == [False, True, False]
