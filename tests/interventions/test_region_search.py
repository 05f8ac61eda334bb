"""Region search: coarse to fine, and small windows where the maps have more evidence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from builders.marked_images import SIDE, marked_audit, model_of

from auditor.interventions.class_failures import ClassFailures
from auditor.interventions.region_search import (
    finer_if_nearly_as_good,
    mean_evidence,
    successive_halving,
    windows_by_evidence,
)
from auditor.interventions.regions import Region


def test_successive_halving_drops_the_worst_and_averages_over_all_parts() -> None:
    known = {"a": (1, 5, 6), "b": (2, 1, 0), "c": (3, 2, 1), "d": (0, 9, 9)}
    asked: list[tuple[str, int]] = []

    def scores(choices: Sequence[str], part: int) -> list[float]:
        asked.extend((choice, part) for choice in choices)
        return [known[choice][part] for choice in choices]

    # After the first part, d is dropped; after the second, b (2 + 1) and not a (1 + 5) or c (3 + 2).
    assert successive_halving(scores, "abcd", (3, 2)) == [(4.0, "a"), (2.0, "c")]
    assert [choice for choice, part in asked if part == 1] == ["c", "b", "a"]
    assert len(asked) == 4 + 3 + 2


@pytest.mark.parametrize(("fine_score", "found"), [(8.0, "fine"), (7.9, "coarse")])
def test_finer_choice_is_taken_from_four_fifths_of_the_score_on(
    fine_score: float, found: str
) -> None:
    finer = [(fine_score, "fine"), (1.0, "finest")]
    assert finer_if_nearly_as_good((10.0, "coarse"), finer) == found


def test_without_finer_choices_the_best_coarse_one_is_taken() -> None:
    assert finer_if_nearly_as_good((2.0, "coarse"), []) == "coarse"


def test_windows_by_evidence_contain_the_mark_of_the_failures() -> None:
    audit = marked_audit()
    failures = ClassFailures.draw(audit, 0, 12, 40)
    first, *_ = windows_by_evidence(model_of(audit), failures)
    assert first.pixels(SIDE, SIDE)[26:30, 26:30].all()


def test_mean_evidence_is_larger_at_the_mark_in_failures_than_in_the_class() -> None:
    audit = marked_audit()
    test = ClassFailures.draw(audit, 0, 12, 40).test
    regions = [Region(0.75, 0.75, 1, 1), Region(0, 0, 1, 1)]
    in_failures, in_class = mean_evidence(model_of(audit), test, 0, regions)
    assert in_failures[0] > in_class[0] + 0.1
    assert in_failures[1] == in_class[1] == pytest.approx(1)
    assert np.isfinite(in_class).all()
