"""Values that are tested together as well: the ends of an ordered attribute, and rare values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.attributes.categories import Categories
from auditor.attributes.spelling import is_number, number_text
from auditor.records import MISSING, RARE_VALUES, OrderedValues
from auditor.statistics.bands import are_integers, band_names, tail_edge

_SHARES = (0.05, 0.1)
"""Smallest and largest share of the samples in the end of a numeric attribute."""
_MOST_ORDINAL = 0.5
"""Largest share of the samples in the end of an ordinal attribute."""


@dataclass(frozen=True)
class Tail:
    """One end of an ordered attribute, or its rare values.

    Attributes:
        name: as of a band, such as ``85 and over``.
        rows: (n,) whether each sample is in it.
    """

    name: str
    rows: NDArray[np.bool_]


def tails(found: Categories, min_support: int) -> Iterator[Tail]:
    """Values that are tested together, beside the categories.

    An end of a numeric attribute contains 5 % of the samples. If these are fewer than twice the
    smallest support, it contains more, up to 10 %. If the last value of an ordinal attribute has less
    than the smallest support, its end contains as few values as possible that have it together.

    Of an attribute without an order, all values with less than the smallest support are one slice: one
    by one they cannot be tested, and a gap of all of them would not be noticed.

    Args:
        found: the attribute as categories.
        min_support: smallest slice that is tested; smaller ends are left out.
    """
    if found.ordered is None:
        yield from _rare(found, min_support)
        return
    for high in (False, True):
        if found.record.edges is None:
            tail = _of_values(found.ordered, min_support, high=high)
        else:
            tail = _of_numbers(found, min_support, high=high)
        if tail is not None:
            yield tail


def _rare(found: Categories, min_support: int) -> Iterator[Tail]:
    names = found.column.categories
    sizes = np.bincount(found.column.codes, minlength=len(names))
    rare = (sizes > 0) & (sizes < min_support) & (names != MISSING)
    rows = rare[found.column.codes]
    known = np.asarray(found.column != MISSING)
    if min_support <= rows.sum() < known.sum():  # else they are just all samples with a value
        yield Tail(RARE_VALUES, rows)


def _of_numbers(found: Categories, min_support: int, *, high: bool) -> Tail | None:
    assert found.ordered is not None
    numbers = found.ordered.numbers
    known = ~np.isnan(numbers)
    n = int(known.sum())
    share = float(np.clip(2 * min_support / max(n, 1), *_SHARES))
    edge = tail_edge(numbers, share, high=high)
    if edge is None:
        return None
    rows = known & ((numbers >= edge) if high else (numbers < edge))
    codes = found.column.codes[known]
    end_band = int((codes == (codes.max() if high else codes.min())).sum())
    size = int(rows.sum())
    # If a band is nearly as narrow, it is the end already; a wide end would not be an end.
    if size < min_support or size > 2 * share * n or 2 * size > end_band:
        return None
    name = band_names((edge,), integers=are_integers(numbers))[1 if high else 0]
    return Tail(name, rows)


def _of_values(ordered: OrderedValues, min_support: int, *, high: bool) -> Tail | None:
    numbers = ordered.numbers
    known = ~np.isnan(numbers)
    distinct, counts = np.unique(numbers[known], return_counts=True)
    if high:
        distinct, counts = distinct[::-1], counts[::-1]
    if len(distinct) < 3 or counts[0] >= min_support:
        return None
    last = int(np.searchsorted(np.cumsum(counts), min_support))
    if last >= len(distinct) or counts[: last + 1].sum() > _MOST_ORDINAL * counts.sum():
        return None
    edge = float(distinct[last])
    value = ordered.names[int(edge)] if ordered.names else number_text(edge)
    words = ("and under", "and over") if is_number(value) else ("and below", "and above")
    rows = known & ((numbers >= edge) if high else (numbers <= edge))
    return Tail(f"{value} {words[high]}", rows)
