"""Permutation of shares between clusters, compared with a plain sum for each permutation."""

from __future__ import annotations

import numpy as np
import pytest

from auditor.statistics import cluster_permutation
from auditor.statistics.cluster_permutation import Between
from auditor.statistics.intervals import Floats


def _between(shares: Floats, blocks: tuple[int, ...]) -> Between:
    generator = np.random.default_rng(5)
    scores = generator.normal(size=(len(shares), 3))
    variance = generator.uniform(0.5, 2, (len(shares), 3))
    return Between(shares, scores, variance, np.array(blocks))


def _plain(between: Between, n_draws: int, seed: int) -> tuple[Floats, Floats]:
    """Permutes the positions of the clusters in each block, and sums one permutation after another."""
    generator = np.random.default_rng(seed)
    ends = np.cumsum(between.blocks)
    parts = [
        generator.permuted(np.tile(np.arange(end - size, end), (n_draws, 1)), axis=1)
        for end, size in zip(ends, between.blocks, strict=True)
    ]
    totals, variances = [], []
    for order in np.concatenate(parts, axis=1):
        share, variance = between.shares[order], between.variance
        mean = share.T @ variance
        totals.append(share.T @ between.scores)
        variances.append((share**2).T @ variance - mean**2 / variance.sum(0))
    return np.stack(totals), np.stack(variances)


@pytest.mark.parametrize("distinct", [4, 60])
@pytest.mark.parametrize("held", [1, 1_000, 100_000])
def test_permuted_sums_are_those_of_plain_permutations(
    distinct: int, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        cluster_permutation, "_SUMS", held
    )  # one, some or all permutations at a time
    generator = np.random.default_rng(4)
    shares = generator.dirichlet((1, 1), distinct)[generator.integers(0, distinct, 60)]
    if distinct == len(shares):
        shares = generator.dirichlet((1, 1), distinct)
    between = _between(shares, (25, 35))
    found = between.draw(23, np.random.default_rng(7))
    for one, expected in zip(found, _plain(between, 23, 7), strict=True):
        np.testing.assert_allclose(one, expected, rtol=1e-9, atol=1e-9)


def test_observed_sums_are_those_without_a_permutation() -> None:
    shares = np.random.default_rng(4).dirichlet((1, 1), 40)
    between = _between(shares, (40,))
    total, variance = between.observed
    for a in range(2):
        for p in range(3):
            own, scale = shares[:, a], between.variance[:, p]
            assert total[a, p] == pytest.approx(sum(own * between.scores[:, p]))
            mean = sum(own * scale) / sum(scale)
            assert variance[a, p] == pytest.approx(sum((own - mean) ** 2 * scale))
