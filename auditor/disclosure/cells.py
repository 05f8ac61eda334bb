"""Which cells of a table of counts are withheld, so that no small group is shown or can be computed.

A cell is a set of attribute values, perhaps with a label. Cells with fewer samples than the smallest size
are withheld (primary suppression). A row with a single withheld cell would reveal it by subtraction from the
total, and so would withheld cells that are together smaller than the smallest size, or as few samples in no
listed cell. Then the smallest other cell of the row is withheld, too (complementary suppression), until no
row has such a gap.

Reference:
    Hundepool et al., "Statistical Disclosure Control", Wiley 2012, sections 4.2 and 4.4.2. Departure: rows
    are protected one after another with the smallest cell each, not by a linear programme. So intervals of
    withheld counts are not bounded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from auditor.records import SliceKey, SliceRecord

Cell = frozenset[tuple[str, str]]
"""Attributes with their values; label and prediction have names that no attribute can have."""
Row = tuple[Cell, str]
"""The cells that differ from each other in the value of one attribute: what they share, and its name."""

LABEL, PREDICTED = "\0label", "\0predicted"
"""Names of label and prediction within a cell."""


def cell_of(one: SliceKey | SliceRecord) -> Cell:
    """The cell of a slice."""
    parts = dict(one.attributes)
    if one.label is not None:
        parts[LABEL] = one.label
    if isinstance(one, SliceKey) and one.predicted is not None:
        parts[PREDICTED] = one.predicted
    return frozenset(parts.items())


def touches(cell: Cell, sensitive: Collection[str]) -> bool:
    """Whether a cell is defined by a sensitive attribute."""
    return any(name in sensitive for name, _ in cell)


def withheld_cells(
    counts: Mapping[Cell, int], sensitive: Collection[str], least: int
) -> frozenset[Cell]:
    """The cells of sensitive attributes that must not be shown.

    Args:
        counts: number of samples of each cell; the empty cell has that of all samples. Cells without a
            sensitive attribute are the totals that readers know.
        sensitive: names of the sensitive attributes.
        least: smallest number of samples of a cell that is shown.

    Returns:
        The withheld cells. With a cell, all cells within it are withheld.
    """
    own = {cell: n for cell, n in counts.items() if touches(cell, sensitive)}
    withheld = {cell for cell, n in own.items() if n < least}
    rows = _rows(own)
    while True:
        before = len(withheld)
        withheld |= {cell for cell in own if _is_within(cell, withheld)}
        for (shared, _), cells in rows.items():
            if shared not in withheld:
                withheld |= _complement(cells, counts.get(shared), counts, withheld, least)
        if len(withheld) == before:
            return frozenset(withheld)


def withheld_outcomes(
    counts: Mapping[Cell, int],
    failures: Mapping[Cell, int],
    sensitive: Collection[str],
    least: int,
    least_failures: int,
) -> frozenset[Cell]:
    """The cells that must not be shown with the number of their failures.

    Besides small cells, these are the ones with few failures or few correct predictions: with a name for one
    of them, a reader would know the outcome of a person. Cells without a failure are shown; those in which
    all samples fail are not.

    Args:
        counts: number of samples of each cell, as for `withheld_cells`.
        failures: number of failures of these cells.
        sensitive: names of the sensitive attributes.
        least: smallest number of samples of a cell that is shown.
        least_failures: smallest number of failures, if there are any, and of correct predictions.
    """
    withheld = withheld_cells(counts, sensitive, least)
    if least_failures <= 1:
        return withheld
    failed = {cell: n for cell, n in failures.items() if n}
    correct = {cell: counts[cell] - n for cell, n in failures.items()}
    for table in (failed, correct):
        withheld |= withheld_cells(table, sensitive, least_failures)
    return withheld | {cell for cell in counts if any(one < cell for one in withheld)}


def _rows(cells: Iterable[Cell]) -> dict[Row, list[Cell]]:
    rows: dict[Row, list[Cell]] = defaultdict(list)
    for cell in sorted(cells, key=sorted):
        for part in cell:
            rows[cell - {part}, part[0]].append(cell)
    return rows


def _is_within(cell: Cell, withheld: Collection[Cell]) -> bool:
    """Whether a cell lies within a withheld one that has fewer conditions."""
    if len(cell) < 2:
        return False
    return any(cell - {part} in withheld for part in cell)


def _complement(
    cells: list[Cell],
    total: int | None,
    counts: Mapping[Cell, int],
    withheld: Collection[Cell],
    least: int,
) -> set[Cell]:
    """Further cells of a row that have to be withheld."""
    missing = [cell for cell in cells if cell in withheld]
    # Samples of the row in cells that are not listed are not shown either.
    unlisted = 0 if total is None else max(0, total - sum(counts[cell] for cell in cells))
    if not missing and (unlisted == 0 or unlisted >= least):
        return set()
    size = unlisted + sum(counts[cell] for cell in missing)
    n_unknown = len(missing) + (unlisted > 0)
    more: set[Cell] = set()
    for cell in sorted(set(cells) - set(missing), key=lambda one: (counts[one], sorted(one))):
        if n_unknown > 1 and size >= least:
            break
        more.add(cell)
        size += counts[cell]
        n_unknown += 1
    return more
