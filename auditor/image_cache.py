"""Cache of decoded images: in memory up to a size, then in a temporary file."""

from __future__ import annotations

import math
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from auditor.bounded_cache import BoundedCache

MEGABYTES: float = 256
"""Largest size of the images in memory."""
FILE_MEGABYTES: float = 4096
"""Largest size of the images in the file."""
_SHARE = 0.1
"""Largest share of the free space that the file takes."""


class ImageCache:
    """Keeps images by position. Once it is full, what is there stays, and nothing is added.

    Results must not depend on it. The file has no name where the system allows that, and vanishes with the
    process, however that ends.

    Attributes:
        shape: of the images, which have one size; empty before the first one.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Makes an empty cache.

        Args:
            folder: where the file is made once it is needed; None: images are kept in memory only.
        """
        self.shape: tuple[int, ...] = ()
        self._memory: BoundedCache[int] = BoundedCache(MEGABYTES)
        self._folder = folder
        self._file: IO[bytes] | None = None
        self._starts: dict[int, int] = {}
        self._limit = int(FILE_MEGABYTES * 2**20)

    def __contains__(self, key: int) -> bool:
        return key in self._memory or key in self._starts

    def __getitem__(self, key: int) -> NDArray[np.uint8]:
        """An image that is in the cache."""
        if self._file is None or key not in self._starts:
            image = self._memory.get(key)
            assert image is not None, "see `__contains__`"
            return image
        self._file.seek(self._starts[key])
        read = self._file.read(math.prod(self.shape))
        return np.frombuffer(read, np.uint8).reshape(self.shape)

    def add(self, key: int, image: NDArray[np.uint8]) -> None:
        """Keeps a copy of an image, if it fits and is not there yet."""
        self.shape = self.shape or image.shape
        self._memory.add(key, image)
        if key in self or self._folder is None:
            return
        try:
            self._write(key, image, self._folder)
        except OSError:  # a full disk or a read-only folder: images are decoded again
            self._folder = None

    def _write(self, key: int, image: NDArray[np.uint8], folder: Path) -> None:
        if self._file is None:
            self._limit = min(self._limit, int(shutil.disk_usage(folder).free * _SHARE))
            self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - kept open
            weakref.finalize(self, self._file.close)
        start = len(self._starts) * math.prod(self.shape)
        if image.shape == self.shape and start + image.nbytes <= self._limit:
            self._file.seek(start)
            if self._file.write(image.tobytes()) == image.nbytes:
                self._starts[key] = start
