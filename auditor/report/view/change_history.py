"""The previous audit beside this one, for the sign-off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from auditor.phrasing import change, count, date, limits, percent
from auditor.records import AuditResult, Estimate
from auditor.records.previous_audit import FindingState, PreviousAudit, PreviousFinding
from auditor.report.view.summary import verdict_text

_ORDER: tuple[FindingState, ...] = ("new", "gone", "not judged", "still there")
_NAMES: Mapping[FindingState, str] = {
    "new": "New",
    "still there": "Still there",
    "not judged": "Not judged",
    "gone": "Gone",
}


@dataclass(frozen=True)
class FindingHistory:
    """What became of a finding.

    Attributes:
        state: in a word or two, with the severities then and now where they differ.
        title: of the finding.
        caution: why it may be otherwise; empty if nothing speaks against it.
        decision: taken after the previous audit; that none is recorded, if there is none.
    """

    state: str
    title: str
    caution: str
    decision: str


@dataclass(frozen=True)
class ChangeHistory:
    """What changed since the previous audit.

    Attributes:
        rows: what, then, now.
        paired: the accuracy on the samples of both audits, in a sentence; empty if they cannot be paired.
        findings: new ones and those that are gone first, unchanged ones last.
        counts: how many are new, still there and gone, in a sentence.
        not_compared: why the audits could not be compared; empty if they could.
        recorded: when this was stored.
    """

    rows: tuple[tuple[str, str, str], ...]
    paired: str
    findings: tuple[FindingHistory, ...]
    counts: str
    not_compared: str
    recorded: str


def change_history(previous: PreviousAudit | None, result: AuditResult) -> ChangeHistory | None:
    """The history for the documents of an audit; None if no previous audit is stored."""
    if previous is None:
        return None
    findings = sorted(
        previous.findings, key=lambda one: (_ORDER.index(one.state), one.before == one.now)
    )
    numbers = {state: sum(one.state == state for one in findings) for state in _ORDER}
    parts = [f"{n} {_NAMES[state].lower()}" for state, n in numbers.items() if n]
    return ChangeHistory(
        rows=_rows(previous, result),
        paired=_paired(previous),
        findings=tuple(map(_finding, findings)),
        counts=f"Findings: {', '.join(parts)}." if parts else "Neither audit has findings.",
        not_compared=previous.not_compared,
        recorded=date(previous.recorded_at),
    )


def _rows(previous: PreviousAudit, result: AuditResult) -> tuple[tuple[str, str, str], ...]:
    run, source = result.run, result.provenance
    return (
        ("Audit", f"{previous.name}, {previous.run_id}", f"{run.name}, {run.id}"),
        ("Date", date(previous.created_at), date(run.created_at)),
        ("Program", f"auditor {previous.auditor_version}", f"auditor {run.auditor_version}"),
        ("Model", *_fingerprints(previous.model_sha256, source.model.sha256)),
        ("Data", *_fingerprints(previous.data_sha256, source.data.sha256)),
        ("Verdict", previous.verdict, verdict_text(result).headline),
        ("Samples", count(previous.n_evaluated), count(result.summary.n_evaluated)),
        ("Accuracy", _share(previous.accuracy), _share(result.summary.accuracy)),
    )


def _fingerprints(then: str, now: str) -> tuple[str, str]:
    """The beginnings of two hashes; the whole ones are beside the signatures and in ``previous.json``."""
    return f"SHA-256 {then[:12]}…", f"{'same' if then == now else 'changed'}: {now[:12]}…"


def _share(value: Estimate | None) -> str:
    return "–" if value is None else f"{percent(value.value, 1)} ({limits(value, 'share')})"


def _paired(previous: PreviousAudit) -> str:
    paired = previous.paired
    if paired is None:
        return ""
    gap = paired.change
    return (
        f"On the {count(paired.n)} samples that both audits evaluated, the accuracy was "
        f"{percent(paired.before.value, 1)} and is {percent(paired.now.value, 1)}: a change of "
        f"{change(gap.value)} points (95 % interval {change(gap.low)} to {change(gap.high)})."
    )


def _finding(one: PreviousFinding) -> FindingHistory:
    state = _NAMES[one.state]
    if one.before is not None and one.now is not None and one.before != one.now:
        state = f"{state}: {one.before} then, {one.now} now"
    decision = one.decision or ("–" if one.before is None else "none recorded")
    return FindingHistory(state, one.title, one.caution or "", decision)
