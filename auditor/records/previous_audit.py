"""What the documents of an audit say about the previous one: the whole of ``previous.json``."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from auditor.records.base import Estimate, Record, Severity

FindingState = Literal["new", "still there", "not judged", "gone"]


class PreviousFinding(Record):
    """What became of a finding since the previous audit."""

    state: FindingState
    title: str
    before: Severity | None
    """Severity in the previous audit; None for new findings."""
    now: Severity | None
    caution: str | None
    """Why a finding that is gone may not be resolved, or a new one may not be new."""
    decision: str = ""
    """Decision on it after the previous audit; empty if none is recorded."""


class PairedAccuracy(Record):
    """Accuracy on the samples that both audits evaluated."""

    n: int
    before: Estimate
    now: Estimate
    change: Estimate
    """Accuracy now minus before (a share), with its 95 % interval."""


class PreviousAudit(Record):
    """A previous audit, as data: its folder is never opened again."""

    recorded_at: datetime
    run_id: str
    name: str
    created_at: datetime
    auditor_version: str
    verdict: str
    """Outcome in a few words."""
    n_evaluated: int
    accuracy: Estimate | None
    model_sha256: str
    data_sha256: str
    result_sha256: str
    """Of its ``audit.json``."""
    seal: str | None
    """None if its manifest could not be read."""
    paired: PairedAccuracy | None
    """None if the audits could not be compared sample by sample."""
    findings: list[PreviousFinding]
    """Those of both audits; empty if they could not be compared."""
    not_compared: str = ""
    """Why they could not be compared."""
