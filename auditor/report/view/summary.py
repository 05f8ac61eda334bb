"""The outcome of an audit in a few sentences, for the first page of every document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from auditor.phrasing import any_value, count, limits, percent, plural, sentence_start
from auditor.records import AuditResult, DataFaults, TestsRecord

GateState = Literal["passes", "blocked", "none"]

_UNNAMED_FAULT = "label doubtful"
"""On a sample, where the check has no text for it."""


@dataclass(frozen=True)
class VerdictText:
    """The outcome of the gate.

    Attributes:
        state: for the style of the document.
        headline: the outcome in a few words.
        reason: why, in a sentence or two.
    """

    state: GateState
    headline: str
    reason: str


def verdict_text(result: AuditResult) -> VerdictText:
    """The outcome of the gate; it claims no more than was tested."""
    scope = "This holds only for what was tested here, on these samples."
    if result.summary.accuracy is None:
        return VerdictText("blocked", "Nothing could be judged", "No sample could be evaluated.")
    if result.gate is None:
        return VerdictText("none", "No gate was set", f"This audit only reports. {scope}")
    n = len(result.blocking)
    if n:
        return VerdictText(
            "blocked",
            "Does not pass the gate",
            f"{plural(n, 'finding reaches', 'findings reach')} the severity “{result.gate}”, at which "
            "this audit was configured to block a release.",
        )
    return VerdictText(
        "passes",
        "Passes the gate",
        f"No finding reaches the severity “{result.gate}”. {scope}",
    )


def untested_text(n_slices: int, n_untested: int, n_skipped: int) -> str:
    """What could not be tested, in a sentence.

    Args:
        n_slices: all slices.
        n_untested: slices that were too small.
        n_skipped: checks, or parts of them, that could not be done.
    """
    parts = []
    if n_untested:
        parts.append(f"{count(n_untested)} of {count(n_slices)} slices have too few samples")
    if n_skipped:
        parts.append(f"{plural(n_skipped, 'part')} of the checks could not be done")
    if not parts:
        return "Every slice was large enough, and every check could be done."
    return f"{sentence_start(', and '.join(parts))}."


def basis_text(tests: TestsRecord | None) -> str:
    """How many tests are behind the verdict, in a sentence; empty where nothing was recorded."""
    if tests is None:
        return ""
    corrected = f"{plural(tests.n_tests, 'statistical test')}, corrected for multiple testing"
    if tests.alpha <= 0:
        return f"{corrected}."
    return f"{corrected}: about one in {round(1 / tests.alpha)} significant results may be chance."


def correction_text(tests: TestsRecord | None) -> str:
    """What was tested and how it was corrected, in a sentence; empty where nothing was recorded."""
    if tests is None:
        return ""
    return (
        f"{count(tests.n_tests)} hypotheses were tested; {count(tests.n_significant)} are significant "
        f"after correction for all of them ({tests.correction}; false discovery rate "
        f"{percent(tests.alpha)})."
    )


def correction_table(tests: TestsRecord | None) -> tuple[tuple[str, str], ...]:
    """The account of the tests as names and values."""
    if tests is None:
        return ()
    rows: Mapping[str, object] = {
        "Tests": tests.n_tests,
        "Significant after correction": tests.n_significant,
        "Tested causes": tests.n_causes,
        "Correction": tests.correction,
        "False discovery rate": percent(tests.alpha),
        "Tests of each check": tests.by_check,
    }
    return tuple((name, any_value(value)) for name, value in rows.items())


def data_faults_text(result: AuditResult) -> str:
    """How many failures may be the data's fault, in two sentences; empty where none is suspected."""
    found, accuracy = result.data_faults, result.summary.accuracy
    if found is None or not found.n_failures or found.accuracy is None or accuracy is None:
        return ""
    reasons = ", ".join(
        f"{_fault_name(found, check)} {count(n)}" for check, n in found.by_check.items()
    )
    twice = "; some for two reasons" if sum(found.by_check.values()) > found.n_failures else ""
    return (
        f"Of {count(result.summary.n_failures)} failures, {count(found.n_failures)} may be the data’s "
        f"fault ({reasons}{twice}). Without these samples, the accuracy would be "
        f"{percent(found.accuracy.value, 1)} ({limits(found.accuracy, 'share')}) instead of "
        f"{percent(accuracy.value, 1)}; all other numbers count them as failures."
    )


def faults_of_samples(faults: DataFaults | None) -> dict[str, str]:
    """Why each suspected failure may be the data's fault, in a few words, by sample."""
    if faults is None:
        return {}
    return {
        sample: "; ".join(_faults_in_words(faults, checks))
        for sample, checks in faults.samples.items()
    }


def _fault_name(faults: DataFaults, check: str) -> str:
    return faults.labels[check].many if check in faults.labels else check


def _faults_in_words(faults: DataFaults, checks: Iterable[str]) -> Iterable[str]:
    for check in checks:
        yield faults.labels[check].one if check in faults.labels else _UNNAMED_FAULT
