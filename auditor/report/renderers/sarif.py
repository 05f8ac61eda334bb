"""Findings as SARIF 2.1.0, which code-scanning services show beside the code.

Reference:
    OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0", 2020, sections 3.13
    (sarifLog) to 3.27 (result).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

from auditor.records import CriterionResult, Severity
from auditor.records.outcome import ACCEPTANCE_CRITERIA
from auditor.registry import Options, plugin
from auditor.report import NamesOfData
from auditor.report.view.findings import FindingView
from auditor.report.view.report_view import ReportView
from auditor.report.view.supporting import full_statement
from auditor.run_folder import RESULT

FILE = "report.sarif"

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVEL: dict[Severity, str] = {"alert": "error", "warning": "warning", "note": "note"}
_OF_CRITERIA = {
    "id",
    "name",
    "state",
    "metric",
    "bound",
    "threshold",
    "confidence",
    "estimate",
    "support",
    "why",
    "blocking",
    "missing_samples",
    "missing_clusters",
}
"""What is said of each criterion."""


@plugin("renderer", "sarif")
class SarifLog(NamesOfData, Options):
    """One result for each finding, with its severity as level and an identity that is stable across runs."""

    files: ClassVar[tuple[str, ...]] = (FILE,)

    def render(self, view: ReportView, folder: Path) -> Path:
        """Writes ``report.sarif``.

        Args:
            view: everything that is shown.
            folder: the run folder.
        """
        # Missed criteria are findings.
        other = [one for one in view.criteria if one.configured and one.state != "missed"]
        own = {ACCEPTANCE_CRITERIA} if other else set()
        checks = sorted({one.record.check for one in view.findings} | own)
        run: dict[str, Any] = {
            "tool": {
                "driver": {
                    "name": "auditor",
                    "version": view.auditor_version,
                    "rules": [{"id": check} for check in checks],
                }
            },
            "automationDetails": {"id": f"{view.name}/{view.run_id}"},
            "invocations": [
                {
                    "executionSuccessful": True,
                    "exitCode": view.exit_code,
                    "exitCodeDescription": view.verdict.headline,
                    "toolExecutionNotifications": [
                        {"level": "note", "message": {"text": f"{check}: not done, {reason}"}}
                        for check, reason in view.skipped
                    ],
                }
            ],
            "results": [
                *(_result(one, checks) for one in view.findings),
                *(_criterion(one, checks) for one in other),
            ],
            "properties": {
                "outcome": view.verdict.state,
                "reasons": [one.model_dump(exclude_none=True) for one in view.verdict.reasons],
                "criteria": [
                    one.model_dump(mode="json", include=_OF_CRITERIA) for one in view.criteria
                ],
            },
        }
        path = folder / FILE
        log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
        path.write_text(json.dumps(log, indent=1, ensure_ascii=False), encoding="utf-8")
        return path


def _criterion(one: CriterionResult, checks: list[str]) -> dict[str, Any]:
    """A criterion that is met or undecided."""
    return {
        "ruleId": ACCEPTANCE_CRITERIA,
        "ruleIndex": checks.index(ACCEPTANCE_CRITERIA),
        "level": "none",
        "kind": "pass" if one.state == "met" else "open",
        "message": {"text": f"{one.name}: {one.state}. {one.statement}"},
        "locations": [_location(str(one.slice))],
        "partialFingerprints": {"checkAndSlice/v1": f"{ACCEPTANCE_CRITERIA}/{one.name}"},
    }


def _location(slice_name: str) -> dict[str, Any]:
    return {
        "physicalLocation": {"artifactLocation": {"uri": RESULT}, "region": {"startLine": 1}},
        "logicalLocations": [{"fullyQualifiedName": slice_name, "kind": "slice"}],
    }


def _result(finding: FindingView, checks: list[str]) -> dict[str, Any]:
    record = finding.record
    return {
        "ruleId": record.check,
        "ruleIndex": checks.index(record.check),
        "level": _LEVEL[record.severity],
        # A finding that this data cannot decide is open, not failed.
        "kind": "open" if record.verdict == "untestable" else "fail",
        "message": {"text": f"{record.title}. {full_statement(record)} {record.action}"},
        "locations": [_location(str(record.slice))],
        # The same check on the same slice is the same finding in the next run, whatever its number.
        "partialFingerprints": {"checkAndSlice/v1": f"{record.check}/{record.slice}"},
        "properties": {
            "verdict": record.verdict,
            "effect": None if record.effect is None else record.effect.model_dump(),
            "q_value": record.q_value,
            "support": record.support,
            "blocksGate": finding.blocks,
            "samples": record.samples,
        },
    }
