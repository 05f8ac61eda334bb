"""The corpus: inputs that an earlier search found worth keeping, one archive for each target."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path

from fuzz import ROOT

FOLDER = ROOT / "fuzz" / "corpus"
_BUDGET = 16_000
"""Bytes of an archive."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""Time of all entries, so that the same inputs make the same archive."""
_HEADERS = 120
"""Bytes that an archive needs for each entry, about."""


def read(name: str) -> list[bytes]:
    """The kept inputs of a target; none if there is no archive."""
    path = FOLDER / f"{name}.zip"
    if not path.is_file():
        return []
    with zipfile.ZipFile(path) as archive:
        return [archive.read(one) for one in archive.namelist()]


def write(name: str, found: Path, seeds: Iterable[bytes], most: int) -> int:
    """Keeps the smallest inputs of a search, as many as fit.

    Args:
        name: of the target.
        found: folder with the inputs that libFuzzer kept.
        seeds: inputs that are made anyway.
        most: how many are kept at most.

    Returns:
        How many are kept.
    """
    made = set(seeds)
    inputs = {one.read_bytes() for one in found.iterdir()} - made
    FOLDER.mkdir(exist_ok=True)
    path, kept = FOLDER / f"{name}.zip", 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for data in sorted(inputs, key=lambda one: (len(one), one))[:most]:
            if archive.start_dir + _HEADERS * (kept + 1) + len(data) > _BUDGET:
                break
            entry = zipfile.ZipInfo(f"{kept:04d}", _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
            kept += 1
    return kept
