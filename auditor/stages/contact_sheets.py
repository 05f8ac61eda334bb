"""Contact sheets: random samples of the slices of findings, failures beside correct ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from auditor.comparisons.finding_slices import finding_slices, rows_of_slice
from auditor.errors import DataError
from auditor.evaluated_samples import EvaluatedSamples
from auditor.records import AuditData, ContactSheet, Finding, SheetImage
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
    samples: EvaluatedSamples, audit: AuditData, findings: Sequence[Finding], folder: Path
) -> list[ContactSheet]:
    """Draws samples of the slices of findings and stores their images.

    Findings about the data show groups of images instead, and those about all samples have no slice.

    Args:
        samples: the evaluated samples.
        audit: the same as the checks see them, with the seed of the draw.
        findings: the most severe first.
        folder: ``explanations/`` of the run; receives the images.
    """
    table, thumbnails = audit.predictions, Thumbnails(folder, "sheets", _EDGE)
    failure = table["failure"].to_numpy(dtype=np.bool_)
    drawn = []
    for key in finding_slices(findings)[:_SHEETS]:
        rows = rows_of_slice(audit, key)
        split = rows[failure[rows]], rows[~failure[rows]]
        drawn.append((key, split, _drawn(*split, np.random.default_rng(audit.seed))))
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
