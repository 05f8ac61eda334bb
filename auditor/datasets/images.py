"""Image files by path, opened one at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from auditor.imaging import open_image
from auditor.records import DecodedImage


@dataclass(frozen=True)
class FileImages:
    """Image files below a folder.

    Attributes:
        root: folder that the paths start from.
        paths: relative or absolute, an Arrow array of strings. Not a list: reading an element of a
            list touches its reference count, and page by page every worker process would come to
            own a copy of the whole list.
    """

    root: Path
    paths: pa.StringArray

    @classmethod
    def of(cls, root: Path, paths: Iterable[str]) -> FileImages:
        """The files of these paths, relative to ``root`` or absolute."""
        return cls(root, pa.array(list(paths), pa.string()))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> DecodedImage:
        """Decodes the image at that position.

        Raises:
            UnreadableImageError: it can't be decoded; carries the reason.
        """
        return open_image(self.root / self.paths[index].as_py())
