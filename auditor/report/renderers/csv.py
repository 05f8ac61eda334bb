"""Findings, slices, metrics and failures as CSV, for spreadsheets."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from auditor.records import Estimate, GatePower
from auditor.records.decision_table import read_decisions
from auditor.records.predictions import EVALUATED, LABEL, PREDICTED, SAMPLE, usable_rows
from auditor.registry import Options, plugin
from auditor.report import NamesOfData
from auditor.report.view.report_view import ReportView
from auditor.report.view.supporting import full_statement
from auditor.run_folder import PREDICTIONS

FOLDER = "tables"

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@plugin("renderer", "csv")
class CsvTables(NamesOfData, Options):
    """``tables/findings.csv``, ``slices.csv``, ``metrics.csv`` and ``failures.csv``, without formulas."""

    files: ClassVar[tuple[str, ...]] = (f"{FOLDER}/*.csv",)

    def render(self, view: ReportView, folder: Path) -> Path:
        """Writes the tables.

        Args:
            view: everything that is shown.
            folder: the run folder.

        Returns:
            The folder of the tables.
        """
        tables = folder / FOLDER
        tables.mkdir(exist_ok=True)
        _write(tables / "findings.csv", _FINDINGS, _findings(view))
        attributes = list(view.attributes)
        _write(tables / "slices.csv", [*attributes, *_SLICES], _slices(view))
        _write(tables / "metrics.csv", [*attributes, *_METRICS], _metrics(view))
        _write(
            tables / "failures.csv",
            [*EVALUATED, _FAULT, *view.sample_attributes],
            _failures(view, folder),
        )
        return tables


_ESTIMATE = ("", "_low", "_high")
_FINDINGS = [
    "id", "severity", "verdict", "check", "title", "slice", "effect_name",
    *(f"effect{end}" for end in _ESTIMATE), "p_value", "q_value", "support", "blocks_gate", "action",
    "statement",
]  # fmt: skip
_SLICES = [
    "label", "support", "failures", *(f"error_rate{end}" for end in _ESTIMATE),
    *(f"gap{end}" for end in _ESTIMATE), "p_value", "q_value", "detectable_gap",
    *(f"ratio{end}" for end in _ESTIMATE), "gate_stopped", "gate_not_passed",
    *(f"pooled_rate{end}" for end in _ESTIMATE),
]  # fmt: skip
_METRICS = [
    "metric", "class", "value", "low", "high", "support", "clusters", "primary", "reason",
]  # fmt: skip
_FAULT = "data_fault"
"""Why a failure may be the data's fault; empty where nothing suggests it."""


def _findings(view: ReportView) -> Iterable[list[Any]]:
    for one in view.findings:
        record = one.record
        yield [
            record.id,
            record.severity,
            record.verdict,
            record.check,
            record.title,
            str(record.slice),
            None if record.effect is None else record.effect.name,
            *_numbers(record.effect),
            record.p_value,
            record.q_value,
            record.support,
            one.blocks,
            record.action,
            full_statement(record),
        ]


def _slices(view: ReportView) -> Iterable[list[Any]]:
    for one in view.slices:
        yield [
            *(one.attributes.get(name) for name in view.attributes),
            one.label,
            one.support,
            one.n_failures,
            *_numbers(one.error_rate),
            *_numbers(one.gap),
            one.p_value,
            one.q_value,
            one.detectable_gap,
            *_numbers(one.ratio),
            *_power(one.gate_power),
            *_numbers(one.pooled_rate),
        ]


def _metrics(view: ReportView) -> Iterable[list[Any]]:
    for one in () if view.metrics is None else view.metrics.values:
        yield [
            *(one.slice.attributes.get(name) for name in view.attributes),
            one.metric,
            one.class_name,
            *_numbers(one.estimate),
            one.support,
            one.n_clusters,
            one.primary,
            one.reason,
        ]


def _failures(view: ReportView, folder: Path) -> Iterable[list[Any]]:
    """Every failure, explained or not, in the order of the data."""
    rows = read_decisions(folder / PREDICTIONS, view.decision, view.confusion.classes)
    failed = usable_rows(rows) & (rows[LABEL].astype(str) != rows[PREDICTED].astype(str))
    columns = [*EVALUATED, *view.sample_attributes]
    for row in (
        rows.loc[failed, columns].astype(object).where(rows.notna(), None).to_dict("records")
    ):
        own = [row[name] for name in EVALUATED]
        fault = view.faults.get(str(row[SAMPLE]))
        yield [*own, fault, *(row[name] for name in view.sample_attributes)]


def _numbers(one: Estimate | None) -> list[float | None]:
    return [None] * 3 if one is None else [one.value, one.low, one.high]


def _power(one: GatePower | None) -> list[float | None]:
    return [None] * 2 if one is None else [one.blocked, one.not_passed]


def _write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([_cell(one) for one in columns])
        writer.writerows([_cell(one) for one in row] for row in rows)


def _cell(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula gets a leading apostrophe."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
