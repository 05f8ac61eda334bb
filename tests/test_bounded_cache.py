"""The bounded cache keeps what fits and nothing else."""

from __future__ import annotations

import numpy as np

from auditor.bounded_cache import BoundedCache


def test_add_keeps_copies_until_the_cache_is_full() -> None:
    cache: BoundedCache[int] = BoundedCache(1)
    half = np.zeros(2**19, dtype=np.uint8)  # half a megabyte
    for key in range(3):
        cache.add(key, half)
    half[:] = 1
    assert [key in cache for key in range(3)] == [True, True, False]
    kept = cache.get(0)
    assert kept is not None
    assert not kept.any()
    assert cache.get(2) is None


def test_add_leaves_what_is_there() -> None:
    cache: BoundedCache[str] = BoundedCache(1)
    cache.add("a", np.array([1]))
    cache.add("a", np.array([2]))
    assert cache.get("a") == np.array([1])
