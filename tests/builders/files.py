"""Small files for the data set adapters."""

from __future__ import annotations

from pathlib import Path

from PIL import Image


def write_image(path: Path, grey: int = 0) -> None:
    """Writes a small image of one shade."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 3), (grey,) * 3).save(path)


def write_text(path: Path, text: str) -> Path:
    """Writes a text file and returns its path."""
    path.write_text(text, encoding="utf-8")
    return path
