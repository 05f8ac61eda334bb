"""A comparison without small cells of sensitive attributes."""

from __future__ import annotations

from collections.abc import Sequence

from auditor.comparison.records import Comparison, FindingChange, FindingRef, SliceChange
from auditor.disclosure.cells import Cell, cell_of, touches, withheld_cells
from auditor.disclosure.result import disclosed
from auditor.disclosure.texts import Wording, is_few
from auditor.records import AuditResult, Estimate


def sensitive_attributes(results: Sequence[AuditResult]) -> tuple[str, ...]:
    """The attributes that either run marks as sensitive."""
    names = (name for one in results for name in one.provenance.stated.about.sensitive)
    return tuple(dict.fromkeys(names))


def without_small_cells(comparison: Comparison, results: Sequence[AuditResult]) -> Comparison:
    """A comparison as it may be shown; what it concludes stays as it is.

    Args:
        comparison: of two runs.
        results: of the earlier and the later run.
    """
    sensitive = sensitive_attributes(results)
    if not sensitive:
        return comparison
    least = max(one.provenance.stated.report.min_cell for one in results)
    counts: dict[Cell, int] = {cell_of(one.slice): one.support for one in comparison.slices}
    counts[frozenset()] = comparison.overall.support
    few = max(one.provenance.stated.report.min_failures for one in results)
    withheld = withheld_cells(counts, sensitive, least)
    if few > 1:
        withheld |= {
            cell_of(one.slice)
            for one in comparison.slices
            if touches(cell_of(one.slice), sensitive) and _has_few(one, few)
        }
    for one in results:
        withheld |= disclosed(one).wording.withheld
    wording = Wording(withheld, sensitive, least, comparison.display_names, few)
    slices = (_slice(one, wording) for one in comparison.slices)
    return comparison.model_copy(
        update={
            "slices": [one for one in slices if one is not None],
            "findings": [_finding(one, wording) for one in comparison.findings],
        }
    )


def _has_few(one: SliceChange, least: int) -> bool:
    """Whether few samples failed or were correct in one of the runs, or changed between them."""
    counts = (one.failures_before, one.failures_after, one.broken, one.fixed)
    return any(is_few(n, one.support, least) for n in counts)


def _slice(one: SliceChange, wording: Wording) -> SliceChange | None:
    """A slice; one that is withheld is left out, or has neither value nor counts if it blocks the gate."""
    if cell_of(one.slice) not in wording.withheld:
        return one
    if not one.blocks:
        return None
    # Exact rates would reveal the counts.
    change = Estimate(**{name: round(n, 2) for name, n in one.change.model_dump().items()})
    counts = ("support", "failures_before", "failures_after", "broken", "fixed")
    return one.model_copy(
        update={"slice": wording.key(one.slice), "change": change, "p_value": None, "q_value": None}
        | dict.fromkeys(counts, 0)
    )


def _finding(one: FindingChange, wording: Wording) -> FindingChange:
    hidden = cell_of(one.slice) in wording.withheld
    before, after = (_reference(each, one, hidden, wording) for each in (one.before, one.after))
    key = wording.key(one.slice) if hidden else one.slice
    return one.model_copy(update={"slice": key, "before": before, "after": after})


def _reference(
    found: FindingRef | None, change: FindingChange, hidden: bool, wording: Wording
) -> FindingRef | None:
    if found is None or not (hidden or not wording.allows(found.title, wording.named(found.title))):
        return found
    return found.model_copy(update={"title": wording.title(change.slice), "effect": None})
