"""The comparison with CoRelAy: its clusters are ranked on one half; a message says if it is missing."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.planting.spray_peer import spray

N = 400
Mask = NDArray[np.bool_]


def planted() -> tuple[NDArray[np.float32], Mask, Mask]:
    """Maps, the rows of one class with the evidence at another place, and failures: most of these rows."""
    random = np.random.default_rng(0)
    maps = random.uniform(0, 0.8, (N, 6, 6))
    moved = (np.arange(N) % 2 == 1) & (random.random(N) < 0.4)
    maps[moved, 5, 5] += 2
    maps[~moved, 2, 2] += 2
    return maps.astype(np.float32), moved, random.random(N) < np.where(moved, 0.8, 0.05)


def test_spray_ranks_clusters_by_error_rate_and_returns_the_other_half() -> None:
    pytest.importorskip("corelay", reason="an extra of the benchmarks")
    maps, moved, fails = planted()
    search = np.arange(N) % 4 < 2
    ranked = spray(maps, np.arange(N) % 2, fails, search, slices=3)
    assert 1 <= len(ranked) <= 3
    assert moved[ranked[0]].mean() > 0.95
    assert all(not search[rows].any() for rows in ranked)
    # The nearest to the mean map first: nearly the order by the distance from the mean of all of them.
    shares = maps / maps.sum((1, 2), keepdims=True)
    distance = ((shares[ranked[0]] - shares[moved].mean(0)) ** 2).sum((1, 2))
    assert np.corrcoef(distance, np.arange(len(distance)))[0, 1] > 0.7
    again = spray(maps, np.arange(N) % 2, fails, search, slices=3)
    assert [rows.tolist() for rows in again] == [rows.tolist() for rows in ranked]


def test_spray_ranking_does_not_use_failures_of_the_other_half() -> None:
    pytest.importorskip("corelay", reason="an extra of the benchmarks")
    maps, _, fails = planted()
    search = np.arange(N) % 4 < 2
    one = spray(maps, np.arange(N) % 2, fails, search)
    other = spray(maps, np.arange(N) % 2, fails ^ ~search, search)
    assert [rows.tolist() for rows in one] == [rows.tolist() for rows in other]


def test_spray_without_corelay_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "corelay.pipeline.spectral", None)
    maps, _, fails = planted()
    with pytest.raises(ImportError, match="pip install corelay"):
        spray(maps, np.arange(N) % 2, fails, np.arange(N) % 4 < 2)
