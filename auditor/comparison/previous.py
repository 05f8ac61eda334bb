"""The change history of an audit: what changed since the previous one, stored as data in its folder."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from auditor.comparison.compare import compare
from auditor.comparison.records import Comparison, FindingChange
from auditor.errors import DataError, UsageError
from auditor.manifest import PREVIOUS, read_manifest, sha256
from auditor.records import Estimate
from auditor.records.previous_audit import (
    FindingState,
    PairedAccuracy,
    PreviousAudit,
    PreviousFinding,
)
from auditor.report.view.review_decisions import review_view
from auditor.report.view.summary import verdict_text
from auditor.run_folder import RESULT, RunFolder

_STATES: Mapping[str, FindingState] = {"new": "new", "gone": "gone", "unjudged": "not judged"}
"""Other findings are still there, with the same or another severity."""


def store_previous(earlier: RunFolder, run: RunFolder) -> PreviousAudit:
    """Compares a run with the previous audit, and stores the comparison in the folder of the run.

    Args:
        earlier: the previous audit.
        run: the run whose documents show the history.

    Returns:
        What was stored.

    Raises:
        UsageError: both are the same audit, or the previous one is not the earlier one.
        DataError: one of them cannot be read.
    """
    result, own = earlier.read_result(), run.read_result()
    if result.run.id == own.run.id:
        raise UsageError(f"{earlier.path}: expected an earlier audit; it is the same audit")
    if result.run.created_at > own.run.created_at:
        raise UsageError(
            f"{earlier.path}: expected an earlier audit; it is of {result.run.created_at:%Y-%m-%d %H:%M}, "
            f"and this one of {own.run.created_at:%Y-%m-%d %H:%M}: exchange the two"
        )
    decisions = {name: str(one) for name, one in review_view(earlier.path).decisions.items()}
    found, reason = _compared(earlier, run)
    record = PreviousAudit(
        recorded_at=datetime.now(UTC),
        run_id=result.run.id,
        name=result.run.name,
        created_at=result.run.created_at,
        auditor_version=result.run.auditor_version,
        verdict=verdict_text(result).headline,
        n_evaluated=result.summary.n_evaluated,
        accuracy=result.summary.accuracy,
        model_sha256=result.provenance.model.sha256,
        data_sha256=result.provenance.data.sha256,
        result_sha256=sha256(earlier.path / RESULT),
        seal=_seal(earlier),
        paired=None if found is None else _paired(found),
        findings=[] if found is None else [_finding(one, decisions) for one in found.findings],
        not_compared=reason,
    )
    (run.path / PREVIOUS).write_text(record.model_dump_json(indent=1), encoding="utf-8")
    return record


def _compared(earlier: RunFolder, run: RunFolder) -> tuple[Comparison | None, str]:
    """The comparison, or why there is none: a history without it still shows the previous audit."""
    try:
        return compare(earlier, run), ""
    except DataError as error:
        text = str(error)
        for folder, name in ((run, "this audit"), (earlier, "the previous audit")):
            text = text.replace(str(folder.path), name)
        return None, text


def _seal(run: RunFolder) -> str | None:
    try:
        return read_manifest(run.path).seal
    except DataError:
        return None


def _paired(found: Comparison) -> PairedAccuracy:
    rise = found.overall.change  # of the error rate
    return PairedAccuracy(
        n=found.pairing.n_paired,
        before=found.before.paired_accuracy,
        now=found.after.paired_accuracy,
        change=Estimate(value=0 - rise.value, low=0 - rise.high, high=0 - rise.low),
    )


def _finding(one: FindingChange, decisions: Mapping[str, str]) -> PreviousFinding:
    before, now = one.before, one.after
    either = now or before
    assert either is not None
    return PreviousFinding(
        state=_STATES.get(one.status, "still there"),
        title=either.title,
        before=None if before is None else before.severity,
        now=None if now is None else now.severity,
        caution=one.caution,
        decision="" if before is None else decisions.get(before.id, ""),
    )
