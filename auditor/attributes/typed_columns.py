"""Attributes of a data set, read as numbers or text, with their types: stated or guessed."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
import pandas as pd

from auditor.attributes.cells import Cells, read_cells, read_numbers, read_text
from auditor.attributes.guess import guess_type
from auditor.attributes.spelling import is_number, number_text, sorted_values
from auditor.errors import DataError
from auditor.phrasing import count, several
from auditor.records import AttributeSpec, AttributeType, Dataset, StatedType

_LARGEST = 1e100


@dataclass(frozen=True)
class TypedColumn:
    """An attribute whose type is known.

    Attributes:
        cells: cells of the audited samples.
        reference: cells of the training data, read in the same way; None if it lacks the attribute.
        spec: the type.
    """

    cells: Cells
    reference: Cells | None
    spec: AttributeSpec


def type_attributes(
    dataset: Dataset, missing: Sequence[str] = (), with_edges: Collection[str] = ()
) -> tuple[Dataset, dict[str, AttributeSpec]]:
    """Reads the attributes of a data set and determines their types.

    Args:
        dataset: its attribute columns hold the cells as they were read.
        missing: texts that mean "missing" in any attribute.
        with_edges: attributes for which the configuration states edges.

    Returns:
        The data set with columns of numbers or text, and the type of each attribute.

    Raises:
        DataError: a type is stated for an attribute that does not exist, or that has other values.
    """
    _require_known(dataset)
    samples, reference = dataset.samples.copy(), dataset.reference
    reference = None if reference is None else reference.copy()
    specs: dict[str, AttributeSpec] = {}
    for name in dataset.attributes:
        found = typed_column(
            samples[name],
            None if reference is None else reference.get(name),
            name,
            dataset.stated_types.get(name),
            missing,
            has_edges=name in with_edges,
        )
        samples[name] = found.cells.as_column(samples.index, name)
        if reference is not None and found.reference is not None:
            reference[name] = found.reference.as_column(reference.index, name)
        specs[name] = found.spec
    return replace(dataset, samples=samples, reference=reference), specs


def typed_column(
    column: pd.Series[Any],
    reference: pd.Series[Any] | None,
    name: str,
    stated: StatedType | None = None,
    missing: Sequence[str] = (),
    *,
    has_edges: bool = False,
) -> TypedColumn:
    """Reads one attribute and determines its type.

    Args:
        column: cells of the audited samples.
        reference: cells of the training data; None if it lacks the attribute.
        name: of the attribute.
        stated: its type; None to guess it.
        missing: texts that mean "missing".
        has_edges: whether the configuration states edges for it.

    Raises:
        DataError: the cells do not fit the stated type.
    """
    cells = read_numbers(column, missing) if stated == "numeric" else read_cells(column, missing)
    if stated is not None:
        spec = _stated(cells, name, stated)
    else:
        guess, reason = guess_type(cells)
        if has_edges and cells.numbers is not None:
            guess, reason = "numeric", "the configuration gives its edges"
        spec = AttributeSpec(name=name, type=guess, guessed=True, reason=reason, order=cells.order)
    _require_bounded(cells, name)
    if reference is None:
        return TypedColumn(cells, None, spec)
    read = read_text if cells.numbers is None else read_numbers
    trained = read(reference, missing)
    _require_bounded(trained, f"{name}, in the training data")
    return TypedColumn(cells, trained, spec)


def _stated(cells: Cells, name: str, stated: StatedType) -> AttributeSpec:
    """The stated type of an attribute, if its cells fit."""
    if isinstance(stated, tuple):
        stated = tuple(_as_named(cells, value) for value in stated)
        expected = f"one of the stated values {several(stated, 10)}"
        _require(cells, [value in stated for value in cells.text], name, expected)
        return AttributeSpec(name=name, type="ordinal", guessed=False, order=stated)
    if stated not in get_args(AttributeType):
        raise DataError(
            f"attribute {name!r}: expected the type {', '.join(get_args(AttributeType))}, or the values "
            f"in order; got {stated!r}"
        )
    if stated == "numeric" and cells.words is not None:
        expected = "numbers, because the stated type is numeric"
        _require(cells, [value is None for value in cells.words], name, expected)
    order = None
    if stated == "ordinal" and cells.numbers is None:
        order = cells.order or sorted_values(cells.counts)
        if order is None:
            words = sorted(cells.counts)
            raise DataError(
                f"attribute {name!r}: expected numbers or dates, because the stated type is ordinal; "
                f"got {several([repr(word) for word in words], 5)}: state the values in order instead, "
                f"such as `{name}: [{', '.join(words[:3])}]`"
            )
    return AttributeSpec(name=name, type=stated, guessed=False, order=order)


def _as_named(cells: Cells, value: str) -> str:
    """A stated value in the spelling of the cells: 1.0 is ``1`` in a column of numbers."""
    return value if cells.numbers is None or not is_number(value) else number_text(float(value))


def _require(cells: Cells, fits: Sequence[bool], name: str, expected: str) -> None:
    """Raises unless every cell that is not missing fits."""
    bad = np.flatnonzero(cells.present & ~np.array(fits, dtype=bool))
    if len(bad):
        shown = "; ".join(f"row {row + 1} ({cells.text[row]!r})" for row in bad[:5])
        raise DataError(
            f"attribute {name!r}: expected {expected}; got something else in {count(len(bad))} of "
            f"{count(len(cells))} rows: {shown}{' …' if len(bad) > 5 else ''}: correct them, or list "
            "texts that mean a missing value in data.missing"
        )


def _require_bounded(cells: Cells, name: str) -> None:
    """Refuses numbers whose differences and squares are not finite; infinite ones are values."""
    if cells.numbers is not None:
        size = np.abs(cells.numbers)
        too_large = (size > _LARGEST) & (size < np.inf)
        _require(cells, (~too_large).tolist(), name, f"numbers of at most {_LARGEST:g} in size")


def _require_known(dataset: Dataset) -> None:
    for name in dataset.stated_types:
        if name not in dataset.attributes:
            near = difflib.get_close_matches(name, dataset.attributes, n=1)
            hint = f"did you mean {near[0]!r}?" if near else several(dataset.attributes, 20)
            raise DataError(
                f"attribute {name!r}: a type is stated, but the data has no such attribute; {hint}"
            )
