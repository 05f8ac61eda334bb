"""Contact sheets: random samples of the slices of findings."""

from __future__ import annotations

from dataclasses import dataclass

from auditor.phrasing import count, plural, slice_name
from auditor.records import SEVERITIES, AuditResult, SheetImage
from auditor.report.view.marks import Marks
from auditor.report.view.sample_cards import anchor


@dataclass(frozen=True)
class SheetView:
    """Samples of a slice.

    Attributes:
        name: of the slice.
        marked: whether charts and tables mark the slice.
        text: how many samples were drawn from how many.
        images: the failures first.
        findings: numbers and addresses of the findings about the slice.
    """

    name: str
    marked: bool
    text: str
    images: tuple[SheetImage, ...]
    findings: tuple[tuple[int, str], ...]


def sheet_views(result: AuditResult, marks: Marks) -> tuple[SheetView, ...]:
    """The contact sheets of an audit.

    Args:
        result: the audit.
        marks: what charts and tables mark.
    """
    ordered = sorted(result.findings, key=lambda one: -SEVERITIES.index(one.severity))
    views = []
    for sheet in result.explanations.sheets:
        failures = sum(one.failure for one in sheet.images)
        correct = len(sheet.images) - failures
        key = sheet.slice
        views.append(
            SheetView(
                name=slice_name(key),
                marked=key.predicted is None and marks.slice(key.attributes, key.label),
                text=f"{count(failures)} of {plural(sheet.n_failures, 'failure')} and {count(correct)} of "
                f"{count(sheet.n_correct)} correct predictions, drawn at random",
                images=tuple(sheet.images),
                findings=tuple(
                    (number, anchor("finding", one.id))
                    for number, one in enumerate(ordered, start=1)
                    if one.slice == key
                ),
            )
        )
    return tuple(views)
