"""One criterion for several slices, against Holm's procedure on p-values."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from scipy.stats import norm
from statsmodels.stats.multitest import multipletests

from auditor.statistics.criterion_family import IntervalAt, judge_limit, judge_slices
from auditor.statistics.intervals import Interval


def normal(value: float, error: float = 1.0) -> IntervalAt:
    """The interval of a normal estimate with a known standard error."""

    def at(confidence: float) -> Interval:
        spread = error * -NormalDist().inv_cdf((1 - confidence) / 2)
        return Interval(value, value - spread, value + spread)

    return at


def never(_confidence: float) -> Interval:
    return Interval(np.nan, -np.inf, np.inf)


@pytest.mark.parametrize(
    ("low", "high", "side", "status"),
    [
        (0.91, 0.97, "at least", "met"),
        (0.90, 0.97, "at least", "undecided"),
        (0.85, 0.90, "at least", "undecided"),
        (0.80, 0.89, "at least", "missed"),
        (0.91, 0.97, "at most", "missed"),
        (0.80, 0.89, "at most", "met"),
        (-0.4, 0.4, "within", "met"),
        (-0.95, 0.4, "within", "undecided"),
        (0.91, 0.95, "within", "missed"),
        (-0.95, -0.91, "within", "missed"),
        (-0.95, 0.95, "within", "undecided"),
    ],
)
def test_judge_limit_compares_the_limits_of_the_interval(
    low: float, high: float, side: str, status: str
) -> None:
    interval = Interval((low + high) / 2, low, high)
    assert judge_limit(interval, 0.9, side) == status  # type: ignore[arg-type]


def test_judge_slices_single_slice_needs_no_correction() -> None:
    # 1.97 > 1.96, the quantile of a 95 % interval.
    assert [judge_slices([normal(z)], 0, "at least")[0].status for z in (1.97, 1.95, -1.97)] == [
        "met",
        "undecided",
        "missed",
    ]


def test_judge_slices_all_met_alone_are_met_without_a_correction() -> None:
    found = judge_slices([normal(1.97)] * 5, 0, "at least")
    assert {one.status for one in found} == {"met"}


def test_judge_slices_one_unknown_slice_corrects_the_others() -> None:
    # With three slices, Holm's first level is 0.025 / 3, whose quantile is 2.394.
    found = judge_slices([normal(1.97), normal(2.40), never], 0, "at least")
    assert [one.status for one in found] == ["undecided", "met", "undecided"]
    assert [one.alone for one in found] == ["met", "met", "undecided"]


def test_judge_slices_without_slices_is_empty() -> None:
    assert judge_slices([], 0, "at least") == ()


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_judge_slices_impossible_confidence_is_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        judge_slices([normal(1)], 0, "at least", confidence)


def test_judge_slices_missed_equal_holm_on_p_values(monkeypatch: pytest.MonkeyPatch) -> None:
    # statsmodels collects garbage in each call, which takes long beside the objects of other tests.
    monkeypatch.setattr("gc.collect", int)
    rng = np.random.default_rng(3)
    for _ in range(200):
        scores = rng.normal(rng.choice([0, 2.5], 6), 1)
        found = judge_slices([normal(-one) for one in scores], 0, "at least")
        rejected, *_ = multipletests(norm.sf(scores), 0.025, method="holm")
        assert [one.status == "missed" for one in found] == list(rejected)


def test_judge_slices_on_the_limit_is_rarely_called_met_or_missed() -> None:
    """Six slices, two of them on the limit: 2,000 criteria, errors within three standard errors."""
    rng = np.random.default_rng(5)
    truth = np.array([0, 0, 5, 5, 5, 5])
    everywhere = somewhere = missed = 0
    for _ in range(2000):
        found = judge_slices([normal(one) for one in rng.normal(truth, 1)], 0, "at least")
        met = [one.status == "met" for one in found]
        everywhere += all(met)
        somewhere += met[0] or met[1]
        missed += any(one.status == "missed" for one in found)
    allowance = 3 * np.sqrt(0.05 * 0.95 / 2000)
    assert everywhere / 2000 <= 0.025 + allowance
    assert somewhere / 2000 <= 0.05 + allowance
    assert missed / 2000 <= 0.025 + allowance
