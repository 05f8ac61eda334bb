"""Joins the blocks of explanations: records, mean maps, and what was left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from auditor.evaluated_samples import EvaluatedSamples
from auditor.explanation_files import MeanMaps, read_records
from auditor.judging.broken_parts import BrokenParts
from auditor.phrasing import count, plural
from auditor.records import (
    ExplanationsRecord,
    MapRecord,
    Maps,
    PreflightRecord,
    SampleSelection,
    Skipped,
)
from auditor.stages.explained_blocks import (
    ExplainedBlock,
    add_cell_maps,
    broken_part,
    complete_blocks,
    fingerprints,
    joined,
    used_blocks,
)
from auditor.stages.kept_outputs import keep_maps

NAME = "explain"
"""Of the stage, in the list of what could not be done."""
NOTHING_EXPLAINED = ExplanationsRecord(
    explainer="none",
    preflight=PreflightRecord(status="undefined", reason="no sample was explained"),
)
"""The record of an audit without maps."""


@dataclass(frozen=True)
class Explained:
    """Result of the explain stage.

    Attributes:
        record: what was explained, with references to the files.
        maps: the maps of the cells' samples, for the checks; None where there are no cells.
        n_explained: number of failures and contrasts with maps.
        skipped: images without maps, counted.
    """

    record: ExplanationsRecord = NOTHING_EXPLAINED
    maps: Maps | None = None
    n_explained: int = 0
    skipped: tuple[Skipped, ...] = ()


def merge_explanations(
    samples: EvaluatedSamples,
    selection: SampleSelection,
    folder: Path,
    broken: BrokenParts,
    *,
    exact: bool = False,
) -> Explained:
    """What all blocks say together, with the mean maps, which are written.

    Args:
        samples: the evaluated samples.
        selection: what was explained.
        folder: ``explanations/`` of the run, with all blocks.
        broken: collects why the maps of some images could not be computed.
        exact: whether the maps are exact, so that they are kept for the checks.
    """
    used = used_blocks(complete_blocks(folder, fingerprints(samples, selection)))
    means = MeanMaps(selection.cells)
    failures: list[MapRecord] = []
    contrasts: list[MapRecord] = []
    for block in used:
        add_cell_maps(means, folder, block.number)
        if block.n_explained:
            for kind, one in read_records(folder, block.number):
                (failures if kind == "failure" else contrasts).append(one)
    if exact:
        keep_maps(samples, selection, folder, [one.number for one in used])
    n_tried = sum(one.n_tried for one in used)
    n_raised = sum(one.raised.n for one in used if one.raised is not None)
    if n_raised:
        broken.parts.append(broken_part(used, NAME, _share(n_raised, n_tried)))
    with_maps = [one for one in used if one.explainer != NOTHING_EXPLAINED.explainer]
    last = with_maps[-1] if with_maps else NOTHING_EXPLAINED
    record = ExplanationsRecord(
        explainer=last.explainer,
        preflight=last.preflight,
        failures=failures,
        contrasts=contrasts,
        means=means.write(folder),
    )
    skipped = tuple(_skipped(used, len(selection.jobs)))
    return Explained(record, means.maps(), sum(one.n_explained for one in used), skipped)


def _skipped(used: Sequence[ExplainedBlock], total: int) -> Iterator[Skipped]:
    """Images that can no longer be read, and maps that are not finite."""
    for word in dict.fromkeys(word for one in used for word in one.lost):
        lost = joined(one.lost.get(word) for one in used)
        if lost is not None:
            share = f"{_share(lost.n, total)}, such as {lost.first}"
            reason = f"no maps of {share}: readable when they were predicted, and then {word}"
            yield Skipped(check=NAME, reason=reason)
    for some, what in (
        (
            joined(one.not_finite for one in used),
            "no maps of {}: their Grad-CAM is not finite (NaN or infinity)",
        ),
        (
            joined(one.without_detail for one in used),
            "the detail view of {} is empty: it is not finite",
        ),
    ):
        if some is not None:
            share = f"{_share(some.n, total)}, such as {some.first}"
            yield Skipped(check=NAME, reason=what.format(share))


def _share(n: int, total: int) -> str:
    return f"{count(n)} of {plural(total, 'image')}"
