"""Contact sheets: random samples of the slices of findings, failures beside correct ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auditor.comparisons.slice_counts import slice_identity
from auditor.errors import DataError
from auditor.evaluated_samples import EvaluatedSamples
from auditor.records import ContactSheet, Finding, SheetImage, Slice, SliceKey
from auditor.records.predictions import LABEL, PREDICTED, SAMPLE
from auditor.statistics import Integers
from auditor.thumbnails import Thumbnails

_SHEETS = 8
"""Slices with a contact sheet, those of the most severe findings."""
_IMAGES = 12
"""Images of a contact sheet; half of them are failures, where there are enough of both."""
_EDGE = 96
"""Longest side of an image, in pixels."""


def contact_sheets(
    samples: EvaluatedSamples,
    findings: Sequence[Finding],
    slices: Iterable[Slice],
    folder: Path,
    seed: int,
) -> list[ContactSheet]:
    """Draws samples of the slices of findings and stores their images.

    Findings about the data show groups of images instead, and those about all samples have no slice.

    Args:
        samples: the evaluated samples.
        findings: the most severe first.
        slices: all slices, with the rows of each.
        folder: ``explanations/`` of the run; receives the images.
        seed: of the draw.
    """
    rows_of = {slice_identity(one.key): one.rows for one in slices}
    shown = {
        slice_identity(one.slice): one.slice
        for one in findings
        if one.kind != "data" and (one.slice.attributes or one.slice.label or one.slice.predicted)
    }
    table, thumbnails = samples.table, Thumbnails(folder, "sheets", _EDGE)
    failure = (table[LABEL].astype(str) != table[PREDICTED].astype(str)).to_numpy()
    drawn = []
    for key in list(shown.values())[:_SHEETS]:
        rows = _rows(table, key, rows_of.get(slice_identity(_without_predicted(key))))
        split = rows[failure[rows]], rows[~failure[rows]]
        drawn.append((key, split, _drawn(*split, np.random.default_rng(seed))))
    wanted = np.unique(np.concatenate([np.zeros(0, np.int64), *(one for _, _, one in drawn)]))
    references = dict(_stored(samples, wanted, thumbnails))
    thumbnails.write()
    return [
        ContactSheet(
            slice=key,
            n_failures=len(split[0]),
            n_correct=len(split[1]),
            images=[
                SheetImage(
                    sample=str(table[SAMPLE].iloc[row]),
                    label=str(table[LABEL].iloc[row]),
                    predicted=str(table[PREDICTED].iloc[row]),
                    failure=bool(failure[row]),
                    image=references[row],
                )
                for row in map(int, chosen)
                if row in references
            ],
        )
        for key, split, chosen in drawn
        if len(chosen)
    ]


def _without_predicted(key: SliceKey) -> SliceKey:
    return key.model_copy(update={"predicted": None})


def _rows(table: pd.DataFrame, key: SliceKey, known: Integers | None) -> Integers:
    """The rows of a slice; those of a slice without a record are searched by their values."""
    inside = np.ones(len(table), dtype=np.bool_)
    if known is not None:
        inside = np.isin(np.arange(len(table)), known)
    else:
        conditions = [*key.attributes.items(), *([(LABEL, key.label)] if key.label else [])]
        for name, value in conditions:
            inside &= (table[name].astype(str) == value).to_numpy() if name in table else False
    if key.predicted is not None:
        inside &= (table[PREDICTED].astype(str) == key.predicted).to_numpy()
    return np.flatnonzero(inside)


def _drawn(failures: Integers, correct: Integers, generator: np.random.Generator) -> Integers:
    """Half of the images from each, and more from one where the other has too few."""
    n_correct = min(len(correct), max(_IMAGES // 2, _IMAGES - len(failures)))
    parts = ((failures, min(len(failures), _IMAGES - n_correct)), (correct, n_correct))
    chosen: list[NDArray[np.int64]] = [generator.permutation(rows)[:n] for rows, n in parts]
    return np.concatenate(chosen)


def _stored(
    samples: EvaluatedSamples, rows: Integers, thumbnails: Thumbnails
) -> Iterator[tuple[int, str]]:
    """References of the images by row; an image that can no longer be read has none."""
    for row in rows:
        try:
            (image,) = samples.images(np.array([row]))
        except DataError:
            continue
        yield int(row), thumbnails.keep(image)
