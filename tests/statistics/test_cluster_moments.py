"""Sums over clusters: parts of the clusters give what all clusters give; columns are what they stand for."""

from __future__ import annotations

import numpy as np
import pytest

from auditor.statistics import cluster_moments
from auditor.statistics.cluster_cells import Cells
from auditor.statistics.cluster_columns import Centred, Given, OneHot
from auditor.statistics.cluster_moments import ClusterSums
from auditor.statistics.intervals import Floats, Integers


def _sample() -> tuple[Cells, Integers, Integers]:
    """300 samples of 60 clusters in two strata: cells, attribute values and outcomes."""
    generator = np.random.default_rng(3)
    cluster, stratum = np.repeat(np.arange(60), 5), generator.integers(0, 2, 300)
    return (
        Cells.of(stratum, cluster),
        generator.integers(0, 3, 300),
        generator.integers(0, 4, 300),
    )


def _varied(cells: Cells, members: Floats, scores: Floats) -> Integers:
    """Samples, sorted by cell, of cells in which both vary."""

    def varies(values: Floats) -> bool:
        return bool((values.max(0) > values.min(0)).any())

    rows = [np.flatnonzero(cells.cell == k) for k in range(len(cells))]
    return np.concatenate([one for one in rows if varies(members[one]) and varies(scores[one])])


def _moments(cells: Cells, value: Integers, outcome: Integers) -> cluster_moments.Moments:
    members, outcomes = OneHot(value, np.arange(3)), OneHot(outcome, np.arange(4))
    scores, everything = Centred.of(outcomes, cells), np.arange(300)
    rows = _varied(cells, members.rows(everything), scores.rows(everything))
    return ClusterSums(cells, members, scores, rows).moments()


def test_columns_agree_with_plain_arrays() -> None:
    cells, _, outcome = _sample()
    plain = np.eye(4)[outcome]
    stratum = cells.stratum[cells.cell]
    plain -= np.stack([plain[stratum == k].mean(0) for k in range(2)])[stratum]
    kept = np.arange(300) % 3 > 0
    columns = Centred.of(OneHot(outcome, np.arange(4)), cells)
    columns = Centred(columns.columns, columns.stratum, columns.means, kept)
    plain[~kept] = 0
    rows = np.array([4, 0, 299, 17])
    assert columns.shape == plain.shape
    np.testing.assert_allclose(columns.rows(rows), plain[rows], atol=1e-12)
    for k in range(4):
        np.testing.assert_allclose(columns.column(k), plain[:, k], atol=1e-12)
        np.testing.assert_allclose(columns.column(k, rows), plain[rows, k], atol=1e-12)
        np.testing.assert_array_equal(Given(plain).column(k, rows), plain[rows, k])


def test_moments_in_parts_are_those_of_all_clusters_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = _moments(*_sample())
    monkeypatch.setattr(cluster_moments, "_ROW_ELEMENTS", 100)
    rows_in_parts = _moments(*_sample())
    # Sums of a cluster do not depend on the part in which it is computed: these are equal to the bit.
    np.testing.assert_array_equal(rows_in_parts.parts, whole.parts)
    np.testing.assert_array_equal(rows_in_parts.variance, whole.variance)
    monkeypatch.setattr(cluster_moments, "_ELEMENTS", 100)
    streamed = _moments(*_sample())
    for name in ("total", "variance", "number", "seen"):
        np.testing.assert_allclose(getattr(streamed, name), getattr(whole, name), rtol=1e-9)


def test_parts_of_very_many_clusters_have_the_same_sums_of_products(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = _moments(*_sample()).parts.reshape(-1, 12)
    monkeypatch.setattr(cluster_moments, "_ELEMENTS", 100)
    fewer = _moments(*_sample()).parts.reshape(-1, 12)
    assert len(fewer) == 12 < len(whole)
    np.testing.assert_allclose(fewer.T @ fewer, whole.T @ whole, atol=1e-9)
