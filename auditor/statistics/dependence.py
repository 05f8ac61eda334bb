"""Independence of prediction and attribute, given the label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import xlogy
from scipy.stats import random_table

from auditor.statistics.intervals import Floats
from auditor.statistics.permutation import MAX_DRAWS, sequential_p_value

_NUMBERS_AT_ONCE = 20_000_000
"""Numbers drawn at a time, which bounds the memory."""


@dataclass(frozen=True, slots=True)
class Dependence:
    """Conditional mutual information with its permutation test.

    Attributes:
        information: I(prediction; attribute | label) in nats, plug-in.
        excess: `information` minus its mean under independence.
        p_value: of independence given the label; NaN if there is nothing to permute within any label.
        n_permutations: number of permutations until the p-value was precise enough.
    """

    information: float
    excess: float
    p_value: float
    n_permutations: int


def conditional_dependence(
    counts: ArrayLike, n_permutations: int = MAX_DRAWS, seed: int = 0
) -> Dependence:
    """Permutation test of prediction ⟂ attribute | label, from counts alone.

    Attribute values are permuted within each label. A permuted table of a label is a random table
    with the same margins, so tables are drawn instead of permuting samples: the time does not depend
    on the number of samples.

    Args:
        counts: (L, A, P) samples by label, attribute value and predicted class.
        n_permutations: maximum number of permutations; a large p-value needs fewer.
        seed: random seed.

    Returns:
        The dependence in nats (at least 0) and its p-value.

    Raises:
        ValueError: `counts` is not a three-dimensional array of counts.

    Reference:
        T. M. Cover and J. A. Thomas, "Elements of Information Theory" (2006), equation 2.60;
        tables: W. M. Patefield, Applied Statistics 30 (1981) 91-97.
    """
    tables = np.asarray(counts, dtype=np.float64)
    if tables.ndim != 3 or not bool(np.all(np.isfinite(tables) & (tables >= 0))):
        raise ValueError(
            f"expected counts by label, attribute value and prediction; got shape {tables.shape}: "
            "count samples into three axes first"
        )
    generator = np.random.default_rng(seed)
    # With a single value or prediction, permutations change nothing.
    cores = [table[table.sum(1) > 0][:, table.sum(0) > 0] for table in tables]
    cores = [core for core in cores if min(core.shape) >= 2]
    if not cores:
        return Dependence(0.0, 0.0, np.nan, 0)
    laws = [random_table(core.sum(1), core.sum(0)) for core in cores]
    total = tables.sum()
    seen = float(sum(total_information(core) for core in cores))

    def draw(size: int) -> Floats:
        drawn = np.zeros(size)
        for law in laws:
            table = law.rvs(size=size, random_state=generator)
            drawn += total_information(table.astype(np.float64))
        return drawn

    batch = max(1, _NUMBERS_AT_ONCE // max(core.size for core in cores))
    found = sequential_p_value(draw, seen, n_permutations, min(batch, 2_000))
    return Dependence(
        max(seen / total, 0.0), (seen - found.mean) / total, found.p_value, len(found.drawn)
    )


def total_information(tables: Floats) -> Floats:
    """N · I(row; column) in nats of (..., R, C) tables with n samples each."""
    rows, columns = tables.sum(-1), tables.sum(-2)
    total = rows.sum(-1)
    return np.asarray(
        xlogy(tables, tables).sum((-2, -1))
        - xlogy(rows, rows).sum(-1)
        - xlogy(columns, columns).sum(-1)
        + xlogy(total, total),
        dtype=np.float64,
    )
