"""The correction over all tests of an audit: shares, levels, joint claims, and its two accounts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from builders.claims import claim

from auditor.judging.multiple_testing import OUTCOMES, SHARES, adjust, question_of
from auditor.records import Claim


def _first(value: str, p_value: float, attribute: str = "a", **changes: Any) -> Claim:
    return claim({attribute: value}, (0.1, 0, 0.2), p_value, question="value", **changes)


def test_adjust_first_questions_share_the_level_of_outcomes_evenly() -> None:
    level = 0.05
    claims = [_first("1", 0.03, "a"), _first("1", 0.5, "b"), claim({}, (0.1, 0, 0.2), None)]
    corrected = adjust(claims, 0.05)
    assert corrected.levels[:2] == pytest.approx([level / 2] * 2)
    assert corrected.q_values[0] == pytest.approx(0.03 * 2)
    assert np.isnan(corrected.q_values[2])
    assert (corrected.n_tests, corrected.n_significant, corrected.n_causes) == (2, 0, 2)
    # A significant test passes its level on.
    found = adjust([_first("1", 0.01, "a"), _first("1", 0.5, "b")], 0.05)
    assert found.levels == pytest.approx([level / 2, level])
    assert found.n_significant == 1


def test_adjust_values_of_an_attribute_share_its_level_by_weight() -> None:
    claims = [_first("1", 0.4, level_weight=0.7), _first("2", 0.5, level_weight=0.3)]
    level = 0.05
    assert adjust(claims, 0.05).levels == pytest.approx([0.7 * level, 0.3 * level])


def test_adjust_finer_question_gains_level_once_the_first_is_answered() -> None:
    fine = claim({"a": "1"}, (0.1, 0, 0.2), 0.02, label="cat")
    whole = SHARES["value"] + SHARES["value within label"]
    level = 0.05
    unanswered = adjust([_first("1", 0.9), fine], 0.05)
    assert unanswered.levels[1] == pytest.approx(level * SHARES["value within label"] / whole)
    # With a single test in each group, all of the level is passed on.
    answered = adjust([_first("1", 1e-9), fine], 0.05)
    assert answered.levels[1] == pytest.approx(level)
    assert (answered.q_values[1] <= 0.05, unanswered.q_values[1] <= 0.05) == (True, False)


def test_adjust_checks_of_one_question_share_it_evenly_whatever_their_number_of_tests() -> None:
    key = {"a": "1"}
    one = claim(key, (0.1, 0, 0.2), 0.5, check="one")
    many = [claim(key, (0.1, 0, 0.2), 0.5, check="two") for _ in range(4)]
    levels = adjust([one, *many], 0.05).levels / 0.05
    assert levels == pytest.approx([1 / 2] + [1 / 8] * 4)


def test_adjust_joint_claims_are_one_test_with_one_level() -> None:
    joint = [
        claim({"a": value}, (0.1, 0, 0.2), p_value, joint="a: best", question="values compared")
        for value, p_value in (("1", 1e-4), ("2", 0.02), ("3", 0.9))
    ]
    other = claim({"b": "1"}, (0.1, 0, 0.2), 0.5, question="values compared")
    corrected = adjust([*joint, other], 0.05)
    level = 0.05 / 2
    assert corrected.levels == pytest.approx([level] * 4)
    # The second is significant, because 0.02 is below the level of 0.025; the third is not.
    assert (corrected.q_values <= 0.05).tolist() == [True, True, False, False]
    assert corrected.q_values[1] == pytest.approx(0.02 * 0.05 / level)


def test_adjust_comparison_with_the_best_value_shares_the_level_of_the_first_question() -> None:
    against_rest = [_first(value, 0.5, check="rest") for value in ("1", "2", "3")]
    best: list[Claim] = [
        claim(
            {"a": value},
            (0.1, 0, 0.2),
            p_value,
            check="best",
            joint="a: best",
            question="value against the best",
        )
        for value, p_value in (("1", 0.004), ("2", 0.006), ("3", 0.9))
    ]
    corrected = adjust([*against_rest, *best, _first("1", 0.5, "b")], 0.05)
    # Two attributes have half of alpha each, and the two comparisons of the first half of that.
    assert corrected.levels[3:6] == pytest.approx([0.05 / 4] * 3)
    assert (corrected.q_values[3:6] <= 0.05).tolist() == [True, True, False]


def test_adjust_attribute_as_a_whole_belongs_to_the_cause_of_its_values() -> None:
    whole = claim({}, None, 1e-5, joint="a", question="further question")
    value = claim({"a": "1"}, (0.1, 0, 0.2), 1e-5, joint="a", question="further question")
    corrected = adjust([whole, value], 0.05)
    assert corrected.n_causes == 1
    assert corrected.levels.tolist() == [pytest.approx(0.05)] * 2


def test_adjust_outcomes_leave_a_part_of_alpha_to_everything_else() -> None:
    outcome, data = _first("1", 0.5), claim({"a": "1"}, (0.3, 0.2, 0.4), 0.02, kind="data")
    both = adjust([outcome, data], 0.05)
    assert both.levels == pytest.approx([0.05 * OUTCOMES, 0.05 * (1 - OUTCOMES)])
    assert adjust([outcome], 0.05).levels == pytest.approx([0.05])
    assert adjust([data], 0.05).levels == pytest.approx([0.05])
    shares = both.account({}).shares
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["other than outcomes"] == pytest.approx(1 - OUTCOMES)


def test_adjust_data_claims_of_a_found_cause_are_corrected_within_it() -> None:
    data = [claim({"a": "1"}, (0.3, 0.2, 0.4), 0.02, kind="data")]
    innocent = [_first("1", 0.9, "b"), claim({"b": "1"}, (0.3, 0.2, 0.4), 0.02, kind="data")]
    corrected = adjust([_first("1", 1e-9), *data, *innocent], 0.05)
    assert corrected.q_values[1] == pytest.approx(0.02)
    assert corrected.levels[1] == pytest.approx(0.05)
    # Elsewhere they hold a small part of alpha: both are at 0.02.
    assert corrected.q_values[3] == pytest.approx(0.02 / (1 - OUTCOMES))
    assert corrected.levels[3] == pytest.approx(0.05 * (1 - OUTCOMES) / 2)


@pytest.mark.parametrize(
    ("changes", "question"),
    [
        ({}, "further question"),
        ({"label": "cat"}, "value within label"),
        ({"question": "value"}, "value"),
        ({"computed": True}, None),
        ({"kind": "map"}, None),
        ({"kind": "robustness"}, None),
    ],
)
def test_question_follows_from_the_claim(changes: dict[str, Any], question: str | None) -> None:
    assert question_of(claim({"a": "1"}, (0.1, 0, 0.2), 0.5, **changes)) == question
    if not changes:
        assert question_of(claim({"a": "1", "b": "1"}, None, 0.5)) == "pair of values"
        assert question_of(claim({}, None, 0.5)) is None


def test_adjust_nothing_tested_has_no_error() -> None:
    corrected = adjust([claim({"a": "1"}, (0.1, 0, 0.2), None)], 0.05)
    assert (corrected.n_tests, corrected.n_causes) == (0, 0)
