from __future__ import annotations

from auditor.records import ClaimRecord, Effect, Finding, Severity, SliceKey, Verdict
from auditor.report.view.report_view import build_view
from auditor.report.view.supporting import full_statement, supporting_claims
from auditor.run_folder import RunFolder


def claim(
    check: str, title: str, severity: Severity = "warning", verdict: Verdict = "supported"
) -> ClaimRecord:
    return ClaimRecord(
        check=check,
        kind="outcome",
        title=title,
        severity=severity,
        verdict=verdict,
        slice=SliceKey(),
        effect=None,
        p_value=None,
        q_value=None,
        support=1,
        statement=[],
        action="",
        limits="",
    )


def finding(*supporting: ClaimRecord) -> Finding:
    own = claim("performance-gap", "The gap").model_dump()
    statement = ["Of 9 samples, 3 fail.", "The gap is 5 points."]
    return Finding(
        **{**own, "statement": statement}, id="F1", samples=[], supporting=list(supporting)
    )


def test_own_check_comes_first_then_the_others_in_turn_and_notes_last() -> None:
    one = finding(
        claim("confusion-pairs", "A"),
        claim("confusion-pairs", "B"),
        claim("performance-gap", "C", "note"),
        claim("performance-gap", "D"),
        claim("calibration-gap", "E"),
        claim("performance-gap", "F"),
    )
    # In turn: C; then A, E and D; then B and F. C is a note.
    assert [each.title for each in supporting_claims(one)] == ["A", "E", "D", "B", "F", "C"]


def test_claims_with_the_same_title_are_shown_once() -> None:
    one = finding(
        claim("confusion-pairs", "A"), claim("performance-gap", "A"), claim("calibration-gap", "B")
    )
    assert [(each.check, each.title) for each in supporting_claims(one)] == [
        ("performance-gap", "A"),
        ("calibration-gap", "B"),
    ]


def test_full_statement_names_three_claims_that_are_as_certain_and_counts_the_others() -> None:
    titles = [claim("leakage", title) for title in "ABCDE"]
    one = finding(claim("leakage", "Z", verdict="observed"), *titles)
    assert full_statement(one) == (
        "Of 9 samples, 3 fail. The gap is 5 points. A. B. C. Further supporting claims: 2."
    )


def test_confirmed_claims_are_as_certain_as_supported_ones() -> None:
    assert full_statement(finding(claim("leakage", "A", verdict="confirmed"))).endswith(" A.")


def test_full_statement_has_the_sentences_about_attributes_held_fixed(
    run_folder: RunFolder,
) -> None:
    text = full_statement(build_view(run_folder).findings[0].record)
    assert "It remains with line held fixed: at least 21 points." in text
    assert text.endswith("Further supporting claims: 3.")


def test_same_measurement_of_two_checks_is_shown_once() -> None:
    def measured(check: str, title: str, value: float, predicted: str | None) -> ClaimRecord:
        return claim(check, title).model_copy(
            update={
                "slice": SliceKey(attributes={"site": "B"}, label="9", predicted=predicted),
                "effect": Effect(name="gap", value=value, low=0.4, high=0.7, unit="points"),
                "support": 54,
            }
        )

    one = finding(
        measured("performance-gap", "57 % of the 9s fail", 0.57, None),
        measured("confusion-pairs", "57 % of the 9s are read as 8", 0.57, "8"),
        measured("confusion-pairs", "55 % of the 9s are read as 8", 0.55, "8"),
    )
    assert [each.title for each in supporting_claims(one)] == [
        "57 % of the 9s fail",
        "55 % of the 9s are read as 8",
    ]
