"""The image cache keeps images in memory, then in a file, and nothing once both are full."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from auditor import image_cache
from auditor.image_cache import ImageCache

_ONE = 3 * 8 * 8 / 2**20
"""Size of one image."""


def limit(monkeypatch: pytest.MonkeyPatch, memory: float, file: float) -> None:
    """States how many images fit into the memory and the file."""
    monkeypatch.setattr(image_cache, "MEGABYTES", memory * _ONE)
    monkeypatch.setattr(image_cache, "FILE_MEGABYTES", file * _ONE)


def image(key: int) -> np.ndarray:
    return np.random.default_rng(key).integers(0, 256, (3, 8, 8), dtype=np.uint8)


def test_images_beyond_the_memory_are_kept_in_a_file_until_it_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(monkeypatch, memory=2, file=3)
    cache = ImageCache(tmp_path)
    for key in (7, 3, 9, 3, 0, 5, 1, 2):
        cache.add(key, image(key))
    # Two in memory, three in the file.
    assert [key for key in range(10) if key in cache] == [0, 3, 5, 7, 9]
    for key in (5, 0, 9, 3, 7, 0):
        assert np.array_equal(cache[key], image(key))
    assert cache.shape == (3, 8, 8)
    del cache
    assert list(tmp_path.iterdir()) == []


def test_without_a_folder_only_the_memory_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    limit(monkeypatch, memory=1, file=3)
    cache = ImageCache()
    for key in range(3):
        cache.add(key, image(key))
    assert [key in cache for key in range(3)] == [True, False, False]


@pytest.mark.parametrize("problem", ["missing folder", "no space"])
def test_images_are_not_kept_where_no_file_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: str
) -> None:
    limit(monkeypatch, memory=0, file=0 if problem == "no space" else 3)
    cache = ImageCache(tmp_path / "missing" if problem == "missing folder" else tmp_path)
    for key in range(3):
        cache.add(key, image(key))
    assert not any(key in cache for key in range(3))
    assert cache.shape == (3, 8, 8)
