"""Is the prediction independent of the attribute, given the label?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import xlogy
from scipy.stats import random_table

from auditor.statistics.intervals import Floats


@dataclass(frozen=True, slots=True)
class Dependence:
    """Conditional mutual information with its permutation test.

    Attributes:
        information: I(prediction; attribute | label) in nats, plug-in.
        excess: `information` less its mean under independence: the part that chance does not make.
        p_value: of independence given the label; NaN where no label leaves anything to permute.
        n_permutations: how many were drawn.
    """

    information: float
    excess: float
    p_value: float
    n_permutations: int


def conditional_dependence(
    counts: ArrayLike, n_permutations: int = 999, seed: int = 0
) -> Dependence:
    """Permutation test of prediction ⟂ attribute | label, from counts alone.

    Attribute values are permuted within each label. The table of a label under such a permutation
    is a random table with the same margins, so tables are drawn and rows are not touched: the time
    does not grow with the number of samples.

    Args:
        counts: (L, A, P) samples by label, attribute value and predicted class.
        n_permutations: draws; the smallest p-value is 1 / (draws + 1).
        seed: of the draws.

    Returns:
        The dependence in nats (at least 0) and its p-value.

    Raises:
        ValueError: `counts` is no three-dimensional array of counts.

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
    total = tables.sum()
    seen, drawn, movable = 0.0, np.zeros(n_permutations), False
    for table in tables:
        core = table[table.sum(1) > 0][:, table.sum(0) > 0]
        if min(core.shape) < 2:
            continue  # one value or one prediction: no permutation changes anything
        movable = True
        law = random_table(core.sum(1), core.sum(0))
        seen += float(_total_information(core))
        drawn += _total_information(
            law.rvs(size=n_permutations, random_state=generator).astype(np.float64)
        )
    if not movable:
        return Dependence(0.0, 0.0, np.nan, 0)
    reached = int((drawn >= seen - 1e-9 * max(seen, 1.0)).sum())
    return Dependence(
        max(seen / total, 0.0),
        float((seen - drawn.mean()) / total),
        (reached + 1) / (n_permutations + 1),
        n_permutations,
    )


def _total_information(tables: Floats) -> Floats:
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
