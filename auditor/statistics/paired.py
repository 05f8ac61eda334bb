"""Two measurements of the same samples: before and after an intervention, or two models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom
from scipy.stats import t as student

from auditor.statistics.cluster_cells import index_of
from auditor.statistics.cluster_correlation import effective_number
from auditor.statistics.intervals import Floats, Interval, Intervals, two_sided_z
from auditor.statistics.permutation import MAX_DRAWS, sequential_p_value

_ALL_SIGNS_UP_TO = 13  # 2**13 = 8192 sign patterns are fewer than the draws


@dataclass(frozen=True, slots=True)
class PairedShares:
    """Change of a share between two measurements of the same samples, any shape.

    Attributes:
        change: share with the first only, less share with the second only, in [-1, 1].
        p_value: two-sided McNemar test, mid-p; 1 where no sample changed, NaN without samples.
    """

    change: Intervals
    p_value: Floats


def mcnemar(
    only_first: ArrayLike, only_second: ArrayLike, totals: ArrayLike, confidence: float = 0.95
) -> PairedShares:
    """McNemar's test on samples that failed under one condition only.

    Args:
        only_first: samples that failed under the first condition only, any shape.
        only_second: samples that failed under the second only.
        totals: all samples.
        confidence: coverage of the intervals.

    Returns:
        Difference of the failure rates (first minus second) and test.

    Raises:
        ValueError: the changed samples outnumber all, or `confidence` is out of range.

    Reference:
        Mid-p: M. W. Fagerland, S. Lydersen and P. Laake, BMC Medical Research Methodology 13 (2013)
        91. Interval: D. G. Bonett and R. M. Price, "Adjusted Wald confidence interval for a
        difference of binomial proportions based on paired data", Journal of Educational and
        Behavioral Statistics 37 (2012) 479-488.
    """
    z = two_sided_z(confidence)
    one, two, total = np.broadcast_arrays(
        *(np.asarray(part, dtype=np.float64) for part in (only_first, only_second, totals))
    )
    if not bool(np.all((one >= 0) & (two >= 0) & (one + two <= total))):
        raise ValueError(
            "expected counts with 0 <= only_first + only_second <= totals; got others: "
            "pass the samples that changed, and all samples last"
        )
    changed = one + two
    fewer = np.minimum(one, two)
    exact = 2 * binom.cdf(fewer, changed, 0.5) - binom.pmf(fewer, changed, 0.5)
    known = total > 0
    share, other = (one + 1) / (total + 2), (two + 1) / (total + 2)
    middle = share - other
    spread = z * np.sqrt((share + other - middle**2) / (total + 2))
    value = np.where(known, (one - two) / np.where(known, total, 1), np.nan)
    return PairedShares(
        Intervals(
            value,
            np.where(known, np.clip(np.minimum(middle - spread, value), -1, 1), -1.0),
            np.where(known, np.clip(np.maximum(middle + spread, value), -1, 1), 1.0),
        ),
        np.where(known, np.where(changed > 0, np.minimum(exact, 1), 1.0), np.nan),
    )


@dataclass(frozen=True, slots=True)
class PairedMean:
    """Mean of paired differences.

    Attributes:
        change: the mean with Student's interval.
        p_value: two-sided, by sign flips.
        method: ``"exact"`` (all sign patterns), ``"monte-carlo"`` or ``"untestable"``.
    """

    change: Interval
    p_value: float
    method: str


def _jackknife_interval(change: Floats, sizes: Floats, mean: float, confidence: float) -> Interval:
    """Student's interval of a mean from (G,) sums and sizes of clusters."""
    share = sizes / sizes.sum()
    squares = float((((change - sizes * mean) / (1 - share)) ** 2).sum())
    deviation = np.sqrt(squares * (1 - 1 / len(change)))
    freedom = max(effective_number(sizes) - 1, 1.0)
    half = float(student.isf((1 - confidence) / 2, freedom) * deviation / sizes.sum())
    return Interval(mean, mean - half, mean + half)


def sign_flip(
    differences: ArrayLike,
    confidence: float = 0.95,
    n_draws: int = MAX_DRAWS,
    seed: int = 0,
    groups: ArrayLike | None = None,
) -> PairedMean:
    """Test of paired differences with mean zero: under the null each sign is as likely as its mirror.

    Args:
        differences: (N,) after minus before, one finite number per sample.
        confidence: coverage of the interval.
        n_draws: maximum number of random sign patterns, if there are too many to enumerate; a large
            p-value needs fewer.
        seed: random seed.
        groups: (N,) cluster of each sample, such as the patient; None if all samples are independent.
            The signs of a cluster are flipped together, and the interval is that of independent
            clusters.

    Returns:
        Mean change over samples and p-value; NaN for fewer than two samples or clusters.

    Raises:
        ValueError: the differences are not one-dimensional and finite, or the number of groups differs
            from the number of samples.

    Reference:
        R. A. Fisher, "The Design of Experiments" (1935), section 21; drawn patterns:
        `sequential_p_value`. Interval of clusters: jackknife variance (CR3), A. C. Cameron and
        D. L. Miller, Journal of Human Resources 50 (2015) 317-372, section VI.
    """
    two_sided_z(confidence)
    change = np.asarray(differences, dtype=np.float64)
    if change.ndim != 1 or not bool(np.all(np.isfinite(change))):
        raise ValueError(
            f"expected one finite difference per sample; got shape {change.shape} or values that "
            "are not finite: leave out samples without both measurements"
        )
    sizes = np.ones(len(change))
    mean = float(change.mean()) if len(change) else np.nan
    if groups is not None:
        if np.shape(groups) != change.shape:
            raise ValueError(
                f"expected one group for each of {len(change)} differences; got shape "
                f"{np.shape(groups)}"
            )
        cluster = index_of(groups)
        change = np.bincount(cluster, change).astype(np.float64)
        sizes = np.bincount(cluster).astype(np.float64)
    support = len(change)
    if support < 2:
        return PairedMean(Interval(np.nan, -np.inf, np.inf), np.nan, "untestable")
    interval = _jackknife_interval(change, sizes, mean, confidence)
    scale = float(np.abs(change).sum())
    if support <= _ALL_SIGNS_UP_TO:
        signs = 1 - 2 * ((np.arange(2**support)[:, None] >> np.arange(support)) & 1)
        reached = np.abs(signs @ change) >= abs(change.sum()) - 1e-12 * scale
        return PairedMean(interval, float(reached.mean()), "exact")
    if scale == 0:
        return PairedMean(interval, 1.0, "monte-carlo")
    generator = np.random.default_rng(seed)

    def draw(size: int) -> Floats:
        signs = generator.integers(0, 2, (size, support), dtype=np.int8) * 2 - 1
        return np.asarray(np.abs(signs @ change) / scale, dtype=np.float64)

    # Batches of a thousand bound the memory.
    found = sequential_p_value(draw, abs(float(change.sum())) / scale, n_draws, 1_000)
    return PairedMean(interval, found.p_value, "monte-carlo")
