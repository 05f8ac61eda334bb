"""Selection rates and impact ratios, for models that choose people.

``about.selected`` in the configuration names the class that counts as selected, ``about.sensitive``
the attributes whose categories are compared. The rates are those of the predictions; labels are not
used.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from auditor.disclosure.cells import Cell, cell_of, withheld_cells
from auditor.records import MISSING, AuditResult
from auditor.records.selection import CategoryRate, RateTable, SelectionRates

_SMALL = 0.02
"""Share of the samples below which a category is marked as small."""


def selection_rates(
    result: AuditResult, samples: pd.DataFrame, least: int = 1
) -> SelectionRates | None:
    """Computes selection rates.

    Args:
        result: the audit as it is shown. Its configuration names the class and the attributes; a table of
            two attributes that withholds a slice is empty: the slice would reveal another withheld cell.
        samples: the evaluated samples, with ``predicted`` and the attributes.
        least: smallest number of samples of a category that is shown.

    Returns:
        The rates; None where the configuration names no class of the model, or no attribute. Those of a
        redacted copy, whose samples lack the attributes, were computed when it was written.
    """
    if result.redaction is not None:
        return result.redaction.selection
    about = result.provenance.stated.about
    chosen, names = about.selected, about.sensitive
    if chosen is None or not names or chosen not in {one.name for one in result.classes}:
        return None
    present = [name for name in names if name in samples]
    selected = samples["predicted"].astype(str) == str(chosen)
    compared: list[tuple[str, ...]] = [(name,) for name in present]
    compared += list(combinations(present, 2))
    withheld = withheld_cells(_counts(samples, compared), present, least)
    shown = {cell_of(one) for one in result.slices if not one.tail}
    undone = {frozenset(name for name, _ in cell) for cell in withheld & shown if len(cell) > 1}
    return SelectionRates(
        selected=str(chosen),
        tables=tuple(
            _rate_table(samples, selected, one, withheld, empty=frozenset(one) in undone)
            for one in compared
        ),
        absent=tuple(name for name in names if name not in present),
    )


def _counts(samples: pd.DataFrame, compared: Sequence[tuple[str, ...]]) -> dict[Cell, int]:
    """Number of samples of all categories, unknown ones among them, and of all samples."""
    counts: dict[Cell, int] = {frozenset(): len(samples)}
    for names in compared:
        values = samples[list(names)].astype(object).fillna(MISSING).astype(str)
        for key, n in values.value_counts().items():
            parts = key if isinstance(key, tuple) else (key,)
            counts[_cell(names, map(str, parts))] = int(n)
    return counts


def _cell(names: Sequence[str], values: Iterable[str]) -> Cell:
    return frozenset(zip(names, values, strict=True))


def _rate_table(
    samples: pd.DataFrame,
    selected: pd.Series[bool],
    attributes: Sequence[str],
    withheld: Collection[Cell],
    *,
    empty: bool,
) -> RateTable:
    values = samples[list(attributes)].astype(object)
    unknown = (values.isna() | (values == MISSING)).any(axis=1)
    known = values[~unknown].astype(str).assign(**{"": selected[~unknown]})
    counts = known.groupby(list(attributes))[""].agg(["size", "sum"])
    keys = [key if isinstance(key, tuple) else (key,) for key in counts.index]
    shown = np.array(
        [not empty and _cell(attributes, map(str, key)) not in withheld for key in keys], dtype=bool
    )
    counts, n_withheld = counts[shown], int((~shown).sum())
    highest = float((counts["sum"] / counts["size"]).max()) if len(counts) else 0.0
    categories = tuple(
        CategoryRate(
            names=tuple(map(str, key if isinstance(key, tuple) else (key,))),
            support=int(n),
            selected=int(k),
            rate=k / n,
            ratio=k / n / highest if highest > 0 else None,
            is_small=n < _SMALL * len(known),
        )
        for key, n, k in zip(counts.index, counts["size"], counts["sum"], strict=True)
    )
    hidden = n_withheld or any((name, MISSING) in cell for cell in withheld for name in attributes)
    return RateTable(
        attributes=tuple(attributes),
        categories=categories,
        unknown=None if hidden else int(unknown.sum()),
        n_withheld=n_withheld,
    )
