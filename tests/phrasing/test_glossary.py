from __future__ import annotations

from auditor.phrasing.glossary import verdict_meaning, verdict_name
from auditor.records import ClaimRecord, SliceKey
from auditor.records.outcome import ACCEPTANCE_CRITERIA


def _record(check: str) -> ClaimRecord:
    return ClaimRecord(
        check=check,
        kind="outcome",
        title="",
        severity="alert",
        verdict="observed",
        slice=SliceKey(),
        effect=None,
        p_value=None,
        q_value=None,
        support=100,
        statement=[],
        action="",
        limits="",
    )


def test_verdict_of_a_missed_criterion_is_not_called_chance() -> None:
    missed, claim = _record(ACCEPTANCE_CRITERIA), _record("performance-gap")
    assert (verdict_name(missed), verdict_name(claim)) == ("Missed", "Observed")
    assert "chance" not in verdict_meaning(missed)
    assert "chance" in verdict_meaning(claim)
