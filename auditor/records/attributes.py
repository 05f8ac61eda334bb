"""Types of attributes: which attributes have an order, and which values became slices."""

from __future__ import annotations

from typing import Literal

from auditor.records.base import Record

AttributeType = Literal["categorical", "ordinal", "numeric"]
"""Categorical: values without an order. Ordinal: few values with an order, each of them a slice.
Numeric: numbers that are cut into bands."""

StatedType = AttributeType | tuple[str, ...]
"""A type from the configuration; a list is the type ``ordinal`` with its values in order."""

RARE_VALUES = "(rare values)"
"""The slice of all values with too few samples to be tested one by one, in addition to these."""
OTHER_VALUES = "(other values)"
"""The slice of all values that are too rare to be separate slices."""


MOSTLY_UNTESTED = 0.8
"""If at least this share of the bands of a numeric attribute has too few samples to be tested, this is
reported once for the attribute and not for each band."""


class AttributeSpec(Record):
    """The type of an attribute, and whether it was stated or guessed."""

    name: str
    type: AttributeType
    guessed: bool
    """Whether the type was guessed; otherwise it is stated in the configuration."""
    reason: str = ""
    """Why this type was guessed, in a few words; empty if it is stated."""
    order: tuple[str, ...] | None = None
    """The values of an ordinal attribute in order; None if they are numbers."""


class AttributeRecord(AttributeSpec):
    """An attribute and how it was divided into slices."""

    n_values: int
    """Number of different values."""
    n_missing: int
    """Number of samples without a value; they are the slice ``(missing)``."""
    edges: tuple[float, ...] | None = None
    """Inner edges of the bands; a band includes its lower edge. None if every value is a slice."""
    n_pooled: int = 0
    """Number of values that are pooled in the slice ``(other values)``."""
    left_out: str | None = None
    """Why no slices were formed; None otherwise."""
