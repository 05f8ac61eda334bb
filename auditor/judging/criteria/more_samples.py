"""How many more samples would decide a criterion, if the number stays as measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from auditor.comparisons.metrics import MeasuredMetric
from auditor.statistics import Interval, proportion
from auditor.statistics.criterion_family import Side
from auditor.statistics.sample_size import MOST, samples_for_share

POWER = 0.8
"""Probability with which the stated number decides, if the number stays as measured."""


@dataclass(frozen=True)
class MoreSamples:
    """How many more are needed.

    Attributes:
        samples: that the number rests on; for a gap, of both sides together. None if unknown.
        clusters: the same in clusters; None for independent samples.
    """

    samples: int | None = None
    clusters: int | None = None


def more_samples(
    measure: Callable[[float], MeasuredMetric],
    confidence: float,
    limit: float,
    side: Side,
    *,
    plain_share: bool,
    clustered: bool,
) -> MoreSamples:
    """How many more samples would decide a criterion.

    Args:
        measure: the number at some confidence; it has a value.
        confidence: of the interval that has to lie beyond the limit.
        limit: of the criterion.
        side: which values are acceptable.
        plain_share: whether the number is a share of its support; its interval then does not shrink
            with the root of the number of samples, near 0 and 1.
        clustered: whether samples belong to clusters.

    Returns:
        The number with which the interval lies beyond the limit with a probability of 80 %. None for a
        value on the limit, or if more than a million samples would be needed.
    """
    found = measure(confidence)
    if found.value is None or not found.support:
        return MoreSamples()
    reach = _relative_reach(found.value, limit, side)
    if reach is None:
        return MoreSamples()
    total: float | None
    if plain_share:
        total = _of_share(found.value, found.support, limit, confidence)
    else:
        total = found.support * (reach * _with_power(found.value, limit, side, confidence)) ** 2
    if total is None or total > MOST:
        return MoreSamples()
    # An interval around the same value ends at the limit with this number at least.
    least = found.support * reach**2
    missing = max(int(np.ceil(max(total, least))) - found.support, 1)
    if not clustered:
        return MoreSamples(missing)
    return MoreSamples(missing, max(int(np.ceil(missing * found.n_clusters / found.support)), 1))


def _relative_reach(value: Interval, limit: float, side: Side) -> float | None:
    """Distance from the value to the end of its interval, relative to that to the limit.

    It falls with the root of the number of samples; None for a value on the limit.
    """
    bound = float(np.copysign(limit, value.value)) if side == "within" else limit
    distance = abs(value.value - bound)
    reach = value.value - value.low if value.value > bound else value.high - value.value
    return reach / distance if distance > 0 else None


def _with_power(value: Interval, limit: float, side: Side, confidence: float) -> float:
    """Factor by which the interval has to be narrower to lie beyond the limit in 80 % of audits."""
    # Both limits of a small gap have to lie inside, so that each has half of the errors.
    both = side == "within" and abs(value.value) < limit
    z_power = float(norm.ppf((1 + POWER) / 2 if both else POWER))
    return 1 + z_power / float(norm.isf((1 - confidence) / 2))


def _of_share(value: Interval, support: int, limit: float, confidence: float) -> float | None:
    """Samples for a share, from binomial probabilities, times the design effect of its interval."""
    successes = round(value.value * support)
    # Half a case of each kind is added: a share of exactly 0 or 1 is not assumed to be the truth.
    rate = (successes + 0.5) / (support + 1)
    if (rate > limit) != (value.value > limit):
        return None
    needed = samples_for_share(rate, limit, confidence, POWER)
    if needed is None:
        return None
    alone = proportion(successes, support, confidence)[()]
    effect = ((value.high - value.low) / (alone.high - alone.low)) ** 2
    return needed * max(effect, 1.0)
