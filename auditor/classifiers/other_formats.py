"""What a file is that holds no weights in a supported format, in words for a message."""

from __future__ import annotations

import contextlib
import json
import tarfile
from pathlib import Path

_LARGEST_INDEX = 50_000_000
"""Bytes of a JSON file that is read to describe it."""
_SHOWN = 3
_BLANK = 32
"""The first printable character."""

_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"\x89HDF\r\n", "an HDF5 file, such as Keras writes"),
    (b"\x80", "a pickle that was not written by torch.save; reading it could run any code"),
    (b"\x1f\x8b", "compressed with gzip: unpack it first"),
    (b"<", "an HTML or XML page, such as after a failed download"),
)


def describe_other_format(path: Path, head: bytes) -> str:
    """What a file is.

    Args:
        path: the file.
        head: its first 512 bytes, or all of a shorter file.
    """
    known = [content for start, content in _STARTS if head.lstrip().startswith(start)]
    if known:
        return known[0]
    if head.lstrip()[:1] in {b"{", b"["}:
        return _json(path)
    if tarfile.is_tarfile(path):
        return "a tar archive, such as of PyTorch before 0.1.10 or of a download"
    if path.suffix == ".onnx":
        return "an ONNX model"
    if all(byte >= _BLANK or byte in b"\t\r\n" for byte in head) and head.isascii():
        first = head.decode().strip().partition("\n")[0].strip()[:60]
        return f"a text file (first line {first!r})"
    return f"damaged, or in an unknown format (first bytes {head[:8]!r})"


def _json(path: Path) -> str:
    """A JSON file, which may be the index of weights in several files."""
    raw: object = None
    if path.stat().st_size <= _LARGEST_INDEX:
        with contextlib.suppress(ValueError, RecursionError):
            raw = json.loads(path.read_text(encoding="utf-8"))
    shards = raw.get("weight_map") if isinstance(raw, dict) else None
    if not isinstance(shards, dict):
        return "JSON, such as a configuration, without weights"
    files = sorted({str(name) for name in shards.values()})
    shown = ", ".join(files[:_SHOWN]) + (" …" if len(files) > _SHOWN else "")
    return (
        f"the index of weights in {len(files)} files ({shown}), which have to be merged: load the "
        "model from all of them"
    )
