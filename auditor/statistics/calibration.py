"""Does the confidence mean what it says?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm
from scipy.stats import t as student

from auditor.statistics.intervals import Floats, Integers, Interval, two_sided_z


@dataclass(frozen=True, slots=True)
class Calibration:
    """Calibration of one slice.

    Attributes:
        error: expected calibration error (mean of |confidence - accuracy| over bins of equal mass),
            less what chance alone adds; in [0, 1].
        plain_error: the same without that correction.
        overconfidence: mean confidence minus accuracy, in [-1, 1].
        support: samples.
    """

    error: Interval
    plain_error: float
    overconfidence: Interval
    support: int


def calibration(
    confidences: ArrayLike,
    correct: ArrayLike,
    n_bins: int = 15,
    confidence: float = 0.95,
    n_bootstrap: int = 500,
    seed: int = 0,
) -> Calibration:
    """Calibration error and over-confidence with intervals.

    Args:
        confidences: (N,) probability of the predicted class, in [0, 1].
        correct: (N,) whether the prediction was right.
        n_bins: bins of equal mass; fewer are used when a bin would hold under 10 samples.
        confidence: coverage of the intervals.
        n_bootstrap: resamplings for the interval of the calibration error.
        seed: of the resampling.

    Returns:
        The calibration; NaN for fewer than two samples.

    Raises:
        ValueError: the lengths differ or a confidence is outside of [0, 1].

    Reference:
        Debiased error: A. Kumar, P. Liang and T. Ma, "Verified uncertainty calibration", NeurIPS
        2019, section 4 and appendix (plug-in less the mean excess under a normal law of each bin,
        here in closed form as the mean of a folded normal variable).
    """
    z = two_sided_z(confidence)
    stated, right = np.asarray(confidences, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    if stated.shape != right.shape or stated.ndim != 1:
        raise ValueError(
            f"expected two arrays of one length; got shapes {stated.shape} and {right.shape}"
        )
    if not bool(np.all((stated >= 0) & (stated <= 1))):
        raise ValueError(
            "expected confidences in [0, 1]; got some outside of it: pass probabilities, not logits"
        )
    support = len(stated)
    if support < 2:
        return Calibration(Interval(np.nan, 0.0, 1.0), np.nan, Interval(np.nan, -1.0, 1.0), support)
    order = np.argsort(stated, kind="stable")
    gaps = (stated - right)[order][None]
    used_bins = max(1, min(n_bins, support // 10))
    edges = np.linspace(0, support, used_bins + 1).round().astype(np.int64)
    plain, error = _errors(gaps, edges)
    # Resampling inside the bins keeps their mass, so that sorting once is enough.
    picks = _picks_within(edges, n_bootstrap, np.random.default_rng(seed))
    _, resampled = _errors(gaps[0][picks], edges)
    spread = z * float(resampled.std(ddof=1))
    value = float(error[0])
    difference = stated - right
    mean = float(difference.mean())
    half = float(
        student.isf((1 - confidence) / 2, support - 1) * difference.std(ddof=1) / np.sqrt(support)
    )
    return Calibration(
        Interval(value, max(0.0, value - spread), min(1.0, value + spread)),
        float(plain[0]),
        Interval(mean, max(-1.0, mean - half), min(1.0, mean + half)),
        support,
    )


def _picks_within(edges: Integers, n_draws: int, generator: np.random.Generator) -> Integers:
    """(n_draws, N) indices that resample each bin from itself."""
    starts = np.repeat(edges[:-1], np.diff(edges))
    sizes = np.repeat(np.diff(edges), np.diff(edges))
    offsets = np.floor(generator.random((n_draws, len(starts))) * sizes)
    return np.asarray(starts + offsets.astype(np.int64), dtype=np.int64)


def _errors(gaps: Floats, edges: Integers) -> tuple[Floats, Floats]:
    """Plain and debiased error of (B, N) sorted differences confidence - correct."""
    sizes = np.diff(edges)
    mean = np.add.reduceat(gaps, edges[:-1], axis=1) / sizes
    square = np.add.reduceat(gaps**2, edges[:-1], axis=1) / sizes
    deviation = np.sqrt(np.maximum(square - mean**2, 0) / np.maximum(sizes - 1, 1))
    scaled = np.divide(mean, deviation, out=np.zeros_like(mean), where=deviation > 0)
    folded = np.where(
        deviation > 0,
        deviation * np.sqrt(2 / np.pi) * np.exp(-(scaled**2) / 2)
        + mean * (1 - 2 * norm.cdf(-scaled)),
        np.abs(mean),
    )
    weight = sizes / sizes.sum()
    plain = (np.abs(mean) * weight).sum(1)
    excess = (folded * weight).sum(1) - plain
    return plain, np.maximum(plain - excess, 0)
