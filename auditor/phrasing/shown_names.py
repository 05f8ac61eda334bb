"""The display names that sentences use while an audit is judged.

The sentences of ``audit.json`` are written once, by the checks, and every document quotes them. So the
runner sets the display names for the time of the audit, and the functions of `auditor.phrasing` that
turn names into words look them up here. The records beside the sentences keep the names of the data.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from auditor.records.display_names import DisplayNames

_NAMES: ContextVar[DisplayNames] = ContextVar("display names", default=DisplayNames())  # noqa: B039 - frozen


@contextmanager
def shown_names(names: DisplayNames) -> Iterator[None]:
    """Sentences that are written inside of the ``with`` use these names."""
    token = _NAMES.set(names)
    try:
        yield
    finally:
        _NAMES.reset(token)


def class_name(name: str) -> str:
    """A class as it is shown."""
    return _NAMES.get().of_class(name)


def attribute_name(name: str) -> str:
    """An attribute as it is shown."""
    return _NAMES.get().of_attribute(name)


def value_name(attribute: str, value: str) -> str:
    """A value of an attribute as it is shown."""
    return _NAMES.get().of_value(attribute, value)


def condition(attribute: str, value: str) -> str:
    """An attribute value in a sentence: ``cell_type = mono``."""
    return f"{attribute_name(attribute)} = {value_name(attribute, value)}"
