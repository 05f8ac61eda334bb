from __future__ import annotations

from auditor.phrasing.decisions import decision_text
from auditor.records import Summary
from auditor.records.decisions import DecisionRecord


def test_decision_text_of_a_single_label_has_no_plural() -> None:
    decision = DecisionRecord(task="multi-label", positive=("helmet",), thresholds=(0.5,))
    summary = Summary(
        n_samples=80,
        n_evaluated=80,
        n_unusable=0,
        n_failures=0,
        n_explained=0,
        accuracy=None,
        n_decisions=80,
    )
    assert decision_text(decision, summary).startswith(
        "Each sample has the label helmet or not, which makes 80 decisions; a failure is a wrong decision."
    )
