"""What pydantic expected, in plain words: its own messages speak of Python's types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

_NUMBER, _WHOLE, _LIST, _MAPPING = (
    "a number",
    "a whole number",
    "a list",
    "a mapping of names to values",
)
_EXPECTED = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "bytes_type": "bytes",
    "datetime_from_date_parsing": "a date with a time",
    "datetime_parsing": "a date with a time",
    "datetime_type": "a date with a time",
    "dict_type": _MAPPING,
    "finite_number": "a finite number",
    "float_parsing": _NUMBER,
    "float_type": _NUMBER,
    "frozen_set_type": _LIST,
    "int_from_float": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": "a whole number of fewer digits",
    "int_type": _WHOLE,
    "list_type": _LIST,
    "mapping_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "model_type": _MAPPING,
    "none_required": "null",
    "path_type": "a path",
    "set_type": _LIST,
    "string_type": "text",
    "tuple_type": _LIST,
}
_LIMITS = {
    "greater_than": ("above", "gt"),
    "greater_than_equal": ("of at least", "ge"),
    "less_than": ("below", "lt"),
    "less_than_equal": ("of at most", "le"),
}
_LENGTHS = {
    "string_too_short": ("text of at least", "min_length", "character"),
    "string_too_long": ("text of at most", "max_length", "character"),
    "too_short": ("at least", "min_length", "value"),
    "too_long": ("at most", "max_length", "value"),
}


def expected(fault: ErrorDetails) -> str | None:
    """What was expected at the place of a fault, such as ``a whole number``.

    Args:
        fault: one of the faults of a ``ValidationError``.

    Returns:
        A noun phrase; None where the message of the fault says it already.
    """
    kind: str = fault["type"]
    context: Mapping[str, Any] = fault.get("ctx", {})
    if kind in _LIMITS:
        words, key = _LIMITS[kind]
        return f"{_NUMBER} {words} {_number(context[key])}"
    if kind in _LENGTHS:
        words, key, unit = _LENGTHS[kind]
        number = context[key]
        return f"{words} {number} {unit}{'' if number == 1 else 's'}"
    if kind == "literal_error":
        return str(context["expected"])
    if kind == "string_pattern_mismatch":
        return f"text of the form {context['pattern']}"
    if kind in {"union_tag_invalid", "union_tag_not_found"}:
        tags = context.get("expected_tags", "")
        name = str(context["discriminator"]).strip("'")
        return f"a mapping with {name}" + (f" among {tags}" if tags else "")
    return _EXPECTED.get(kind)


def sentence(fault: ErrorDetails) -> str:
    """What was expected, as the beginning of a message, such as ``expected a whole number``."""
    if fault["type"] == "extra_forbidden":
        return "unknown key"
    if fault["type"] == "missing":
        return "expected a value; it is missing"
    phrase = expected(fault)
    if phrase is not None:
        return f"expected {phrase}"
    text = fault["msg"].removeprefix("Value error, ")
    return f"{text[:1].lower()}{text[1:]}"


def first_fault(error: ValidationError) -> str:
    """The first fault of a document and its place, such as ``files.a: expected text``."""
    fault = error.errors()[0]
    place = ".".join(str(part) for part in fault["loc"]) or "content"
    return f"{place}: {sentence(fault)}"


def _number(value: float) -> str:
    return f"{int(value) if float(value).is_integer() else value:,}"
