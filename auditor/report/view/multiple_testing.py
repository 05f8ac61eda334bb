"""The number of tests and the correction for multiple testing, in words."""

from __future__ import annotations

from collections.abc import Mapping

from auditor.phrasing import any_value, count, percent, plural
from auditor.records import MultipleTestingRecord


def basis_text(tests: MultipleTestingRecord | None) -> str:
    """The number of tests behind the verdict, in a sentence; empty if it was not recorded."""
    if tests is None:
        return ""
    corrected = f"{plural(tests.n_tests, 'statistical test')}, corrected for multiple testing"
    if tests.alpha <= 0:
        return f"{corrected}."
    if not tests.shares:
        return (
            f"{corrected}. About 1 in {round(1 / tests.alpha)} significant results may be chance."
        )
    return (
        f"{corrected}. The chance that any reported excess of errors is a false alarm is at most "
        f"{percent(tests.alpha)}; of the other findings, about 1 in {round(1 / tests.alpha)} may be chance."
    )


def correction_text(tests: MultipleTestingRecord | None) -> str:
    """The tests and their correction, in a few sentences; empty if they were not recorded."""
    if tests is None:
        return ""
    counted = (
        f"{count(tests.n_tests)} hypotheses were tested; {count(tests.n_significant)} are significant "
        "after correction for all of them"
    )
    if not tests.shares:
        return f"{counted} ({tests.correction}; false discovery rate {percent(tests.alpha)})."
    bound = percent(tests.alpha)
    return (
        f"{counted}. All tests on the errors of annotated slices share one error budget. Most of it is "
        "spent on whether an attribute value has a higher error rate than the rest. Once this is shown "
        "for an attribute, its part is passed on to finer questions about that attribute and to the "
        "other attributes. The probability that more errors are reported falsely for any attribute "
        f"value is therefore at most {bound}, however many values there are. For everything else "
        "(interventions, training data, attribution maps, and properties computed from the images) the "
        f"false discovery rate is controlled: on average, at most {bound} of the significant results are "
        "chance."
    )


def correction_table(tests: MultipleTestingRecord | None) -> tuple[tuple[str, str], ...]:
    """The tests and their correction as names and values."""
    if tests is None:
        return ()
    rows: dict[str, object] = {
        "Tests": tests.n_tests,
        "Significant after correction": tests.n_significant,
        "Tested causes": tests.n_causes,
        "Correction": tests.correction,
    }
    if tests.shares:
        rows["Level of the audit (alpha)"] = percent(tests.alpha)
        rows["Its shares"] = _shares(tests.shares)
    else:
        rows["False discovery rate"] = percent(tests.alpha)
    rows["Tests of each check"] = tests.by_check
    return tuple((name, any_value(value)) for name, value in rows.items())


def _shares(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {percent(share)}" for name, share in shares.items())
