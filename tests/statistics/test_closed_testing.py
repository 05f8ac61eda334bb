"""Closed testing and gatekeeping: against statsmodels, plain rewrites and simulation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import norm
from statsmodels.stats.multitest import multipletests

from auditor.statistics.closed_testing import after_omnibus, holm, worse_p_values
from auditor.statistics.gaps import proportion_gap
from auditor.statistics.gatekeeping import gatekeeping
from auditor.statistics.intervals import Floats

_SHARES = (0.9, 0.06, 0.04)


def test_holm_equal_weights_agrees_with_statsmodels() -> None:
    p_values = np.random.default_rng(0).random((4, 9)) ** 3
    theirs = [multipletests(row, method="holm")[1] for row in p_values]
    np.testing.assert_allclose(holm(p_values), theirs)


def test_holm_weighted_agrees_with_the_closure_of_bonferroni() -> None:
    p_values, weights = np.array([0.004, 0.03, 0.02, 0.4]), np.array([1.0, 4.0, 2.0, 0.5])
    by_hand = np.zeros(4)
    for size in range(1, 5):
        for chosen in itertools.combinations(range(4), size):
            part = list(chosen)
            local = (p_values[part] * weights[part].sum() / weights[part]).min()
            by_hand[part] = np.maximum(by_hand[part], min(local, 1.0))
    np.testing.assert_allclose(holm(p_values, weights), by_hand)


def test_holm_untested_values_do_not_count() -> None:
    adjusted = holm([0.02, np.nan, 0.01])
    np.testing.assert_allclose(adjusted[[0, 2]], [0.02, 0.02])
    assert np.isnan(adjusted[1])
    assert np.isnan(holm([np.nan, np.nan])).all()
    assert holm([]).shape == (0,)


@pytest.mark.parametrize("call", [lambda: holm([1.2]), lambda: after_omnibus(-0.1, [0.5])])
def test_p_values_out_of_range_are_refused(call: object) -> None:
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        call()  # type: ignore[operator]


def test_holm_weight_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="positive weights"):
        holm([0.1, 0.2], [1, 0])


def test_worse_p_values_are_the_upper_tail() -> None:
    # 3 of 5 against 1 of 5: P(X >= 3) - P(X = 3) / 2 with X hypergeometric(10, 4, 5):
    # P(3) = 10 * 5 / 210 * ... = C(4,3) C(6,2) / C(10,5) = 60 / 252, P(4) = 6 / 252.
    gaps = proportion_gap([3, 1], 5, [1, 3], 5)
    worse = worse_p_values(gaps)
    assert worse[0] == pytest.approx((6 + 30) / 252)
    assert worse[1] == pytest.approx(1 - (6 + 30) / 252)


def test_after_omnibus_rare_value_does_not_get_the_omnibus_p_value() -> None:
    adjusted = after_omnibus(1e-6, [1e-7, 0.3, 0.8])
    np.testing.assert_allclose(adjusted, [1e-6, 0.6, 0.8])
    # Without an omnibus rejection, nobody is named.
    assert after_omnibus(0.2, [1e-7, 0.3, 0.8]).min() == pytest.approx(0.2)


def test_after_omnibus_two_values_cost_nothing() -> None:
    # The tests of the two values of one attribute are the two sides of one test.
    gaps = proportion_gap([30, 10], 100, [10, 30], 100)
    adjusted = after_omnibus(gaps.p_value[0], worse_p_values(gaps))
    assert adjusted[0] == pytest.approx(gaps.p_value[0])


def _plain_gatekeeping(
    p_values: Floats, families: list[int], levels: list[int], weights: Floats, alpha: float
) -> tuple[list[int], Floats]:
    """Rejections and levels by the flow of a chain over single tests, solved as a dense system."""
    n, shares = len(p_values), np.array(_SHARES)
    groups = {(f, lv) for f, lv in zip(families, levels, strict=True)}
    shares = np.where([any(lv == level for _, lv in groups) for level in range(3)], shares, 0)
    shares = shares / shares.sum()

    def members(group: tuple[int, int]) -> list[int]:
        return [k for k in range(n) if (families[k], levels[k]) == group]

    def within(k: int, group: tuple[int, int]) -> float:
        inside = members(group)
        return float(weights[k] / weights[inside].sum()) if k in inside else 0.0

    firsts = [group for group in groups if group[1] == 0]
    start, flow = np.zeros(n), np.zeros((n, n))
    for k in range(n):
        group = (families[k], levels[k])
        n_alike = len([one for one in groups if one[1] == group[1]])
        start[k] = alpha * shares[group[1]] / n_alike * within(k, group)
        finer = [one for one in groups if one[0] == group[0] and one[1] > 0]
        for j in range(n):
            flow[k, j] += 0.5 * within(j, group)
            if levels[k] == 0 and finer:
                whole = sum(shares[one[1]] for one in finer)
                flow[k, j] += 0.5 * sum(shares[one[1]] / whole * within(j, one) for one in finer)
            else:
                flow[k, j] += 0.5 * sum(within(j, one) / len(firsts) for one in firsts)
    rejected: list[int] = []
    while True:
        passing = np.zeros((n, n))
        passing[rejected] = flow[rejected]
        held: Floats = np.linalg.solve(np.eye(n) - passing.T, start).astype(np.float64)
        new = [k for k in range(n) if k not in rejected and p_values[k] <= held[k]]
        if not new:
            return sorted(rejected), held
        rejected.append(new[0])


def test_gatekeeping_agrees_with_a_chain_over_single_tests() -> None:
    generator = np.random.default_rng(3)
    for _ in range(20):
        families = generator.integers(4, size=14).tolist()
        levels = generator.integers(3, size=14).tolist()
        families, levels = [*families, 0], [*levels, 0]
        weights = generator.uniform(0.2, 3, 15)
        p_values = generator.random(15) ** 8
        ours = gatekeeping(p_values, families, levels, _SHARES, weights, 0.1)
        rejected, held = _plain_gatekeeping(p_values, families, levels, weights, 0.1)
        assert np.flatnonzero(ours.p_value <= 0.1).tolist() == rejected
        rest = [k for k in range(15) if k not in rejected]
        np.testing.assert_allclose(ours.level[rest], held[rest])
        assert bool(np.all(p_values[rejected] <= ours.level[rejected] * (1 + 1e-12)))
        # The adjusted p-value is the smallest alpha at which the test is rejected.
        edge = float(ours.p_value[rejected].max(initial=0.0))
        if edge > 0:
            again, _ = _plain_gatekeeping(p_values, families, levels, weights, edge * (1 + 1e-9))
            below, _ = _plain_gatekeeping(p_values, families, levels, weights, edge * (1 - 1e-9))
            assert set(rejected) == set(again) > set(below)


def test_gatekeeping_one_family_and_level_is_holm() -> None:
    p_values, weights = np.array([0.001, 0.2, 0.012, 0.03]), np.array([1.0, 2.0, 0.5, 1.5])
    ours = gatekeeping(p_values, ["a"] * 4, [0] * 4, [1.0], weights)
    np.testing.assert_allclose(ours.p_value, holm(p_values, weights))


def test_gatekeeping_one_test_a_family_is_holm() -> None:
    p_values = np.array([0.001, 0.2, 0.012, 0.03])
    ours = gatekeeping(p_values, list("abcd"), [0] * 4, [1.0])
    np.testing.assert_allclose(ours.p_value, holm(p_values))
    # Two are rejected at 5 %; the other two hold half of it each.
    np.testing.assert_allclose(ours.level[[1, 3]], 0.025)


def test_gatekeeping_first_question_opens_the_finer_ones() -> None:
    families, levels = ["age", "age", "sex", "sex"], [0, 1, 0, 1]
    shares = [0.9, 0.1]
    # At first: 0.0225 for each first question and 0.0025 for each finer one.
    closed = gatekeeping([0.5, 0.02, 0.5, 0.02], families, levels, shares)
    np.testing.assert_allclose(closed.level, [0.0225, 0.0025, 0.0225, 0.0025])
    assert closed.p_value.min() > 0.05
    opened = gatekeeping([1e-6, 0.02, 0.5, 0.02], families, levels, shares)
    # A group of one rejected test passes on everything: 0.0225 + 0.0025 for age's finer test.
    # It is rejected too, and what it held returns to the first questions.
    assert opened.p_value[1] == pytest.approx(0.02 / 0.5)
    # Half of the 0.025 goes to sex directly, the other half to age, which has no use for it and
    # passes it round again: all of it arrives.
    np.testing.assert_allclose(opened.level[2:], [0.0475, 0.0025])


def test_gatekeeping_untested_and_empty_input_is_ignored() -> None:
    ours = gatekeeping([np.nan, 0.01], ["a", "b"], [0, 0], [1.0])
    assert np.isnan(ours.p_value[0])
    assert ours.p_value[1] == pytest.approx(0.01)
    assert gatekeeping([], [], [], [1.0]).p_value.shape == (0,)
    assert gatekeeping([0.0, 0.0], ["a", "a"], [0, 1], [1.0, 1.0]).p_value.max() == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.1], ["a", "b"], [0], [1.0]), "one p-value, family, level and weight"),
        (([1.1], ["a"], [0], [1.0]), r"in \[0, 1\]"),
        (([0.1], ["a"], [1], [1.0]), "give a share to every level"),
        (([0.1], ["a"], [0], [0.0]), "positive shares"),
    ],
)
def test_gatekeeping_wrong_arguments_are_refused(
    arguments: tuple[list[float], list[str], list[int], list[float]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        gatekeeping(*arguments)


def test_gatekeeping_with_one_strong_cause_seldom_accuses_the_innocent() -> None:
    # Six families of three first questions and four finer tests, all correlated; the first family
    # is a true cause throughout. Strong control: at most 5 % of audits reject anything else.
    generator = np.random.default_rng(4)
    families = np.repeat(np.arange(6), 7).tolist()
    levels = np.tile([0, 0, 0, 1, 1, 2, 2], 6)
    wrong = 0
    for _ in range(1000):
        score = generator.normal(size=42) + 0.6 * np.repeat(generator.normal(size=6), 7)
        score = score / np.sqrt(1.36) + 6 * (np.array(families) == 0)
        ours = gatekeeping(norm.sf(score), families, levels, _SHARES)
        wrong += bool(np.any(ours.p_value[7:] <= 0.05))
    # The bound itself is 50 of 1000; two standard errors are 14.
    assert 15 <= wrong <= 64
