"""What a comparison shows, as plain data: view first, then the template."""

from __future__ import annotations

from dataclasses import dataclass

from auditor.comparison.displayed import with_display_names
from auditor.comparison.headline import STATUS, Headline, Highlight, headline, highlights
from auditor.comparison.records import Comparison, FindingChange, FindingStatus, SliceChange
from auditor.comparison.run_images import FlippedPredictions, RunImages
from auditor.phrasing import any_value
from auditor.run_folder import RunFolder

_LISTED_SLICES = 60
"""Rows of a table; the others are counted, and are in ``comparison.json``."""


@dataclass(frozen=True)
class ComparisonView:
    """Everything that a comparison shows.

    Attributes:
        comparison: the numbers.
        headline: the outcome.
        highlights: the main changes, the most important first.
        worse: slices whose error rate rose significantly.
        better: slices whose error rate fell significantly.
        unclear: tested slices without a significant change, the largest rise first; those without any
            change are left out.
        scale: the largest limit of an interval among both, for their drawing; above 0.
        omitted: tested slices that are in ``comparison.json`` only.
        n_untested: slices with too few pairs.
        findings: by status; statuses without findings are left out.
        broken: correct before, misclassified after.
        fixed: misclassified before, correct after.
        differences: what is not the same in both runs, as texts.
    """

    comparison: Comparison
    headline: Headline
    highlights: tuple[Highlight, ...]
    worse: tuple[SliceChange, ...]
    better: tuple[SliceChange, ...]
    unclear: tuple[SliceChange, ...]
    scale: float
    omitted: int
    n_untested: int
    findings: tuple[tuple[FindingStatus, tuple[FindingChange, ...]], ...]
    broken: FlippedPredictions
    fixed: FlippedPredictions
    differences: tuple[tuple[str, str, str], ...]


def build_view(comparison: Comparison, before: RunFolder, after: RunFolder) -> ComparisonView:
    """Adds words and images to a comparison.

    Args:
        comparison: of these two runs.
        before: the earlier run.
        after: the later run.

    Raises:
        DataError: a run lacks images that its result refers to.
    """
    images = RunImages.of(before, after, comparison.display_names)
    comparison = with_display_names(comparison)
    slices = comparison.slices
    worse, better = (
        [one for one in slices if one.direction == direction][:_LISTED_SLICES]
        for direction in ("worse", "better")
    )
    unclear = [one for one in slices if one.direction == "unclear" and (one.broken or one.fixed)][
        :_LISTED_SLICES
    ]
    drawn = [comparison.overall, *worse, *better, *unclear]
    n_untested = sum(one.direction == "untested" for one in slices)
    return ComparisonView(
        comparison=comparison,
        headline=headline(comparison),
        highlights=tuple(highlights(comparison)),
        worse=tuple(worse),
        better=tuple(better),
        unclear=tuple(unclear),
        scale=max(max(abs(one.change.low), abs(one.change.high)) for one in drawn) or 1.0,
        omitted=len(slices) - len(worse) - len(better) - len(unclear) - n_untested,
        n_untested=n_untested,
        findings=tuple(
            (status, found)
            for status in STATUS
            if (found := tuple(one for one in comparison.findings if one.status == status))
        ),
        broken=images.views(comparison.broken),
        fixed=images.views(comparison.fixed),
        differences=tuple(
            (one.place, any_value(one.before), any_value(one.after))
            for one in comparison.differences
        ),
    )
