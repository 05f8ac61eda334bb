"""Gaps with other attributes held fixed: against statsmodels, plain rewrites and simulation."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy.stats import norm

from auditor.statistics.adjusted import adjusted_gaps
from auditor.statistics.decomposition import GapDecomposition, decompose_gap
from auditor.statistics.gaps import stratified_gap
from auditor.statistics.intervals import Floats, Integers, Interval, Intervals

Booleans = NDArray[np.bool_]


def _dummies(columns: list[Integers]) -> Floats:
    """Intercept and an indicator for each code but the first."""
    parts = [np.ones(len(columns[0]))]
    for column in columns:
        parts += [(column == code).astype(float) for code in range(1, column.max() + 1)]
    return np.stack(parts, axis=1)


def _least_squares(failure: Booleans, inside: Booleans, columns: list[Integers]) -> float:
    design = np.column_stack([_dummies(columns), inside])
    return float(sm.OLS(failure.astype(float), design).fit().params[-1])


def _drawn(
    generator: np.random.Generator, n: int, remains: float, via_age: float, via_site: float
) -> tuple[Booleans, Booleans, Integers, Integers, Integers]:
    """Failure, membership, label, age and site; the gap is remains + 0.4 via_age + 0.3 via_site."""
    label = generator.integers(3, size=n)
    inside = generator.random(n) < 0.3
    age = (generator.random(n) < 0.3 + 0.4 * inside).astype(np.int64)
    site = (generator.random(n) < 0.2 + 0.3 * inside).astype(np.int64)
    rate = 0.05 + 0.02 * label + via_age * age + via_site * site + remains * inside
    return generator.random(n) < rate, inside, label, age, site


def test_label_alone_is_the_mantel_haenszel_gap() -> None:
    generator = np.random.default_rng(0)
    label, attribute = generator.integers(4, size=3000), generator.integers(3, size=3000)
    failure = generator.random(3000) < 0.05 + 0.1 * label
    ours = adjusted_gaps(failure, np.ones(3000), [attribute], label)[0]
    for code in range(3):
        inside = attribute == code
        counts = [
            np.bincount(label[rows], minlength=4)
            for rows in (inside & failure, inside, ~inside & failure, ~inside)
        ]
        gaps = stratified_gap(counts[0], counts[1], counts[2], counts[3])
        assert ours.gap.value[code] == pytest.approx(float(gaps.gap.value))
        assert ours.base_rate[code] == pytest.approx(float(gaps.base_rate))
        # The variance comes from one rate a stratum there, and from a fit of all strata here.
        assert ours.gap.low[code] == pytest.approx(float(gaps.gap.low), abs=1e-3)
        assert ours.gap.high[code] == pytest.approx(float(gaps.gap.high), abs=1e-3)
        assert ours.p_value[code] == pytest.approx(float(gaps.p_value), rel=0.02)
        worth = 4 * sum(
            int(own) * int(rest) / int(own + rest)
            for own, rest in zip(counts[1], counts[3], strict=True)
        )
        assert ours.worth[code] == pytest.approx(worth)
        assert ours.kept[code] == pytest.approx(1.0)


def test_adjusted_gap_is_the_least_squares_coefficient() -> None:
    # Under 400 samples all are in one class of risk, which leaves plain least squares.
    failure, inside, label, age, site = _drawn(np.random.default_rng(1), 390, 0.1, 0.2, 0.1)
    site = site + 2 * (np.arange(390) % 5 == 0)  # four codes
    ours = adjusted_gaps(failure, np.ones(390), [inside.astype(int), age, site], label)
    by_hand = _least_squares(failure, inside, [label, age, site])
    assert ours[0].gap.value[1] == pytest.approx(by_hand)
    assert ours[0].gap.value[0] == pytest.approx(-by_hand)
    for code in range(4):
        own = _least_squares(failure, site == code, [label, age, inside.astype(int)])
        assert ours[2].gap.value[code] == pytest.approx(own)


def test_adjusted_gap_of_multiplying_confounders_is_near_zero() -> None:
    # Age and site triple the error rate each, and the attribute goes along with both at once. Least
    # squares alone, which adds effects, leaves a gap to the innocent attribute.
    generator = np.random.default_rng(5)
    n = 400_000
    age, site = generator.integers(2, size=n), generator.integers(2, size=n)
    inside = generator.random(n) < np.where(age & site, 0.8, 0.2)
    failure = generator.random(n) < 0.05 * 3.0**age * 3.0**site
    label = np.zeros(n, dtype=np.int64)
    ours = adjusted_gaps(failure, np.ones(n), [inside.astype(int), age, site], label)[0]
    assert abs(_least_squares(failure, inside, [label, age, site])) > 0.02
    assert abs(ours.gap.value[1]) < 0.005


def test_grouped_cells_equal_single_samples() -> None:
    failure, inside, label, age, site = _drawn(np.random.default_rng(2), 900, 0.05, 0.1, 0.1)
    columns = np.stack([inside.astype(int), age, site, label])
    cells, place = np.unique(columns, axis=1, return_inverse=True)
    totals, failures = np.bincount(place), np.bincount(place, failure)
    one = adjusted_gaps(failure, np.ones(900), list(columns[:3]), label)
    grouped = adjusted_gaps(failures, totals, list(cells[:3]), cells[3])
    for left, right in zip(one, grouped, strict=True):
        np.testing.assert_allclose(left.gap.low, right.gap.low)
        np.testing.assert_allclose(left.p_value, right.p_value)
    parts = [
        decompose_gap(failure, np.ones(900), inside, label, [age, site]),
        decompose_gap(failures, totals, cells[0], cells[3], [cells[1], cells[2]]),
    ]
    assert parts[0].via.low == pytest.approx(parts[1].via.low)
    np.testing.assert_allclose(parts[0].via_each.high, parts[1].via_each.high)


def test_attribute_determined_by_others_is_unknown() -> None:
    generator = np.random.default_rng(3)
    first, label = generator.integers(3, size=300), generator.integers(2, size=300)
    failure = generator.random(300) < 0.2
    ours = adjusted_gaps(failure, np.ones(300), [first, 2 - first], label)
    assert np.isnan(ours[0].gap.value).all()
    assert np.isnan(ours[0].p_value).all()
    assert ours[0].kept.max() == pytest.approx(0)
    assert (ours[0].gap.low.min(), ours[0].gap.high.max()) == (-1.0, 1.0)
    parts = decompose_gap(failure, np.ones(300), first == 1, label, [2 - first])
    assert np.isnan(parts.direct.value)
    assert parts.explanation(0.05) == "cannot tell"


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_no_failure_or_nothing_else_is_no_evidence(rate: float) -> None:
    codes = np.arange(60) % 3
    failure = np.full(60, rate)
    ours = adjusted_gaps(failure, np.ones(60), [codes, np.arange(60) % 2], np.arange(60) % 4)
    np.testing.assert_allclose(ours[0].p_value, 1.0)
    assert bool(np.all(ours[0].gap.low < 0))
    assert bool(np.all(ours[0].gap.high > 0))


def test_slice_without_failures_keeps_an_interval() -> None:
    failure = np.arange(400) % 8 == 0
    inside = np.zeros(400, dtype=int)
    inside[[1, 2, 3, 5, 6, 7, 9, 10, 11, 13]] = 1
    ours = adjusted_gaps(failure, np.ones(400), [inside, np.arange(400) % 3], np.zeros(400))[0]
    assert ours.gap.high[1] - ours.gap.low[1] > 0.2
    assert ours.p_value[1] > 0.1


def test_masked_gap_is_seen() -> None:
    # 10 points within each age; no gap overall, since the slice holds more of the easy age.
    totals = np.array([300, 100, 100, 300])
    inside, age = np.array([1, 1, 0, 0]), np.array([0, 1, 0, 1])
    failures = np.array([45, 35, 5, 75])  # 15 % and 35 % against 5 % and 25 %
    plain = stratified_gap([failures[:2].sum()], [400], [failures[2:].sum()], [400])
    assert float(plain.gap.value) == pytest.approx(0.0)
    ours = adjusted_gaps(failures, totals, [inside, age], np.zeros(4))[0]
    assert ours.gap.value[1] == pytest.approx(0.1)
    assert ours.p_value[1] < 0.01
    # Effective samples, from 2 ages: 4 * 2 * 300 * 100 / 400.
    assert ours.worth[1] == pytest.approx(600)
    assert ours.kept[1] == pytest.approx(600 / 800)


def test_adjusted_interval_covers_and_test_keeps_its_level() -> None:
    generator = np.random.default_rng(4)
    covered, small = 0, 0
    for _ in range(300):
        failure, inside, label, age, site = _drawn(generator, 500, 0.0, 0.2, 0.15)
        ours = adjusted_gaps(failure, np.ones(500), [inside.astype(int), age, site], label)[0]
        covered += ours.gap.low[1] <= 0 <= ours.gap.high[1]
        small += ours.p_value[1] <= 0.05
    # Two standard errors of 300 trials at 5 % are 7.5.
    assert 277 <= covered <= 294
    assert 6 <= small <= 23


def test_rare_slice_p_value_is_near_the_exact_one() -> None:
    # 1.2 failures are expected in the slice: the law is skewed, and a normal tail is far off.
    inside, label = (np.arange(600) % 30 == 0).astype(int), np.arange(600) % 2
    for seen in (3, 4, 5):
        failure = np.zeros(600, dtype=bool)
        failure[np.flatnonzero(inside == 1)[:seen]] = True
        failure[np.flatnonzero(inside == 0)[: 36 - seen]] = True
        strata = np.zeros(600, dtype=int)
        ours = adjusted_gaps(failure, np.ones(600), [inside], strata)[0]
        exact = float(stratified_gap([seen], [20], [36 - seen], [580]).p_value)
        assert ours.p_value[1] == pytest.approx(exact, rel=0.35)
        normal = 2 * norm.sf((seen - 1.2) / np.sqrt(20 * 580 / 600 * 0.06 * 0.94))
        assert normal < exact / 1.3
        # Holding something else fixed changes little here, and must not bring the normal tail back.
        held = adjusted_gaps(failure, np.ones(600), [inside, np.arange(600) % 4], label)[0]
        assert held.p_value[1] == pytest.approx(exact, rel=0.5)


def test_decomposition_agrees_with_two_regressions() -> None:
    failure, inside, label, age, site = _drawn(np.random.default_rng(6), 800, 0.06, 0.1, 0.05)
    parts = decompose_gap(failure, np.ones(800), inside, label, [age, site])
    total = _least_squares(failure, inside, [label])
    direct = _least_squares(failure, inside, [label, age, site])
    assert parts.total.value == pytest.approx(total)
    assert parts.direct.value == pytest.approx(direct)
    assert parts.via.value == pytest.approx(total - direct)
    assert parts.via_each.value.sum() == pytest.approx(total - direct)
    # Each part: the coefficient of the mediator times its adjusted difference in frequency.
    design = np.column_stack([_dummies([label, age, site]), inside])
    effects = sm.OLS(failure.astype(float), design).fit().params
    shift = _least_squares(age.astype(bool), inside, [label])
    assert parts.via_each.value[0] == pytest.approx(effects[3] * shift)
    assert parts.equivalence.value == parts.direct.value
    assert parts.direct.low < parts.equivalence.low


def test_decomposition_intervals_cover() -> None:
    generator = np.random.default_rng(7)
    truth = {"total": 0.115, "direct": 0.06, "via": 0.055}
    covered = dict.fromkeys([*truth, "age"], 0)
    for _ in range(200):
        failure, inside, label, age, site = _drawn(generator, 600, 0.06, 0.1, 0.05)
        parts = decompose_gap(failure, np.ones(600), inside, label, [age, site])
        for name, value in truth.items():
            part: Interval = getattr(parts, name)
            covered[name] += part.low <= value <= part.high
        covered["age"] += parts.via_each.low[0] <= 0.04 <= parts.via_each.high[0]
    # Two standard errors of 200 trials at 95 % are 6.
    assert all(184 <= count <= 197 for count in covered.values())


def _parts(direct: Interval, via: Interval, close: Interval, total: float) -> GapDecomposition:
    each = Intervals(np.array([via.value]), np.array([via.low]), np.array([via.high]))
    return GapDecomposition(Interval(total, total - 0.1, total + 0.1), direct, via, each, close)


def test_explanation_needs_equivalence() -> None:
    via = Interval(0.1, 0.06, 0.14)
    tight, wide = Interval(0.0, -0.03, 0.03), Interval(0.01, -0.06, 0.08)
    assert _parts(tight, via, tight, 0.12).explanation(0.05) == "explained"
    # Not significant is not explained.
    assert _parts(wide, via, wide, 0.12).explanation(0.05) == "cannot tell"
    # Within the limit, but more than a third of the gap may remain.
    assert _parts(tight, via, tight, 0.06).explanation(0.05) == "cannot tell"
    left = Interval(0.06, 0.02, 0.1)
    assert _parts(left, via, left, 0.16).explanation(0.05) == "partly explained"
    nothing = Interval(0.01, -0.02, 0.04)
    assert _parts(left, nothing, left, 0.07).explanation(0.05) == "remains"
    other = Interval(-0.06, -0.1, -0.02)
    assert _parts(other, via, other, 0.12).explanation(0.05) == "reversed"
    # A gap to the slice's advantage is the mirror image.
    mirrored = Interval(-0.1, -0.14, -0.06)
    assert _parts(other, mirrored, other, -0.16).explanation(0.05) == "partly explained"


def test_third_of_a_gap_left_is_seldom_called_explained() -> None:
    # 6 of 16 points remain; 5 points are acceptable.
    generator = np.random.default_rng(8)
    states = []
    for _ in range(150):
        failure, inside, label, age, _ = _drawn(generator, 3000, 0.06, 0.25, 0.0)
        parts = decompose_gap(failure, np.ones(3000), inside, label, [age])
        states.append(parts.explanation(0.05))
    assert states.count("explained") <= 12
    assert states.count("partly explained") > 100


def test_decomposition_of_nothing_is_unknown() -> None:
    zeros = np.zeros(5, dtype=int)
    parts = decompose_gap(np.zeros(5), np.ones(5), zeros, zeros, [np.arange(5) % 2])
    assert np.isnan(parts.total.value)
    assert np.isnan(parts.via_each.value).all()


def test_wrong_arguments_are_refused() -> None:
    ones = np.ones(4)
    with pytest.raises(ValueError, match="one code per cell"):
        adjusted_gaps(ones, ones, [[0, 1, 0]], [0, 0, 1, 1])
    with pytest.raises(ValueError, match="codes of at least 0"):
        adjusted_gaps(ones, ones, [[0, 1, -1, 0]], [0, 0, 1, 1])
    with pytest.raises(ValueError, match="at least one mediator"):
        decompose_gap(ones, ones, [0, 1, 0, 1], [0, 0, 1, 1], [])
