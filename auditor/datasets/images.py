"""Image files, decoded on access."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from auditor.imaging import open_image
from auditor.records import DecodedImage, Images


def image_names(images: Images | None) -> tuple[str, ...] | None:
    """The paths of images in files, as the data names them; None for other images."""
    return tuple(images.paths.to_pylist()) if isinstance(images, FileImages) else None


@dataclass(frozen=True)
class FileImages:
    """Image files below a folder.

    Attributes:
        root: folder to which relative paths refer.
        paths: relative or absolute, as an Arrow array of strings. Reading an element of a list would
            change its reference count, so that each forked worker would gradually copy the list.
        window: centre and width, for DICOM images; None: the file's own.
    """

    root: Path
    paths: pa.StringArray
    window: tuple[float, float] | None = None

    @classmethod
    def of(
        cls, root: Path, paths: Iterable[str], window: tuple[float, float] | None = None
    ) -> FileImages:
        """Image files with these paths, absolute or relative to ``root``."""
        return cls(root, pa.array(list(paths), pa.string()), window)

    def __len__(self) -> int:
        return len(self.paths)

    def path(self, index: int) -> Path:
        """The path of the image at a position."""
        return self.root / str(self.paths[index].as_py())

    def __getitem__(self, index: int) -> DecodedImage:
        """Decodes the image at a position.

        Raises:
            UnreadableImageError: it can't be decoded.
        """
        return open_image(self.path(index), self.window)
