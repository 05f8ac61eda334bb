"""Properties that were computed from the images, as categories."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from auditor.attributes.categories import CutRule
from auditor.attributes.cells import Floats, stored_cells
from auditor.config import SliceSection
from auditor.imaging import properties
from auditor.records import Skipped
from auditor.records.image_properties import in_words
from auditor.records.predictions import property_name
from auditor.statistics.bands import are_integers, band_edges


def cut_computed(
    predictions: pd.DataFrame, names: Sequence[str], section: SliceSection
) -> tuple[list[str], list[Skipped]]:
    """Makes computed properties categorical, in place.

    Args:
        predictions: the evaluated samples.
        names: names of the columns.
        section: smallest support, bands and their edges.

    Returns:
        The properties that can be compared, and the reasons why others cannot.
    """
    varied, uniform = [], []
    for name in names:
        cells = stored_cells(predictions[name])
        flat = _hardly_varies(cells.numbers, properties.NEGLIGIBLE.get(property_name(name)))
        edges = None
        if cells.numbers is not None and not flat:
            edges = band_edges(cells.numbers, section.edges.get(name), section.quantiles)
        integers = cells.numbers is not None and are_integers(cells.numbers)
        predictions[name] = CutRule(edges, frozenset(), None, integers).categories(cells)
        sizes = predictions[name].value_counts()
        if flat or int((sizes >= section.min_support).sum()) < 2:
            uniform.append(name)
        else:
            varied.append(name)
    if not uniform:
        return varied, []
    reason = (
        f"{', '.join(map(in_words, uniform))}: the same for nearly all images, or different in fewer than "
        f"{section.min_support}; there is nothing to compare"
    )
    return varied, [Skipped(check="image-properties", reason=reason)]


def _hardly_varies(numbers: Floats | None, negligible: float | None) -> bool:
    """Whether the range of the middle 95 % of the values is negligible."""
    if numbers is None or negligible is None:
        return False
    finite = numbers[np.isfinite(numbers)]
    # If only some files have the number, files with and without it can be compared.
    if 0 < len(finite) < len(numbers):
        return False
    low, high = np.quantile(finite, (0.025, 0.975)) if len(finite) else (0.0, 0.0)
    return bool(high - low < negligible)
