"""What the commands print: outcomes, tables and lists, on a rich console."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from auditor.console import line
from auditor.disclosure.result import disclosed
from auditor.phrasing import NOT_AVAILABLE, count, percent, plural, several
from auditor.phrasing.clusters import clusters_text
from auditor.phrasing.decisions import decision_text
from auditor.phrasing.glossary import OUTCOME_NAMES
from auditor.phrasing.population import population_text
from auditor.records import AuditOutcome, AuditResult, OutcomeState, Severity
from auditor.report.view.criteria import criterion_views
from auditor.report.view.tested import count_tested

if TYPE_CHECKING:  # imported only for annotations: the command line must start without torch
    from auditor.dry_run import DryRun
    from auditor.explain_images import ExplainedImage
    from auditor.planning import Plan
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
    result = disclosed(result).result  # the log of a build may be public
    summary = result.summary
    accuracy = percent(summary.accuracy.value, 1) if summary.accuracy else "not measurable"
    unusable = f" ({count(summary.n_unusable)} unusable)" if summary.n_unusable else ""
    counts = (
        f"{count(summary.n_evaluated)} of {plural(summary.n_samples, 'sample')} evaluated{unusable}: "
        f"accuracy {accuracy}, {plural(summary.n_failures, 'failure')}"
    )
    described = (
        population_text(result.population, summary),
        decision_text(result.decision, summary),
        clusters_text(result.clusters, summary),
    )
    print_lines(console, ("", counts, *(text for text in described if text)))
    _print_findings(console, result)
    _print_outcome(console, result.outcome)
    _print_not_blocking(console, result)
    print_paths(console, (folder / name for name in ("report.html", "report.pdf")), "report: ")
    hint = f"seal: {seal} (note it outside this folder, for `auditor verify --seal`)"
    console.print(line((hint, "dim")), soft_wrap=True)


def _print_outcome(console: Console, outcome: AuditOutcome) -> None:
    colour = _OUTCOME_COLOURS[outcome.state]
    console.print(line("outcome: ", (OUTCOME_NAMES[outcome.state], f"bold {colour}")))
    print_lines(console, (f"  {reason.text}" for reason in outcome.reasons[:_MAX_REASONS]))
    if len(outcome.reasons) > _MAX_REASONS:
        more = plural(len(outcome.reasons) - _MAX_REASONS, "more reason")
        print_lines(console, [f"  … and {more} in the report"])


def _print_not_blocking(console: Console, result: AuditResult) -> None:
    """Prints which criteria are not met although the outcome does not depend on them."""
    views = [one for one in criterion_views(result.criteria) if not one.blocking]
    for state in ("missed", "undecided"):
        names = [one.name for one in views if one.state == state]
        if names:
            said = f"  {state}, without blocking the gate: {several(names, _MAX_REASONS)}"
            print_lines(console, [said])


def _print_findings(console: Console, result: AuditResult) -> None:
    tested = [finding for finding in result.findings if finding.verdict != "untestable"]
    for finding in tested[:_MAX_FINDINGS]:
        shown = line(
            "  ",
            (f"{finding.severity:<7}", f"bold {_COLOURS[finding.severity]}"),
            f" {finding.id}  {finding.title} ",
            (f"({finding.verdict})", "dim"),
        )
        console.print(shown, soft_wrap=True)
    if len(tested) > _MAX_FINDINGS:
        print_lines(console, [f"  … and {len(tested) - _MAX_FINDINGS} more in the report"])
    if result.tested:
        console.print(line((f"  {count_tested(len(result.tested))}", "dim")), soft_wrap=True)


def print_lines(console: Console, texts: Iterable[str]) -> None:
    """Prints texts as they are, one per line."""
    for text in texts:
        console.print(line(text), soft_wrap=True)


def print_paths(console: Console, paths: Iterable[Path], prefix: str = "") -> None:
    """Prints those of some files and folders that exist, one per line."""
    print_lines(console, (f"{prefix}{path}" for path in paths if path.exists()))


def print_dry_run(console: Console, found: DryRun) -> None:
    """Prints what a dry run found, and its warnings."""
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in found.lines:
        table.add_row(line((name, "bold")), line(value))
    console.print(table)
    for warning in found.warnings:
        console.print(line(("warning:", "bold yellow"), f" {warning}"), soft_wrap=True)


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
            line(row.name),
            count(row.n_questions),
            NOT_AVAILABLE if isnan(row.assumed) else f"{row.assumed:g}",
            line(samples),
            *([_planned(row.clusters)] if found.clustered else []),
            _planned(row.total),
            *([_planned(row.smallest)] if with_data else []),
        )
    console.print(table)
    print_lines(console, found.sentences)


def _planned(number: int | None) -> str:
    return NOT_AVAILABLE if number is None else count(number)


def print_explained(console: Console, images: Sequence[ExplainedImage]) -> None:
    """Prints prediction, explained class and sheet of each image."""
    for one in images:
        panels = ", ".join(["image", "Grad-CAM", *([one.detail] if one.detail else [])])
        said = (
            f"{one.image}: predicted {one.predicted}; {one.target} has {percent(one.confidence, 1)}, "
            f"Grad-CAM mass {one.mass:.4g}"
        )
        print_lines(console, (said, f"  {one.sheet} ({panels})"))


def print_verification(console: Console, found: Verification, *, seal_given: bool) -> None:
    """Prints what was altered in a run folder, its seal, and whether it is intact."""
    changes = (
        *(("altered", name) for name in found.altered),
        *(("missing", name) for name in found.missing),
        *(("added", name) for name in found.added),
        *(("contradiction", sentence) for sentence in found.contradictions),
    )
    for change, subject in changes:
        console.print(line((f"{change:<7}", "bold red"), f" {subject}"), soft_wrap=True)
    print_lines(console, [f"seal: {found.full_seal}", f"seal of the results: {found.seal}"])
    if found.signed_with is not None:
        print_lines(console, [f"signature: made with the private part of {found.signed_with}"])
    if found.ok:
        hint = "" if seal_given else "; compare the seal with the noted one (--seal)"
        if found.results_only:
            hint = "; the given seal covers the results, not the documents"
        intact = f"{found.n_files} files, intact: no file was altered, removed or added{hint}"
        print_lines(console, [intact])


def print_selftest(console: Console, found: SelfTest) -> None:
    """Prints the detection rates of a self-test as a table, and its sentences."""
    table = Table(title=line(found.heading), title_justify="left", show_edge=False)
    for name in ("attribute", *found.columns):
        table.add_column(line(name))
    for row in found.rows:
        table.add_row(*map(line, row))
    console.print(table)
    print_lines(console, found.sentences)
