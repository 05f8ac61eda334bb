"""Audit data with image files in memory, for the checks that compare files and pixels."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from builders.image_evidence import audit_data
from PIL import Image

from auditor.errors import UnreadableImageError
from auditor.imaging.perceptual_hash import phash
from auditor.records import AuditData, DecodedImage


@dataclass(frozen=True)
class StoredImages:
    """Image files in memory; None is an unreadable one."""

    files: tuple[bytes | None, ...]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> DecodedImage:
        data = self.files[index]
        if data is None:
            raise UnreadableImageError("truncated", "cut off")
        image = Image.open(io.BytesIO(data)).convert("RGB")
        return DecodedImage(image, hashlib.sha256(data).hexdigest())


def stored(image: Image.Image, quality: int | None = None) -> bytes:
    """An image as a PNG file, or as a JPEG file of some quality."""
    stream = io.BytesIO()
    if quality is None:
        image.save(stream, "PNG")
    else:
        image.save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def coloured(seed: int, quality: int | None = None, side: int = 96) -> bytes:
    """A file with random smooth colours, made at 96 pixels a side and resized if asked to."""
    generator = np.random.default_rng(seed)
    coarse = Image.fromarray(generator.integers(0, 256, (9, 9, 3), dtype=np.uint8))
    image = coarse.resize((96, 96), Image.Resampling.BICUBIC)
    if side != 96:
        image = image.resize((side, side), Image.Resampling.BICUBIC)
    return stored(image, quality)


def photo(seed: int) -> Image.Image:
    """A grey image, 96 pixels a side, with random patches at a coarse and a finer scale."""
    generator = np.random.default_rng(seed)
    coarse, fine = (
        np.asarray(
            Image.fromarray(generator.integers(0, 256, (n, n), dtype=np.uint8)).resize(
                (96, 96), Image.Resampling.BICUBIC
            ),
            dtype=np.float64,
        )
        for n in (6, 16)
    )
    return Image.fromarray((0.6 * coarse + 0.4 * fine).astype(np.uint8)).convert("RGB")


def similar_photo(seed: int, part: float = 0.25) -> Image.Image:
    """An image that differs from the others only in details, as products of one make do."""
    return Image.blend(photo(7), photo(1000 + seed), part)


def fingerprinted(
    files: Sequence[bytes],
    label: Sequence[int] | None = None,
    trained: Sequence[bytes | None] | None = None,
) -> AuditData:
    """Correctly classified samples of two classes with fingerprints; optionally with training images.

    Args:
        files: the audited images.
        label: their labels; by default 0 and 1 in turn.
        trained: the training images.
    """
    labels = np.array(label if label is not None else [k % 2 for k in range(len(files))])
    images = StoredImages(tuple(files))
    made = audit_data(labels, np.eye(2)[labels], {})
    decoded = [images[k] for k in range(len(images))]
    frame = made.predictions.assign(
        sha256=pd.Series([one.sha256 for one in decoded], dtype=object),
        phash=pd.Series([phash(one.image) for one in decoded], dtype=object),
    )
    return replace(
        made,
        predictions=frame,
        images=images,
        reference=None if trained is None else pd.DataFrame({"label": [0] * len(trained)}),
        reference_images=None if trained is None else StoredImages(tuple(trained)),
    )
