"""Staged tests: without a stop, the results are those of one evaluation of all images."""

from __future__ import annotations

import numpy as np

from auditor.interventions.staged_test import Columns, in_stages, stopped_sentence
from auditor.statistics import Integers

N = 60


def results(chosen: Integers) -> Columns:
    """Two columns, one of them with two numbers an image."""
    number = chosen.astype(np.float64)
    return number, np.stack([number, -number], axis=1)


def never(_chosen: Integers, _columns: Columns) -> bool:
    return False


def test_in_stages_without_a_stop_equals_one_evaluation() -> None:
    found = in_stages(N, results, never)
    assert found.chosen.tolist() == list(range(N))
    for column, expected in zip(found.columns, results(np.arange(N)), strict=True):
        np.testing.assert_array_equal(column, expected)
    assert not found.stopped
    assert found.p_value(0.03) == 0.03


def test_in_stages_evaluates_every_image_once() -> None:
    evaluated: list[int] = []

    def counted(chosen: Integers) -> Columns:
        evaluated.extend(chosen.tolist())
        return results(chosen)

    in_stages(N, counted, never)
    assert sorted(evaluated) == list(range(N))


def test_in_stages_stops_after_a_quarter_and_rejects_nothing() -> None:
    found = in_stages(N, results, lambda _chosen, _columns: True)
    assert found.chosen.tolist() == list(range(0, N, 4))
    np.testing.assert_array_equal(found.columns[0], found.chosen)
    assert found.stopped
    assert found.p_value(0.0001) == 1


def test_in_stages_asks_after_half_with_the_images_in_order() -> None:
    seen: list[list[int]] = []

    def futile(chosen: Integers, columns: Columns) -> bool:
        np.testing.assert_array_equal(columns[0], chosen)
        seen.append(chosen.tolist())
        return len(seen) == 2

    found = in_stages(N, results, futile)
    assert seen == [list(range(0, N, 4)), list(range(0, N, 2))]
    assert len(found.chosen) == N / 2


def test_in_stages_does_not_stop_a_test_of_few_images() -> None:
    assert not in_stages(30, results, lambda _chosen, _columns: True).stopped


def test_stopped_sentence_names_both_numbers() -> None:
    assert stopped_sentence(60, 60) == ()
    (sentence,) = stopped_sentence(15, 60)
    assert sentence.startswith("The test was stopped after 15 of 60 images")
