from __future__ import annotations

from dataclasses import replace

from auditor.report.view.failure_groups import failure_groups
from auditor.report.view.report_view import build_view
from auditor.run_folder import RunFolder


def test_failures_of_one_pair_leave_room_for_the_others(run_folder: RunFolder) -> None:
    card = build_view(run_folder).failures[0]
    pairs = [("a", "b")] * 58 + [("b", "a"), ("a", "c")]
    cards = [
        replace(card, sample=str(k), label=label, predicted=predicted)
        for k, (label, predicted) in enumerate(pairs)
    ]
    groups = failure_groups(cards, most=5, most_per_group=4)
    assert [(one.label, one.predicted, one.n_failures, one.n_shown) for one in groups] == [
        ("a", "b", 58, 3),
        ("b", "a", 1, 1),
        ("a", "c", 1, 1),
    ]
    # The highest losses of a group, in their order.
    assert [one.sample for one in groups[0].cards] == ["0", "1", "2"]


def test_more_groups_than_places_shows_the_largest(run_folder: RunFolder) -> None:
    card = build_view(run_folder).failures[0]
    cards = [replace(card, sample=str(k), label=str(k % 5)) for k in range(12)]
    assert [one.label for one in failure_groups(cards, most=2, most_per_group=4)] == ["0", "1"]
