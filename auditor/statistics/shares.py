"""Shares of a whole: values that are rarer than expected, confusions that are more frequent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom, chi2

from auditor.statistics.association import contingency
from auditor.statistics.intervals import Floats, Integers, Intervals
from auditor.statistics.mid_p import proportion

_SMALL_EXPECTED = 5.0


@dataclass(frozen=True, slots=True)
class RepresentationShares:
    """Shares of the values of an attribute against expected shares.

    Attributes:
        shares: (V,) observed shares with intervals.
        expected: (V,) expected shares, which sum to 1.
        p_value: p-value of the hypothesis "the samples were drawn with the expected shares".
        method: ``"chi-squared"``, ``"monte-carlo"`` (small expected counts) or ``"untestable"``.
    """

    shares: Intervals
    expected: Floats
    p_value: float
    method: str


def representation(
    counts: ArrayLike,
    expected: ArrayLike | None = None,
    confidence: float = 0.95,
    n_draws: int = 9999,
    seed: int = 0,
) -> RepresentationShares:
    """Goodness of fit of observed counts to expected shares.

    Expected shares are treated as known. To compare with another sample (such as training data), test
    the two-row table of both with `association`.

    Args:
        counts: (V,) samples of each value.
        expected: (V,) shares or weights; None: equal shares.
        confidence: coverage of the interval of each share.
        n_draws: number of multinomial draws if an expected count is below 5.
        seed: seed of those draws.

    Returns:
        Shares and test. The p-value is 0 if a value with expected share 0 was observed.

    Raises:
        ValueError: the lengths differ, a weight is negative, or all are zero.

    Reference:
        K. Pearson, Philosophical Magazine 50 (1900) 157-175; Monte Carlo p-value (r + 1)/(n + 1):
        A. C. Davison and D. V. Hinkley, "Bootstrap Methods" (1997), equation 4.11.
    """
    seen = contingency([np.asarray(counts, dtype=np.float64)])[0]
    weights = np.ones_like(seen) if expected is None else np.asarray(expected, dtype=np.float64)
    if weights.shape != seen.shape or not bool(np.all(weights >= 0)) or not weights.sum() > 0:
        raise ValueError(
            f"expected {len(seen)} non-negative weights, not all zero; got {weights!r}: give one share "
            "for each value"
        )
    total, wanted = seen.sum(), weights / weights.sum()
    shares = proportion(seen, total, confidence)
    possible = wanted > 0
    if total == 0 or len(seen) < 2:
        return RepresentationShares(shares, wanted, np.nan, "untestable")
    if bool(np.any(seen[~possible] > 0)):
        return RepresentationShares(shares, wanted, 0.0, "chi-squared")
    if possible.sum() < 2:
        return RepresentationShares(shares, wanted, 1.0, "chi-squared")
    mean = total * wanted[possible]
    statistic = float(((seen[possible] - mean) ** 2 / mean).sum())
    if mean.min() >= _SMALL_EXPECTED:
        p_value = float(chi2.sf(statistic, len(mean) - 1))
        return RepresentationShares(shares, wanted, p_value, "chi-squared")
    draws = np.random.default_rng(seed).multinomial(int(total), wanted[possible], size=n_draws)
    reached = int((((draws - mean) ** 2 / mean).sum(1) >= statistic * (1 - 1e-12)).sum())
    return RepresentationShares(shares, wanted, (reached + 1) / (n_draws + 1), "monte-carlo")


@dataclass(frozen=True, slots=True)
class Confusions:
    """All ordered pairs (label, predicted) of a confusion matrix; the diagonal is NaN.

    Attributes:
        counts: (K, K) samples.
        share: (K, K) share of the label's failures that are predicted as this class, with intervals.
        expected: share of each wrong class if the failures were spread evenly, 1 / (K - 1).
        of_others: (K, K) share of the failures of the other labels that are predicted as this class;
            the class itself cannot be confused with itself and is no other label. NaN without
            such failures.
        n_others: (K, K) number of failures of the other labels.
        p_value: (K, K) one-sided p-value of "at most `expected`"; NaN if the label has no
            failure or there is only one wrong class.
    """

    counts: Integers
    share: Intervals
    expected: float
    of_others: Floats
    n_others: Integers
    p_value: Floats


def confusions(matrix: ArrayLike, confidence: float = 0.95) -> Confusions:
    """Tests which confusions are more frequent than if failures were spread evenly over wrong classes.

    Args:
        matrix: (K, K) counts, labels in rows, predictions in columns.
        confidence: coverage of the interval of each share.

    Returns:
        Shares, the shares of other labels' failures, and one-sided exact binomial tests of all pairs.

    Raises:
        ValueError: `matrix` is not a square matrix of counts.
    """
    counts = contingency(matrix)
    n_classes = len(counts)
    if counts.shape[1] != n_classes:
        raise ValueError(
            f"expected a square confusion matrix; got shape {counts.shape}: "
            "count labels in rows and predictions in columns over the same classes"
        )
    off = ~np.eye(n_classes, dtype=bool)
    wrong = np.where(off, counts, 0.0)
    failures = np.broadcast_to(wrong.sum(1, keepdims=True), wrong.shape)
    testable = off & (failures > 0) & (n_classes > 2)
    share = proportion(wrong, failures, confidence)
    # For the pair (a, b): failures of the labels other than a and b, and those predicted as b.
    n_others = wrong.sum() - failures - failures.T
    to_class = wrong.sum(0, keepdims=True) - wrong
    of_others = np.divide(to_class, n_others, out=np.full_like(wrong, np.nan), where=n_others > 0)
    expected = 1 / max(n_classes - 1, 1)
    p_value = binom.sf(wrong - 1, failures, expected)
    return Confusions(
        counts.astype(np.int64),
        Intervals(*(np.where(off, part, np.nan) for part in (share.value, share.low, share.high))),
        expected,
        np.where(off, of_others, np.nan),
        np.where(off, n_others, 0).astype(np.int64),
        np.where(testable, p_value, np.nan),
    )
