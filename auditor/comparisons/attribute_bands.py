"""Attributes as categories: text values stay as they are, numbers are cut into bands."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auditor.records import MISSING


class AttributeColumn:
    """The values of one attribute, as text and, where possible, as numbers.

    Attributes:
        numbers: (N,) float64, NaN where the value is missing; None for a text column.
    """

    def __init__(self, column: pd.Series, *, numeric: bool | None = None) -> None:
        """Reads a column.

        Args:
            column: values of any type.
            numeric: whether to read numbers; None decides by the values. In a numeric column,
                values that are not numbers stay text.
        """
        self._column = column
        if numeric is not False and pd.api.types.is_float_dtype(column):
            floats = column.to_numpy(dtype=np.float64, na_value=np.nan)
            # The same result as below, without formatting every number as text.
            self.numbers = None if numeric is None and bool(np.isnan(floats).all()) else floats
            return
        missing = np.array([value is None for value in self.text], dtype=bool)
        numbers = np.array([_as_number(value) for value in self.text], dtype=np.float64)
        all_numbers = bool(np.array_equal(np.isnan(numbers), missing)) and not bool(missing.all())
        self.numbers = numbers if (all_numbers if numeric is None else numeric) else None

    @cached_property
    def text(self) -> NDArray[np.object_]:
        """The values as text, (N,); None where the value is missing."""
        return np.array([_as_text(value) for value in self._column.tolist()], dtype=object)

    def edges(self, stated: tuple[float, ...] | None, quantiles: int) -> tuple[float, ...] | None:
        """Inner edges of the bands.

        Args:
            stated: edges from the configuration, or None to cut at quantiles.
            quantiles: number of bands of equal support.

        Returns:
            The edges in ascending order; None where every value is its own category.
        """
        if self.numbers is None:
            return None
        if stated is not None:
            return tuple(sorted(set(stated)))
        finite = self.numbers[np.isfinite(self.numbers)]
        distinct = np.unique(finite)
        if len(distinct) <= quantiles:
            return None
        cuts = np.unique(np.quantile(finite, np.arange(1, quantiles) / quantiles))
        if _are_integers(finite):  # integer edges give the same bands
            cuts = np.unique(np.ceil(cuts))
        # An edge at the minimum would leave an empty band below it.
        inner = cuts[cuts > distinct[0]]
        if len(inner) == 0:
            return (float(distinct[1]),)
        return _rounded(inner, distinct)

    def cut(
        self, edges: tuple[float, ...] | None, first: list[str] | None = None
    ) -> pd.Categorical:
        """The values as categories.

        Args:
            edges: inner edges of the bands; None keeps the values.
            first: categories that come first, even if they do not occur.

        Returns:
            N values; a missing value is the category ``(missing)``, which comes last.
        """
        if edges is None or self.numbers is None:
            values = self.text
            order = sorted({value for value in values if value is not None}, key=_natural_order)
        else:
            values, order = self._bands(edges, self.numbers)
        filled = np.array([MISSING if value is None else value for value in values], dtype=object)
        order = [value for value in order if value != MISSING]
        if (filled == MISSING).any():
            order.append(MISSING)
        if first is not None:
            order = first + [value for value in order if value not in first]
        return pd.Categorical(filled, categories=order)

    def _bands(
        self, edges: tuple[float, ...], numbers: NDArray[np.float64]
    ) -> tuple[NDArray[np.object_], list[str]]:
        """The name of each value's band, and the bands that occur, in ascending order."""
        integers = _are_integers(numbers[np.isfinite(numbers)])
        names = np.array(_band_names(edges, integers=integers), dtype=object)
        known = ~np.isnan(numbers)
        bands = np.searchsorted(edges, np.where(known, numbers, 0.0), side="right")
        # A reference may have words where the audited data has numbers: they stay words.
        values = names[bands] if known.all() else np.where(known, names[bands], self.text)
        words = {value for value in values[~known] if value is not None}
        used = set(bands[known])
        return values, [name for k, name in enumerate(names) if k in used] + sorted(words)


def _are_integers(numbers: NDArray[np.float64]) -> bool:
    return bool(np.all(np.mod(numbers, 1) == 0))


def _as_text(value: object) -> str | None:
    """A value as text; None where it is missing."""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, float | np.floating):
        if np.isnan(value):
            return None
        # Integers in a column with missing values are stored as floats: show 3.0 as 3.
        return str(int(value)) if np.isfinite(value) and value == int(value) else repr(float(value))
    return str(value).strip() or None


def _as_number(text: str | None) -> float:
    """A text as a number; NaN where it is not one."""
    try:
        return np.nan if text is None else float(text)
    except ValueError:
        return np.nan


def _natural_order(value: str) -> tuple[int, float, str]:
    """Sorts numbers by value, before words in alphabetical order."""
    try:
        return (0, float(value), value)
    except ValueError:
        return (1, 0.0, value)


def _rounded(edges: NDArray[np.float64], distinct: NDArray[np.float64]) -> tuple[float, ...]:
    """Rounds edges as far as they move by at most a twentieth of the narrowest band."""
    ends = np.concatenate([distinct[:1], edges, distinct[-1:]])
    widths = np.diff(ends)
    digits = 1 - int(np.floor(np.log10(widths[widths > 0].min())))
    rounded = np.unique(np.round(edges, digits) + 0.0)  # "+ 0.0" turns -0.0 into 0.0
    return tuple(
        float(edge) for edge in rounded[(rounded > distinct[0]) & (rounded <= distinct[-1])]
    )


def _band_names(edges: tuple[float, ...], *, integers: bool) -> list[str]:
    shown = [f"{edge:.12g}" for edge in edges]
    if not shown:
        return ["any"]
    whole = integers and _all_integers(edges)
    dash = "–" if edges[0] >= 0 else " to "  # a dash before a minus sign is hard to read
    middle = []
    for (low, high), (low_text, high_text) in zip(
        itertools.pairwise(edges), itertools.pairwise(shown), strict=True
    ):
        if not whole:
            middle.append(f"{low_text}{dash}{high_text}")
        elif high - low == 1:
            middle.append(low_text)
        else:
            middle.append(f"{low_text}{dash}{int(high) - 1}")
    return [f"under {shown[0]}", *middle, f"{shown[-1]} and over"]


def _all_integers(edges: Iterable[float]) -> bool:
    return all(edge == int(edge) for edge in edges)
