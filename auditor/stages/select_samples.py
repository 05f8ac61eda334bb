"""Select samples: which to explain, for which targets, and which belong to which mean map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auditor.config import ExplainSection
from auditor.phrasing import count, plural
from auditor.records import Cell, Job, Role, SampleSelection, Skipped
from auditor.records.predictions import LABEL, PREDICTED, codes


def select_samples(
    predictions: pd.DataFrame,
    failures: NDArray[np.int64],
    attributes: Sequence[str],
    section: ExplainSection,
    seed: int,
) -> SampleSelection:
    """Selects the samples to explain.

    These are all failures, or the ``section.max_failures`` with the largest loss; for each of them, a
    correct sample with the same label and attribute values, or at least the same label, as long as
    there is one left; and up to ``section.mean_samples`` samples of every attribute value within every
    class. The mean maps, and all numbers, rest on the last alone, which are drawn at random.

    Args:
        predictions: the evaluated samples, as in ``AuditData.predictions``.
        failures: positions of the failures, those with the largest loss first.
        attributes: names of the categorical attribute columns.
        section: settings of the explanations.
        seed: of the random choices.

    Returns:
        The jobs and the cells.
    """
    random = np.random.default_rng(seed)
    label, predicted = codes(predictions[LABEL]), codes(predictions[PREDICTED])
    failures, left_out = _largest(failures, section.max_failures)
    contrast = (
        _matched(predictions, label, failures, attributes, random) if section.contrast else []
    )
    cells, skipped = _cells(predictions, attributes, section, random)
    in_cells = {int(row) for cell in cells for row in cell.rows}
    jobs: dict[int, Job] = {}
    for row in failures:
        targets: dict[Role, int] = {"predicted": int(predicted[row]), "label": int(label[row])}
        # Mean maps show the evidence for the label, whichever targets of failures are explained.
        roles = [
            role
            for role in targets
            if role in section.targets or (role == "label" and row in in_cells)
        ]
        jobs[int(row)] = Job(int(row), "failure", tuple((role, targets[role]) for role in roles))
    jobs |= {row: Job(row, "contrast", (("label", int(label[row])),)) for row in contrast}
    for row in sorted(in_cells - jobs.keys()):
        jobs[row] = Job(row, "mean", (("label", int(label[row])),))
    return SampleSelection(tuple(jobs.values()), tuple(cells), (*left_out, *skipped))


def _largest(
    failures: NDArray[np.int64], most: int | None
) -> tuple[NDArray[np.int64], list[Skipped]]:
    """The failures to explain, and how many are left out."""
    if most is None or len(failures) <= most:
        return failures, []
    reason = (
        f"no maps of {count(len(failures) - most)} of {plural(len(failures), 'failure')}: those of the "
        f"{count(most)} with the largest loss were made (explain.max_failures)"
    )
    return failures[:most], [Skipped(check="explain", reason=reason)]


def _matched(
    predictions: pd.DataFrame,
    label: NDArray[np.int64],
    failures: NDArray[np.int64],
    attributes: Sequence[str],
    random: np.random.Generator,
) -> list[int]:
    """A correct sample for each failure: of the same slice, or else of the same label."""
    slice_of = label.copy()
    for name in attributes:
        values = codes(predictions[name])
        _, slice_of = np.unique(slice_of * (values.max() + 2) + values, return_inverse=True)
        slice_of = slice_of.astype(np.int64)
    correct = random.permutation(np.flatnonzero(~predictions["failure"].to_numpy(dtype=bool)))
    taken: list[NDArray[np.int64]] = []
    left = np.asarray(failures, dtype=np.int64)
    free = np.ones(len(predictions), dtype=bool)
    for key in (slice_of, label):
        pool = correct[free[correct]]
        pool = pool[np.argsort(key[pool], kind="stable")]
        # Of each key, the first failure takes the last sample of the pool, and so on.
        begin, end = (np.searchsorted(key[pool], key[left], side) for side in ("left", "right"))
        place = end - 1 - _rank_within(key[left])
        found = place >= begin
        taken.append(pool[place[found]])
        free[taken[-1]] = False
        left = left[~found]
    return [int(row) for row in np.concatenate(taken)]


def _rank_within(key: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of each element, the number of earlier ones with the same key."""
    order = np.argsort(key, kind="stable")
    _, starts, sizes = np.unique(key[order], return_index=True, return_counts=True)
    rank = np.empty(len(key), dtype=np.int64)
    rank[order] = np.arange(len(key)) - np.repeat(starts, sizes)
    return rank


def _cells(
    predictions: pd.DataFrame,
    attributes: Sequence[str],
    section: ExplainSection,
    random: np.random.Generator,
) -> tuple[list[Cell], list[Skipped]]:
    cells: list[tuple[int, Cell]] = []
    for name in attributes:
        groups = predictions.groupby([name, "label"], observed=True, sort=True).indices
        for key, rows in groups.items():
            value, label = cast(tuple[str, str], key)
            take = min(len(rows), section.mean_samples)
            chosen = np.sort(random.choice(rows, take, replace=False)).astype(np.int64)
            cells.append((len(rows), Cell(name, str(value), str(label), chosen)))
    if len(cells) <= section.mean_cells:
        return [cell for _, cell in cells], []
    # A stable sort: cells of equal support keep the order of attributes and classes.
    largest = sorted(range(len(cells)), key=lambda k: -cells[k][0])[: section.mean_cells]
    return [cells[k][1] for k in sorted(largest)], [
        Skipped(
            check="mean maps",
            reason=f"there are {len(cells)} pairs of attribute value and class; mean maps were made "
            f"of the {section.mean_cells} with the most samples (explain.mean_cells)",
        )
    ]
