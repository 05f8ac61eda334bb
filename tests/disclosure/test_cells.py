"""Which cells are withheld, against hand-made tables and an attacker who solves for the withheld counts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.optimize import linprog

from auditor.disclosure.cells import LABEL, Cell, withheld_cells, withheld_outcomes

SENSITIVE = ("sex",)


def _cell(**parts: str) -> Cell:
    return frozenset((LABEL if name == "label" else name, value) for name, value in parts.items())


def _one_way(**counts: int) -> dict[Cell, int]:
    return {frozenset(): sum(counts.values())} | {
        _cell(sex=value): n for value, n in counts.items()
    }


def _values(cells: frozenset[Cell]) -> set[str]:
    return {value for cell in cells for _, value in cell}


def test_withheld_cells_all_large_withholds_none() -> None:
    assert withheld_cells(_one_way(f=10, m=10), SENSITIVE, 10) == frozenset()


def test_withheld_cells_one_small_withholds_the_smallest_other_too() -> None:
    # With 3 alone withheld, 153 − 50 − 100 would reveal it.
    assert _values(withheld_cells(_one_way(a=3, b=50, c=100), SENSITIVE, 10)) == {"a", "b"}


def test_withheld_cells_two_small_of_few_samples_withhold_a_third() -> None:
    # 3 + 4 = 7 samples are known to be in the two; with 50 more, none is.
    assert _values(withheld_cells(_one_way(a=3, b=4, c=50, d=90), SENSITIVE, 10)) == {"a", "b", "c"}


def test_withheld_cells_two_small_of_enough_samples_withhold_no_other() -> None:
    assert _values(withheld_cells(_one_way(a=9, b=8, c=50), SENSITIVE, 10)) == {"a", "b"}


def test_withheld_cells_samples_in_no_listed_cell_protect_a_small_one() -> None:
    # 200 − 50 − 90 = 60 samples are in `a` or in values that are not listed.
    counts = _one_way(a=3, b=50, c=90) | {frozenset(): 200}
    assert _values(withheld_cells(counts, SENSITIVE, 10)) == {"a"}


def test_withheld_cells_other_attributes_are_never_withheld() -> None:
    counts = {frozenset(): 100, _cell(site="A"): 2, _cell(site="B"): 98}
    assert withheld_cells(counts, SENSITIVE, 10) == frozenset()


def test_withheld_cells_within_a_withheld_one_are_withheld() -> None:
    counts = _one_way(a=5, b=20, c=100)
    counts |= {_cell(sex="b", label="x"): 12, _cell(sex="b", label="y"): 8}
    withheld = withheld_cells(counts, SENSITIVE, 10)
    assert _cell(sex="b", label="x") in withheld


def test_withheld_cells_small_intersection_withholds_a_rectangle() -> None:
    # Rows f: 5 + 45, m: 60 + 70: (f, x) reveals itself from both totals unless all four are withheld.
    table = {("f", "x"): 5, ("f", "y"): 45, ("m", "x"): 60, ("m", "y"): 70}
    assert withheld_cells(_two_way(table), SENSITIVE, 10) == {
        _cell(sex=sex, label=label) for sex, label in table
    }


def _two_way(table: Mapping[tuple[str, str], int]) -> dict[Cell, int]:
    counts: dict[Cell, int] = {frozenset(): sum(table.values())}
    for (sex, label), n in table.items():
        counts[_cell(sex=sex, label=label)] = n
        for cell in (_cell(sex=sex), _cell(label=label)):
            counts[cell] = counts.get(cell, 0) + n
    return counts


def test_withheld_cells_of_random_tables_cannot_be_solved_for() -> None:
    """A linear programme finds the smallest and largest count of each withheld cell."""
    generator = np.random.default_rng(5)
    n_withheld = 0
    for _ in range(40):
        shape = generator.integers(3, 6, 2)
        numbers = generator.integers(0, 40, shape)
        table = {
            (f"s{row}", f"l{column}"): int(numbers[row, column])
            for row in range(shape[0])
            for column in range(shape[1])
        }
        counts = _two_way(table)
        withheld = withheld_cells(counts, SENSITIVE, 10)
        inner = [key for key in table if _cell(sex=key[0], label=key[1]) in withheld]
        n_withheld += len(inner)
        for key in inner:
            low, high = _bounds(key, inner, table, counts, withheld)
            assert high - low >= 1, (numbers, key)
    assert n_withheld > 100


def _bounds(
    key: tuple[str, str],
    unknown: list[tuple[str, str]],
    table: Mapping[tuple[str, str], int],
    counts: Mapping[Cell, int],
    withheld: frozenset[Cell],
) -> tuple[float, float]:
    """Smallest and largest count that agrees with all totals that are shown."""
    rows, totals = [], []
    for place in (0, 1):
        for name in sorted({one[place] for one in table}):
            margin = _cell(sex=name) if place == 0 else _cell(label=name)
            if margin in withheld:
                continue
            rows.append([float(one[place] == name) for one in unknown])
            known = sum(n for one, n in table.items() if one[place] == name and one not in unknown)
            totals.append(counts[margin] - known)
    found = []
    for sign in (1, -1):
        objective = [sign * float(one == key) for one in unknown]
        solved = linprog(objective, A_eq=rows, b_eq=totals, bounds=(0, None))
        assert solved.status in {0, 3}
        found.append(np.inf if solved.status == 3 else sign * solved.fun)
    return found[0], found[1]


def test_withheld_outcomes_few_failures_withhold_a_second_value() -> None:
    # 30 failures in all: with `a` alone withheld, 30 - 9 - 20 = 1 would reveal its only failure.
    counts, failures = _one_way(a=40, b=40, c=200), _one_way(a=1, b=9, c=20)
    assert withheld_outcomes(counts, failures, SENSITIVE, 10, 1) == frozenset()
    assert _values(withheld_outcomes(counts, failures, SENSITIVE, 10, 5)) == {"a", "b"}


def test_withheld_outcomes_few_correct_predictions_withhold_a_value() -> None:
    # a: 40 - 38 = 2 correct predictions; b, with 60 - 30 = 30, is the next smallest; c has 300 - 30.
    counts, failures = _one_way(a=40, b=60, c=300), _one_way(a=38, b=30, c=30)
    assert _values(withheld_outcomes(counts, failures, SENSITIVE, 10, 5)) == {"a", "b"}


def test_withheld_outcomes_no_failure_is_shown_and_all_failures_are_not() -> None:
    counts = _one_way(a=40, b=60, c=50)
    assert withheld_outcomes(counts, _one_way(a=0, b=30, c=20), SENSITIVE, 10, 5) == frozenset()
    assert "a" in _values(withheld_outcomes(counts, _one_way(a=40, b=30, c=20), SENSITIVE, 10, 5))


def test_withheld_outcomes_within_a_withheld_cell_are_withheld() -> None:
    counts, failures = _one_way(a=40, b=60), _one_way(a=2, b=30)
    inner = _cell(sex="a", label="x")
    counts[inner], failures[inner] = 20, 0
    assert inner in withheld_outcomes(counts, failures, SENSITIVE, 10, 5)


def test_withheld_outcomes_other_attributes_are_never_withheld() -> None:
    counts = {frozenset[tuple[str, str]](): 100, _cell(site="A"): 50, _cell(site="B"): 50}
    failures = {frozenset[tuple[str, str]](): 10, _cell(site="A"): 1, _cell(site="B"): 9}
    assert withheld_outcomes(counts, failures, SENSITIVE, 10, 5) == frozenset()


def test_withheld_cells_few_samples_outside_of_the_listed_cells_withhold_the_smallest() -> None:
    # 32 people are under 29, 31 of them men: the one woman is the difference. Of 64, 62 are men.
    counts: dict[Cell, int] = {
        frozenset(): 96,
        _cell(age="under 29"): 32,
        _cell(age="29 and over"): 64,
        _cell(sex="m"): 93,
        _cell(age="under 29", sex="m"): 31,
        _cell(age="29 and over", sex="m"): 62,
    }
    assert withheld_cells(counts, ("age",), 10) == {
        _cell(age="under 29", sex="m"),
        _cell(age="29 and over", sex="m"),
    }


def test_withheld_cells_many_samples_outside_of_the_listed_cells_withhold_none() -> None:
    # 50 − 40 = 10 samples are in cells that are not listed, as many as may be shown.
    counts = {frozenset(): 100, _cell(sex="f"): 50, _cell(sex="m"): 50}
    counts |= {_cell(sex="f", site="A"): 40, _cell(site="A"): 60}
    assert withheld_cells(counts, SENSITIVE, 10) == frozenset()
