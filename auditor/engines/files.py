"""Files of blocks that come from elsewhere."""

from __future__ import annotations

import os
from pathlib import Path


def write_file(content: bytes | memoryview, path: Path) -> None:
    """Writes a file that appears when it is complete, and survives a power failure."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)
