"""What was audited and with what, as groups of names and values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from auditor.phrasing import any_value, count, date, field_name
from auditor.records import AuditResult, RedactionRecord
from auditor.records.decisions import DecisionRecord

NamesAndValues = tuple[tuple[str, str], ...]


def provenance_groups(result: AuditResult) -> tuple[tuple[str, NamesAndValues], ...]:
    """Groups with their names and values; empty groups are left out."""
    source = result.provenance
    groups: dict[str, Mapping[str, Any]] = {
        "Audit": {
            "run": result.run.id,
            "started": date(result.run.created_at),
            "auditor": result.run.auditor_version,
            "seed": source.seed,
        },
        "Redaction": _redaction(result.redaction),
        "Decision": _decision(result.decision),
        "Model": source.model.model_dump(),
        "Data": source.data.model_dump(),
        "Preprocessing": source.preprocess,
        "Environment": source.environment,
        "Seconds": source.seconds,
    }
    return tuple((name, _rows(values)) for name, values in groups.items() if values)


def identity(result: AuditResult) -> NamesAndValues:
    """What a signature refers to: the audit, the model and the data, each with its fingerprint."""
    source = result.provenance
    version = source.stated.about.version
    rows = (
        ("Audit", f"{result.run.name}, {result.run.id}, {date(result.run.created_at)}"),
        ("Program", f"auditor {result.run.auditor_version}"),
        ("Model", source.model.description or source.model.adapter),
        ("Version of the model", "" if version is None else any_value(version)),
        ("SHA-256 of the weights", source.model.sha256),
        ("Data", f"{source.data.adapter}, {count(source.data.n_samples)} samples"),
        ("SHA-256 of the data", source.data.sha256),
    )
    return tuple(row for row in rows if row[1])


def _redaction(record: RedactionRecord | None) -> Mapping[str, Any]:
    """What was taken out; nothing in the run itself."""
    if record is None:
        return {}
    return {
        "redacted": date(record.at),
        "images": record.images,
        "seal_of_the_original": record.of_seal,
        "seal_of_its_results": record.of_results_seal,
    }


def _decision(decision: DecisionRecord) -> Mapping[str, Any]:
    """The decision rule; nothing for the most probable class."""
    if decision.task == "single-label":
        return {}
    pairs = zip(decision.positive, decision.thresholds, strict=True)
    thresholds = [f"{name} from {any_value(threshold)}" for name, threshold in pairs]
    return {
        "task": decision.task,
        "thresholds": ", ".join(thresholds),
        "source_of_thresholds": decision.source,
    }


def _rows(values: Mapping[str, Any]) -> NamesAndValues:
    return tuple((field_name(name), any_value(value)) for name, value in values.items())
