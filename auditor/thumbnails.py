"""Small images for the report, stored once per run in a file of ``explanations/``."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from auditor.run_folder import EXPLANATIONS, ShardWriter


class Thumbnails:
    """Collects small images and writes them to one file; fulfils `records.ImageKeeper`."""

    def __init__(self, folder: Path, prefix: str, edge: int = 128) -> None:
        """Starts without an image.

        Args:
            folder: ``explanations/`` of the run.
            prefix: first part of the name of the file.
            edge: longest side of an image in pixels; smaller images keep their size.
        """
        self._shards = ShardWriter(folder, prefix)
        self._edge = edge
        self._images: list[bytes] = []

    def keep(self, image: NDArray[np.uint8]) -> str:
        """Adds an image.

        Args:
            image: (3, H, W).

        Returns:
            Its reference, ``file#row`` below the run folder.
        """
        small = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
        small.thumbnail((self._edge, self._edge), Image.Resampling.LANCZOS)
        stream = io.BytesIO()
        small.save(stream, "JPEG", quality=80)
        self._images.append(stream.getvalue())
        return f"{EXPLANATIONS}/{self._shards.next_name}#{len(self._images) - 1}"

    def write(self) -> None:
        """Writes the file, if there is any image."""
        if self._images:
            self._shards.write(pa.table({"image": pa.array(self._images, pa.binary())}))
