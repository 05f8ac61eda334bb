"""Bands of an ordered attribute are named by their edges, never by the number of a sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from auditor.comparisons.trends import OrderedBands
from auditor.records import OrderedValues


def _bands(numbers: NDArray[np.float64], names: tuple[str, ...] = ()) -> OrderedBands:
    return OrderedBands.of("age", OrderedValues(numbers, names), 50)


def test_bands_of_integers_are_open_at_both_ends() -> None:
    # 200 samples in 200 / 50 = 4 bands: the quartiles, between the 50th and the 51st and so on, lie between
    # 29 and 30, 39 and 40, 49 and 50, and the next integers divide the samples in the same way.
    bands = _bands(np.repeat(np.arange(20.0, 60.0), 5))
    assert bands.names == ("under 30", "30–39", "40–49", "50 and over")
    assert np.bincount(bands.band).tolist() == [50, 50, 50, 50]


def test_bands_name_neither_the_smallest_nor_the_largest_number() -> None:
    numbers = np.concatenate([[20.125], np.linspace(21, 90, 298), [107.25]])
    names = _bands(numbers).names
    assert names[0].startswith("under ")
    assert names[-1].endswith(" and over")
    assert not [one for one in names if "20.125" in one or "107.25" in one]


def test_bands_of_few_distinct_numbers_are_these() -> None:
    assert _bands(np.repeat([1.0, 2.5, 4.0], 60)).names == ("1", "2.5", "4")


def test_bands_of_an_ordinal_attribute_are_its_values() -> None:
    names = ("low", "middle", "high")
    assert _bands(np.repeat([0.0, 1.0, 2.0], 60), names).names == names
