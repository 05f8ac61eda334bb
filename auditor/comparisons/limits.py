"""Absolute and relative limits for a difference of error rates."""

from __future__ import annotations

from dataclasses import dataclass

from auditor.records import Effect
from auditor.statistics import Interval

RARE = 0.1
"""Ratios are judged up to this error rate; above it, the gap says what matters."""
LARGEST_RATIO = 1000.0
"""Ratios are reported up to this size, because `audit.json` has no infinity."""


@dataclass(frozen=True)
class Limits:
    """The largest acceptable difference of two error rates.

    Attributes:
        gap: largest acceptable difference (a share, 0 to 1).
        ratio: largest acceptable ratio for error rates up to `RARE`, above 1; None for no limit.
    """

    gap: float
    ratio: float | None

    def effect(self, gap: Interval, ratio: Interval) -> tuple[Effect, float]:
        """Chooses between gap and ratio, and returns the effect and its limit.

        There is one test for both, of "no difference". The gap is the effect unless errors are rare,
        and only the ratio exceeds its limit, or only its interval lies above the limit.

        Args:
            gap: difference of the rates.
            ratio: ratio of the rates.
        """
        by_gap = Effect.measured("error-rate gap", gap, "points"), self.gap
        if self.ratio is None or gap.value <= 0 or not ratio.value > self.ratio:
            return by_gap
        # Both rates follow from their difference and their ratio.
        if gap.value / (1 - 1 / ratio.value) > RARE:
            return by_gap
        if gap.value > self.gap and (gap.low > self.gap or ratio.low <= self.ratio):
            return by_gap
        return Effect.measured("ratio of error rates", finite(ratio), "ratio"), self.ratio


def finite(ratio: Interval) -> Interval:
    """The ratio, with values above `LARGEST_RATIO` replaced by it."""
    return Interval(*(min(one, LARGEST_RATIO) for one in (ratio.value, ratio.low, ratio.high)))
