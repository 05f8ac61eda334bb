"""The slices of the samples: attribute values, values within labels, intersections of values."""

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
    most_crossed: int,
    smallest_crossed: int = 1,
) -> Iterator[Slice]:
    """Enumerates the slices in the order of the attributes and of their categories.

    Every attribute value; the ends of ordered attributes; every value within every label; every
    intersection of values of several attributes, those of two attributes first. The ends are in no
    intersection and in no label, because they overlap the values.

    Args:
        predictions: the evaluated samples, with categorical attributes.
        attributes: names of the attributes.
        tails: the ends of ordered attributes, by name.
        most_crossed: largest number of attributes in an intersection; 1 leaves out all of them.
        smallest_crossed: smallest support of an intersection.
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
    for number in range(2, most_crossed + 1):
        for names in itertools.combinations(attributes, number):
            shape = tuple(len(values[name]) for name in names)
            crossed = np.ravel_multi_index(tuple(value_of[name] for name in names), shape)
            for code, rows in _rows_by_code(crossed.astype(np.int64)):
                if len(rows) >= smallest_crossed:
                    places = np.unravel_index(code, shape)
                    parts = zip(names, places, strict=True)
                    yield Slice(
                        SliceKey(attributes={name: values[name][k] for name, k in parts}), rows
                    )


def _rows_by_code(code_of: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """The positions of every code; codes and positions in ascending order."""
    order = np.argsort(code_of, kind="stable")
    present, starts = np.unique(code_of[order], return_index=True)
    for code, rows in zip(present, np.split(order, starts[1:]), strict=True):
        yield int(code), rows
