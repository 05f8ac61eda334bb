"""Types of attributes in a configuration: ``{skin_type: ordinal, site: categorical, age: numeric}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, get_args

from pydantic import BeforeValidator

from auditor.records import AttributeType, StatedType

_TYPES = get_args(AttributeType)


def _names_or_types(raw: Any) -> Any:
    if isinstance(raw, Mapping):
        return _checked(raw)
    _require(
        isinstance(raw, list | tuple), "expected a list of names, or a mapping of names to types"
    )
    return raw


def _checked(raw: Any) -> Any:
    """The types, with values in order as texts."""
    _require(isinstance(raw, Mapping), "expected a mapping of names to types")
    return {str(name): _type(str(name), stated) for name, stated in raw.items()}


def _type(name: str, stated: Any) -> Any:
    if stated is None or stated in _TYPES:
        return stated
    _require(
        isinstance(stated, list | tuple),
        f"{name}: expected {', '.join(_TYPES)}, or a list of the values in order",
    )
    values = tuple(_text(name, value) for value in stated)
    _require(
        len(set(values)) == len(values) > 1,
        f"{name}: expected two or more distinct values in order",
    )
    return values


def _text(name: str, value: Any) -> str:
    # YAML reads yes, no, on, off and null as something other than text.
    _require(
        isinstance(value, str | int | float) and not isinstance(value, bool),
        f"{name}: expected texts or numbers, not {value!r}: put it in quotes",
    )
    return str(value)


def _require(fulfilled: bool, message: str) -> None:
    """Raises the error that pydantic turns into one of its own."""
    if not fulfilled:
        raise ValueError(message)


AttributeTypes = Annotated[dict[str, StatedType | None], BeforeValidator(_checked)]
"""Types by the name of the attribute; null guesses the type."""

AttributeNames = Annotated[
    tuple[str, ...] | dict[str, StatedType | None], BeforeValidator(_names_or_types)
]
"""Names of attributes, or their types by name."""


def stated_types(
    attributes: tuple[str, ...] | dict[str, StatedType | None],
) -> dict[str, StatedType]:
    """The types that are stated, by name."""
    pairs = attributes.items() if isinstance(attributes, dict) else ()
    return {name: stated for name, stated in pairs if stated is not None}


def missing_values(raw: Any) -> Any:
    """A list of values as texts.

    Raises:
        ValueError: an entry is neither text nor a number.
    """
    return [_text("missing", one) for one in raw] if isinstance(raw, list | tuple) else raw
