"""The slices of the samples: attribute values, values within labels, pairs of values."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auditor.attributes.tails import Tail
from auditor.records import Slice, SliceKey
from auditor.records.predictions import LABEL, codes


def slices_of(
    predictions: pd.DataFrame,
    attributes: Sequence[str],
    tails: Mapping[str, Iterable[Tail]],
    *,
    smallest_pair: int | None,
) -> Iterator[Slice]:
    """Enumerates the slices in the order of the attributes and of their categories.

    Every attribute value; the ends of ordered attributes; every value within every label; every pair
    of values of two attributes. The ends are in no pair and in no label, because they overlap the
    values.

    Args:
        predictions: the evaluated samples, with categorical attributes.
        attributes: names of the attributes.
        tails: the ends of ordered attributes, by name.
        smallest_pair: smallest support of a pair of values; None leaves out all pairs.
    """
    values = {
        name: [str(value) for value in predictions[name].cat.categories] for name in attributes
    }
    value_of = {name: codes(predictions[name]) for name in attributes}
    labels = [str(value) for value in predictions[LABEL].cat.categories]
    label = codes(predictions[LABEL])
    for name in attributes:
        for code, rows in _rows_by_code(value_of[name]):
            yield Slice(SliceKey(attributes={name: values[name][code]}), rows)
        for end in tails.get(name, ()):
            key = SliceKey(attributes={name: end.name})
            yield Slice(key, np.flatnonzero(end.rows).astype(np.int64), tail=True)
    for name in attributes:
        for code, rows in _rows_by_code(value_of[name] * len(labels) + label):
            value, k = divmod(code, len(labels))
            yield Slice(SliceKey(attributes={name: values[name][value]}, label=labels[k]), rows)
    if smallest_pair is None:
        return
    for one, other in itertools.combinations(attributes, 2):
        for code, rows in _rows_by_code(value_of[one] * len(values[other]) + value_of[other]):
            if len(rows) >= smallest_pair:
                first, second = divmod(code, len(values[other]))
                key = SliceKey(attributes={one: values[one][first], other: values[other][second]})
                yield Slice(key, rows)


def _rows_by_code(code_of: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """The positions of every code; codes and positions in ascending order."""
    order = np.argsort(code_of, kind="stable")
    present, starts = np.unique(code_of[order], return_index=True)
    for code, rows in zip(present, np.split(order, starts[1:]), strict=True):
        yield int(code), rows
