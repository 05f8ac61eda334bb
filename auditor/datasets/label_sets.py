"""Several labels per sample: sets of names, matched with the labels of a multi-label model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auditor.datasets.labels import map_labels, resolve_classes
from auditor.errors import DataError


def split_labels(column: pd.Series[Any], separator: str) -> pd.Series[Any]:
    """Cells with several labels as tuples of names.

    Args:
        column: text such as ``cat|dog``, or lists; empty and missing cells mean no label.
        separator: between the labels of a text, such as ``|``.

    Returns:
        One tuple per row, without blanks around names.
    """
    return pd.Series([_names(cell, separator) for cell in column], index=column.index, dtype=object)


def labels_of_columns(table: pd.DataFrame, columns: Sequence[str], place: str) -> pd.Series[Any]:
    """One column of 0 and 1 per label as tuples of names.

    Args:
        table: rows with these columns.
        columns: the labels.
        place: file and option, for the message.

    Raises:
        DataError: a cell is neither 0 nor 1.
    """
    present = np.zeros((len(table), len(columns)), dtype=bool)
    for k, name in enumerate(columns):
        cells = table[name].astype(str).str.strip().str.lower()
        present[:, k] = cells.isin(_YES)
        wrong = ~(cells.isin(_YES) | cells.isin(_NO)).to_numpy(dtype=bool)
        if wrong.any():
            first = int(np.flatnonzero(wrong)[0])
            raise DataError(
                f"{place}: expected 0 or 1 in the column {name!r}; {int(wrong.sum())} of {len(table)} "
                f"rows have something else, first row {first + 1}: {table[name].iloc[first]!r}"
            )
    names = np.array(columns, dtype=object)
    return pd.Series([tuple(names[row]) for row in present], index=table.index, dtype=object)


def resolve_labels(
    config_classes: Sequence[str] | None,
    model_classes: Sequence[str] | None,
    data_classes: Sequence[str] | None,
    labels: pd.Series[Any],
) -> tuple[str, ...]:
    """Names of the labels in the order of the model's outputs; see `resolve_classes`."""
    flat = pd.Series([name for cell in labels for name in _names(cell, None)], dtype=object)
    return resolve_classes(config_classes, model_classes, data_classes, flat)


def map_label_sets(labels: pd.Series[Any], names: Sequence[str]) -> NDArray[np.bool_]:
    """Which labels each sample has.

    Args:
        labels: a tuple, list, array or tensor of names or indices per sample, index = sample id. A
            single name or number counts as one label, a missing cell as none, and an array or tensor
            of L booleans or of L numbers 0 and 1 as one column per label.
        names: L names in the order of the model's outputs.

    Returns:
        (N, L).

    Raises:
        DataError: a label matches no name; the message lists the first five. Or an index is repeated,
            as in a list of zeros and ones.
    """
    sets = [
        tuple(np.flatnonzero(cell)) if _is_indicator(cell, len(names)) else _names(cell, None)
        for cell in labels
    ]
    present = np.zeros((len(sets), len(names)), dtype=bool)
    rows = np.repeat(np.arange(len(sets)), [len(one) for one in sets])
    _require_distinct_indices(sets, labels.index)
    flat = pd.Series([name for one in sets for name in one], index=labels.index[rows], dtype=object)
    if len(flat):
        present[rows, map_labels(flat, names)] = True
    return present


_YES = ("1", "1.0", "true", "yes")
_NO = ("0", "0.0", "false", "no", "")


def _is_indicator(cell: object, n_labels: int) -> bool:
    """Whether a cell is an array with one entry per label."""
    if not hasattr(cell, "__array__"):
        return False
    array = np.asarray(cell)
    return array.shape == (n_labels,) and bool(np.isin(array, (0, 1)).all())


def _names(cell: object, separator: str | None) -> tuple[Any, ...]:
    """The labels in one cell."""
    if isinstance(cell, str):
        parts: Iterable[str] = cell.split(separator) if separator else [cell]
        return tuple(part.strip() for part in parts if part.strip())
    if cell is None or cell is pd.NA or (isinstance(cell, float) and np.isnan(cell)):
        return ()
    if hasattr(cell, "__array__"):
        return tuple(np.atleast_1d(np.asarray(cell)))
    if isinstance(cell, list | tuple | set | frozenset):
        return tuple(cell)
    return (cell,)


def _require_distinct_indices(sets: Sequence[tuple[Any, ...]], samples: pd.Index[Any]) -> None:
    """A list such as [1, 0, 1] does not say whether it consists of indices or of zeros and ones."""
    repeated = [
        row
        for row, one in enumerate(sets)
        if len(set(one)) < len(one) and not any(isinstance(name, str) for name in one)
    ]
    if repeated:
        first = repeated[0]
        raise DataError(
            f"label: expected each index at most once; {len(repeated)} of {len(sets)} samples repeat one, "
            f"first {samples[first]}: {', '.join(map(str, sets[first]))}: for zeros and ones, pass "
            "arrays from Python, or one column per label with data.labels"
        )
