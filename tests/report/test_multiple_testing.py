from __future__ import annotations

from auditor.records import MultipleTestingRecord
from auditor.report.view.multiple_testing import basis_text, correction_table, correction_text

GATEKEPT = MultipleTestingRecord(
    n_tests=1038,
    n_significant=7,
    n_causes=5,
    correction="gatekeeping",
    alpha=0.05,
    interval_confidence=0.95,
    shares={"value": 0.79, "other than outcomes": 0.08},
    by_check={"leakage": 3},
)


def test_basis_with_gatekeeping_bounds_any_false_report() -> None:
    assert basis_text(GATEKEPT) == (
        "1 038 statistical tests, corrected for multiple testing. The chance that any reported excess of "
        "errors is a false alarm is at most 5 %; of the other findings, about 1 in 20 may be chance."
    )


def test_correction_with_gatekeeping_is_explained_for_outcomes_and_for_all_else() -> None:
    text = correction_text(GATEKEPT)
    assert text.startswith(
        "1 038 hypotheses were tested; 7 are significant after correction for all of them. "
    )
    outcomes, others = text.split(" For everything else ")
    assert "falsely for any attribute value is therefore at most 5 %" in outcomes
    assert "false discovery rate" not in outcomes
    assert "the false discovery rate is controlled: on average, at most 5 %" in others


def test_correction_table_lists_the_shares_of_alpha() -> None:
    assert dict(correction_table(GATEKEPT)) == {
        "Tests": "1 038",
        "Significant after correction": "7",
        "Tested causes": "5",
        "Correction": "gatekeeping",
        "Level of the audit (alpha)": "5 %",
        "Its shares": "value 79 %, other than outcomes 8 %",
        "Tests of each check": "leakage 3",
    }


def test_result_of_an_earlier_version_is_described_by_its_false_discovery_rate() -> None:
    earlier = GATEKEPT.model_copy(
        update={"shares": {}, "correction": "Benjamini–Hochberg", "n_causes": None}
    )
    assert basis_text(earlier) == (
        "1 038 statistical tests, corrected for multiple testing. About 1 in 20 significant results "
        "may be chance."
    )
    assert correction_text(earlier) == (
        "1 038 hypotheses were tested; 7 are significant after correction for all of them "
        "(Benjamini–Hochberg; false discovery rate 5 %)."
    )
    assert dict(correction_table(earlier)) == {
        "Tests": "1 038",
        "Significant after correction": "7",
        "Tested causes": "–",
        "Correction": "Benjamini–Hochberg",
        "False discovery rate": "5 %",
        "Tests of each check": "leakage 3",
    }


def test_result_without_an_account_of_tests_says_nothing_of_them() -> None:
    assert (basis_text(None), correction_text(None), correction_table(None)) == ("", "", ())
