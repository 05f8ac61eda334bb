"""The values of attributes by which an audit slices, before anything is predicted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from auditor.attributes.categories import categories_of
from auditor.attributes.cells import stored_cells
from auditor.config import SliceSection
from auditor.records import AttributeSpec, Dataset


@dataclass(frozen=True)
class KnownValues:
    """The values of attributes.

    Attributes:
        values: of each attribute, such as the names of its bands, in order.
        support: number of samples with each value.
        left_out: attributes whose values cannot be compared, and why.
    """

    values: Mapping[str, tuple[str, ...]]
    support: Mapping[str, tuple[int, ...]]
    left_out: Mapping[str, str]


def known_values(
    dataset: Dataset, types: Mapping[str, AttributeSpec], section: SliceSection
) -> KnownValues:
    """Divides the attributes of a data set as an audit of all of its samples would.

    Args:
        dataset: with typed attribute columns.
        types: of the attributes.
        section: how they are divided.
    """
    values: dict[str, tuple[str, ...]] = {}
    support: dict[str, tuple[int, ...]] = {}
    left_out: dict[str, str] = {}
    for name, spec in types.items():
        found = categories_of(
            stored_cells(dataset.samples[name]),
            spec,
            stated_edges=section.edges.get(name),
            quantiles=section.quantiles,
            min_support=section.min_support,
        )
        counts = found.column.value_counts()
        values[name] = tuple(str(one) for one in counts.index)
        support[name] = tuple(int(one) for one in counts)
        if found.record.left_out is not None:
            left_out[name] = found.record.left_out
    return KnownValues(values, support, left_out)
