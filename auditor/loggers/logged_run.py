"""What every tracker gets from a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from auditor.manifest import MANIFEST, RESULT, read_manifest
from auditor.records import SliceKey
from auditor.results import AuditResult

if TYPE_CHECKING:
    import pandas as pd

_DOCUMENTS = ("report.html", "report.pdf", "model_card.md", RESULT, MANIFEST)
"""Files that are uploaded, as far as the run has them; the maps stay in the run folder."""
_NUMBERS = ("value", "low", "high")
_COLUMNS = ["severity", "verdict", "check", "title", "slice", "effect", *_NUMBERS]


@dataclass(frozen=True)
class LoggedRun:
    """A run in the terms of a tracker.

    Attributes:
        name: of the audit.
        metrics: finite numbers by name. Rates and gaps are shares (0 to 1); names of slices are
            ``slice/<attribute = value>/gap``.
        parameters: what was audited, and how, as texts.
        findings: one row per finding; texts and numbers only.
        files: documents of the run.
    """

    name: str
    metrics: dict[str, float]
    parameters: dict[str, str]
    findings: pd.DataFrame
    files: tuple[Path, ...]

    @classmethod
    def of(cls, result: AuditResult | Path | str) -> LoggedRun:
        """Reads a run.

        Args:
            result: an audit, or the folder of a finished run.

        Raises:
            DataError: the folder does not hold a finished run.
        """
        audit = result if isinstance(result, AuditResult) else AuditResult.load(result)
        table = audit.frame("findings")[_COLUMNS].reset_index()
        for name in table.columns:
            if name in _NUMBERS:
                table[name] = table[name].astype(float)
            else:
                table[name] = table[name].astype(object).where(table[name].notna(), "").astype(str)
        files = (audit.folder / name for name in _DOCUMENTS)
        return cls(
            name=audit.run.name,
            metrics=dict(_metrics(audit)),
            parameters=_parameters(audit),
            findings=table,
            files=tuple(path for path in files if path.is_file()),
        )


def _metrics(audit: AuditResult) -> Iterator[tuple[str, float]]:
    summary = audit.summary
    yield "n_evaluated", summary.n_evaluated
    yield "n_failures", summary.n_failures
    if summary.accuracy is not None:
        yield "accuracy", summary.accuracy.value
    for severity in ("alert", "warning", "note"):
        yield f"findings/{severity}", sum(one.severity == severity for one in audit.findings)
    for metric in audit.metrics:
        if metric.estimate is not None and metric.slice == SliceKey():
            suffix = "" if metric.class_name is None else f"/{metric.class_name}"
            yield f"metric/{metric.metric}{suffix}", metric.estimate.value
    for one in audit.classes:
        if one.recall is not None:
            yield f"recall/{one.name}", one.recall.value
    for part in audit.slices:
        name = f"slice/{SliceKey(attributes=part.attributes, label=part.label)}"
        yield f"{name}/support", part.support
        if part.error_rate is not None:
            yield f"{name}/error_rate", part.error_rate.value
        if part.gap is not None:
            yield f"{name}/gap", part.gap.value


def _parameters(audit: AuditResult) -> dict[str, str]:
    provenance = audit.provenance
    return {
        "outcome": audit.outcome.state,
        "run": audit.run.id,
        "seal": read_manifest(audit.folder).seal,
        "auditor": audit.run.auditor_version,
        "model": provenance.model.description,
        "data": provenance.data.adapter,
        "samples": str(provenance.data.n_samples),
        "seed": str(provenance.seed),
    }
