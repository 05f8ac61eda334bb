"""An attribute as categories: its values, bands of its numbers, and rare values pooled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from auditor.attributes.cells import Cells, Texts
from auditor.attributes.spelling import natural_order
from auditor.phrasing import count
from auditor.records import (
    MISSING,
    OTHER_VALUES,
    AttributeRecord,
    AttributeSpec,
    OrderedValues,
)
from auditor.statistics.bands import are_integers, band_edges, band_names

MOST_VALUES = 50
"""Largest number of values that become slices of their own."""
_IDENTIFIER = 2
"""If values have fewer samples than this on average, they identify samples rather than groups."""
_RARE = 5
"""The same for attributes with more than `MOST_VALUES` values, none of which can be tested."""
_NOTHING_ELSE = "every sample has the value {!r}; there is nothing to compare it with"


@dataclass(frozen=True)
class CutRule:
    """How the values of an attribute become categories.

    Attributes:
        edges: inner edges of the bands of numbers; None if every value is a category.
        pooled: values that are pooled in one category, ``(other values)``.
        order: values in order; None for numbers by value, then words in alphabetical order.
        integers: whether all numbers are integers.
    """

    edges: tuple[float, ...] | None
    pooled: frozenset[str]
    order: tuple[str, ...] | None
    integers: bool

    def categories(self, cells: Cells, first: Sequence[str] = ()) -> pd.Categorical:
        """The cells as categories.

        Args:
            cells: of the audited samples, or of the training data.
            first: categories that come first, even if they do not occur. If values are pooled, all
                others are pooled as well.

        Returns:
            n values; a missing value is the category ``(missing)``, which comes last.
        """
        values, order = self._bands(cells) if self.edges is not None else self._values(cells)
        if self.pooled:
            kept = set(first) if first else set(order) - self.pooled
            values = np.array(
                [one if one is None or one in kept else OTHER_VALUES for one in values],
                dtype=object,
            )
            order = [one for one in order if one in kept]
            order += [OTHER_VALUES] if (values == OTHER_VALUES).any() else []
        filled = np.array([MISSING if one is None else one for one in values], dtype=object)
        order = [one for one in order if one != MISSING]
        order += [MISSING] if (filled == MISSING).any() else []
        return pd.Categorical(
            filled, categories=[*first, *(one for one in order if one not in first)]
        )

    def _values(self, cells: Cells) -> tuple[Texts, list[str]]:
        present = set(cells.counts)
        stated = [one for one in self.order or () if one in present]
        return cells.text, stated + sorted(present.difference(stated), key=natural_order)

    def _bands(self, cells: Cells) -> tuple[Texts, list[str]]:
        """The name of each cell's band, and the bands that occur, in ascending order."""
        assert self.edges is not None
        assert cells.numbers is not None
        names = np.array(band_names(self.edges, integers=self.integers), dtype=object)
        known = ~np.isnan(cells.numbers)
        band = np.searchsorted(self.edges, cells.numbers[known], side="right")
        # The training data may have words although the audited data has numbers; they stay words.
        none = np.full(len(cells), None)
        values: Texts = none if cells.words is None else cells.words.copy()
        words = {one for one in values if one is not None}
        values[known] = names[band]
        used = set(band.tolist())
        return values, [name for k, name in enumerate(names) if k in used] + sorted(words)


@dataclass(frozen=True)
class Categories:
    """An attribute as categories.

    Attributes:
        column: (n,) the categories of the samples.
        record: its type, and how it was divided.
        rule: divides the training data in the same way.
        ordered: the values as numbers in their order; None for a categorical attribute.
    """

    column: pd.Categorical
    record: AttributeRecord
    rule: CutRule
    ordered: OrderedValues | None


def categories_of(
    cells: Cells,
    spec: AttributeSpec,
    *,
    stated_edges: Sequence[float] | None,
    quantiles: int,
    min_support: int,
) -> Categories:
    """Divides an attribute into categories.

    Args:
        cells: of the audited samples.
        spec: the type.
        stated_edges: inner edges of bands from the configuration, or None.
        quantiles: number of bands of equal support where no edges are stated.
        min_support: smallest slice that is tested.
    """
    counts, edges = cells.counts, None
    banded = spec.type == "numeric" or (
        spec.type == "ordinal" and (stated_edges is not None or len(counts) > MOST_VALUES)
    )
    if banded and cells.numbers is not None:
        edges = band_edges(cells.numbers, stated_edges, quantiles)
    left_out = None if edges is not None else _not_comparable(counts, cells, min_support)
    pooled = frozenset[str]()
    if edges is None and left_out is None and len(counts) > MOST_VALUES:
        ranked = sorted(counts, key=lambda one: (-counts[one], natural_order(one)))
        n_large = sum(number >= min_support for number in counts.values())
        pooled = frozenset(ranked[min(n_large or MOST_VALUES, MOST_VALUES - 1) :])
    integers = cells.numbers is not None and are_integers(cells.numbers)
    rule = CutRule(edges, pooled, spec.order, integers)
    column = rule.categories(cells)
    if len(column.categories) == 1 and left_out is None:
        left_out = _NOTHING_ELSE.format(column.categories[0])
    record = AttributeRecord(
        **{field: getattr(spec, field) for field in AttributeSpec.model_fields},
        n_values=len(counts),
        n_missing=int((~cells.present).sum()),
        edges=edges,
        n_pooled=len(pooled),
        left_out=left_out,
    )
    ordered = None if left_out is not None else _ordered(cells, spec)
    return Categories(column, record, rule, ordered)


def pooled_note(record: AttributeRecord, n_samples: int) -> str:
    """The note on an attribute whose rare values are pooled.

    Args:
        record: of the attribute.
        n_samples: number of samples in the pooled slice.
    """
    kept = record.n_values - record.n_pooled
    return (
        f"{record.name}: {count(record.n_values)} values; the {kept} with the most samples are slices, "
        f"and the other {count(record.n_pooled)} ({count(n_samples)} samples) are one slice, "
        f"{OTHER_VALUES}"
    )


def _not_comparable(counts: Mapping[str, int], cells: Cells, min_support: int) -> str | None:
    """Why samples cannot be compared by the values of an attribute; None if they can."""
    if not counts:
        return "no sample has a value"
    present, n, largest = sum(counts.values()), len(counts), max(counts.values())
    identifies = n > max(present // _IDENTIFIER, 2) and largest < min_support
    if n > MOST_VALUES:
        identifies |= n > present // _RARE and largest < min_support
    if identifies:
        return (
            f"{n} values for {present} samples: it identifies samples rather than groups; to examine "
            "it, group its values in the data"
        )
    if n == 1 and bool(cells.present.all()):
        (value,) = counts
        return _NOTHING_ELSE.format(value)
    return None


def _ordered(cells: Cells, spec: AttributeSpec) -> OrderedValues | None:
    """The values of an ordered attribute as numbers; None for a categorical one."""
    if spec.type == "categorical":
        return None
    if spec.type == "numeric" and cells.numbers is not None:
        return OrderedValues(cells.numbers)
    names = [one for one in spec.order or () if one in cells.counts]
    names = names or sorted(cells.counts, key=natural_order)
    place: dict[str | None, float] = {name: float(k) for k, name in enumerate(names)}
    numbers = np.array([place.get(one, np.nan) for one in cells.text], dtype=np.float64)
    return OrderedValues(numbers, tuple(names))
