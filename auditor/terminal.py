"""What the commands print: outcomes, tables and lists, on a rich console."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic.fields import FieldInfo
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from auditor.phrasing import NOT_AVAILABLE, count, percent, plural
from auditor.phrasing.clusters import clusters_text
from auditor.phrasing.decisions import decision_text
from auditor.phrasing.glossary import OUTCOME_NAMES
from auditor.phrasing.population import population_text
from auditor.records import AuditOutcome, AuditResult, OutcomeState, Severity
from auditor.report.view.tested import count_tested

if TYPE_CHECKING:  # imported only for annotations: the command line must start without torch
    from auditor.dry_run import DryRun
    from auditor.explain_images import ExplainedImage
    from auditor.planning import Plan
    from auditor.registry import Options
    from auditor.selftest import SelfTest
    from auditor.verification import Verification

_MAX_FINDINGS = 5
_MAX_REASONS = 5
_OUTCOME_COLOURS: dict[OutcomeState, str] = {
    "passes": "green",
    "fails": "red",
    "undecided": "yellow",
    "no-gate": "cyan",
}
_COLOURS: dict[Severity, str] = {"alert": "red", "warning": "yellow", "note": "cyan"}


def print_result(console: Console, result: AuditResult, folder: Path, seal: str) -> None:
    """Prints what an audit found and where its documents are.

    Args:
        console: where to print.
        result: the audit's result.
        folder: its run folder.
        seal: the seal of that folder.
    """
    summary = result.summary
    accuracy = percent(summary.accuracy.value, 1) if summary.accuracy else "not measurable"
    console.print(
        f"\n{plural(summary.n_evaluated, 'sample')}, accuracy {accuracy}, "
        f"{plural(summary.n_failures, 'failure')}, "
        f"{summary.n_unusable} unusable"
    )
    for text in (
        population_text(result.population, summary),
        decision_text(result.decision, summary),
        clusters_text(result.clusters, summary),
    ):
        if text:
            console.print(escape(text), soft_wrap=True)
    _print_findings(console, result)
    _print_outcome(console, result.outcome)
    print_paths(console, (folder / name for name in ("report.html", "report.pdf")), "report: ")
    console.print(
        f"[dim]seal: {seal} (note it outside this folder, for `auditor verify --seal`)[/]",
        soft_wrap=True,
    )


def _print_outcome(console: Console, outcome: AuditOutcome) -> None:
    colour = _OUTCOME_COLOURS[outcome.state]
    console.print(f"outcome: [bold {colour}]{OUTCOME_NAMES[outcome.state]}[/]")
    for reason in outcome.reasons[:_MAX_REASONS]:
        console.print(f"  {escape(reason.text)}", soft_wrap=True)
    if len(outcome.reasons) > _MAX_REASONS:
        more = plural(len(outcome.reasons) - _MAX_REASONS, "more reason")
        console.print(f"  … and {more} in the report")


def _print_findings(console: Console, result: AuditResult) -> None:
    tested = [finding for finding in result.findings if finding.verdict != "untestable"]
    for finding in tested[:_MAX_FINDINGS]:
        console.print(
            f"  [bold {_COLOURS[finding.severity]}]{finding.severity:<7}[/] {finding.id}  "
            f"{escape(finding.title)} [dim]({finding.verdict})[/]",
            soft_wrap=True,
        )
    if len(tested) > _MAX_FINDINGS:
        console.print(f"  … and {len(tested) - _MAX_FINDINGS} more in the report")
    if result.tested:
        console.print(f"  [dim]{count_tested(len(result.tested))}[/]", soft_wrap=True)


def print_paths(console: Console, paths: Iterable[Path], prefix: str = "") -> None:
    """Prints those of some files that exist, one per line."""
    for path in paths:
        if path.is_file():
            console.print(f"{prefix}{escape(str(path))}", soft_wrap=True)


def print_dry_run(console: Console, found: DryRun) -> None:
    """Prints what a dry run found, and its warnings."""
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in found.lines:
        table.add_row(f"[bold]{escape(name)}[/]", escape(value))
    console.print(table)
    for warning in found.warnings:
        console.print(f"[bold yellow]warning:[/] {escape(warning)}", soft_wrap=True)


def print_plan(console: Console, found: Plan) -> None:
    """Prints how many samples the criteria need as a table, and what it is based on."""
    table = Table(show_edge=False, pad_edge=False)
    table.add_column("criterion", overflow="fold", min_width=20)
    for name in ("slices", "assumed", "samples per slice"):
        table.add_column(name, justify="right")
    if found.clustered:
        table.add_column("clusters", justify="right")
    table.add_column("in all", justify="right")
    with_data = any(row.smallest is not None for row in found.rows)
    if with_data:
        table.add_column("least now", justify="right")
    for row in found.rows:
        samples = _planned(row.samples)
        if row.what and row.counted is not None and row.clusters is None:
            samples += f" ({count(row.counted)} {row.what})"
        table.add_row(
            escape(row.name),
            count(row.n_questions),
            NOT_AVAILABLE if isnan(row.assumed) else f"{row.assumed:g}",
            samples,
            *([_planned(row.clusters)] if found.clustered else []),
            _planned(row.total),
            *([_planned(row.smallest)] if with_data else []),
        )
    console.print(table)
    for line in found.sentences:
        console.print(escape(line), soft_wrap=True)


def _planned(number: int | None) -> str:
    return NOT_AVAILABLE if number is None else count(number)


def print_explained(console: Console, images: Sequence[ExplainedImage]) -> None:
    """Prints prediction, explained class and sheet of each image."""
    for one in images:
        panels = ", ".join(["image", "Grad-CAM", *([one.detail] if one.detail else [])])
        console.print(
            f"{one.image}: predicted {one.predicted}; {one.target} has {percent(one.confidence, 1)}, "
            f"Grad-CAM mass {one.mass:.4g}\n  {one.sheet} ({panels})",
            soft_wrap=True,
            markup=False,
        )


def print_verification(console: Console, found: Verification, *, seal_given: bool) -> None:
    """Prints what was altered in a run folder, its seal, and whether it is intact."""
    changes = (
        *(("altered", name) for name in found.altered),
        *(("missing", name) for name in found.missing),
        *(("added", name) for name in found.added),
        *(("contradiction", sentence) for sentence in found.contradictions),
    )
    for change, subject in changes:
        console.print(f"[bold red]{change:<7}[/] {escape(subject)}", soft_wrap=True)
    console.print(f"seal: {found.seal}", soft_wrap=True)
    if found.ok:
        hint = "" if seal_given else "; compare the seal with the noted one (--seal)"
        console.print(
            f"{found.n_files} files, intact: no file was altered, removed or added{hint}",
            soft_wrap=True,
        )


def print_selftest(console: Console, found: SelfTest) -> None:
    """Prints the detection rates of a self-test as a table, and its sentences."""
    table = Table(title=found.heading, title_justify="left", show_edge=False)
    for name in ("attribute", *found.columns):
        table.add_column(escape(name))
    for row in found.rows:
        table.add_row(*map(escape, row))
    console.print(table)
    for line in found.sentences:
        console.print(escape(line), soft_wrap=True)


def print_plugins(console: Console, kind: str, plugins: dict[str, type[Options]]) -> None:
    """Prints the plug-ins of one kind with their options and defaults."""
    console.print(f"\n[bold]{kind}[/]")
    for name, plugin in plugins.items():
        summary = (plugin.__doc__ or "").strip().splitlines()[0]
        console.print(f"  [bold cyan]{name}[/]  {escape(summary)}", soft_wrap=True)
        for key, field in plugin.model_fields.items():
            console.print(
                f"      {key} ({escape(_default(field))})  {escape(field.description or '')}",
                soft_wrap=True,
            )


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return json.dumps(field.get_default(call_default_factory=True), default=str)
