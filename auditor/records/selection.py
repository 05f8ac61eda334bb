"""Selection rates by category, for models that choose people."""

from __future__ import annotations

from auditor.records.base import Record


class CategoryRate(Record):
    """Selection rate of one category, or of an intersection of categories."""

    names: tuple[str, ...]
    """One for each compared attribute."""
    support: int
    """People (samples) in it."""
    selected: int
    """How many of them are predicted to be the selected class."""
    rate: float
    """``selected / support``."""
    ratio: float | None
    """Its rate divided by that of the most selected category; None where none is selected."""
    is_small: bool = False
    """Whether it has under 2 % of the compared samples: New York City's rules let such a category be left
    out of the ratios, with a justification."""


class RateTable(Record):
    """The categories of one attribute, or of two crossed."""

    attributes: tuple[str, ...]
    categories: tuple[CategoryRate, ...]
    """In the order of their names."""
    unknown: int | None
    """Samples that are left out because one of their categories is unknown; None if their number is not
    shown."""
    n_withheld: int = 0
    """Categories that are not shown because of their size."""


class SelectionRates(Record):
    """Selection rates of an audit."""

    selected: str
    """The class that counts as selected."""
    tables: tuple[RateTable, ...]
    """Each sensitive attribute, then each pair of them."""
    absent: tuple[str, ...]
    """Sensitive attributes that the data does not have."""
