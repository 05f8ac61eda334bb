"""One message for what is wrong at each place of a configuration."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from auditor.records.expectations import expected, sentence
from auditor.registry import Options

_SHOWN = 300
"""Characters of a value in a message."""


@dataclass(frozen=True)
class _Fault:
    """A fault of pydantic at its place in the file.

    Attributes:
        place: keys and positions, as in the file.
        union: the place of the value that may have several forms, if the fault is about one of them.
        model: the model whose keys belong there; None if they are free.
        item: the fault.
    """

    place: tuple[int | str, ...]
    union: tuple[int | str, ...] | None
    model: type[BaseModel] | None
    item: ErrorDetails


def messages(
    model: type[BaseModel], raw: object, items: Iterable[ErrorDetails], prefix: str
) -> list[str]:
    """What is wrong at each place, in the order of the faults.

    Args:
        model: model of the section.
        raw: its keys and values.
        items: the faults that pydantic found.
        prefix: place of the section in the file, ending with a dot.
    """
    by_place: dict[tuple[int | str, ...], list[_Fault]] = {}
    for item in items:
        fault = _located(model, raw, item)
        by_place.setdefault(fault.place if fault.union is None else fault.union, []).append(fault)
    return [_of_place(faults, prefix) for faults in by_place.values()]


def shortened(value: object, *, quoted: bool = True) -> str:
    """A value as it was given, on one line and cut after so many characters that a message stays readable."""
    try:
        text = " ".join((repr(value) if quoted else str(value)).split())
    except ValueError:  # an integer with thousands of digits
        return (
            f"an integer of {value.bit_length()} bits" if isinstance(value, int) else "(too long)"
        )
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def unknown_key(place: str, name: str, known: set[str]) -> str:
    """That a key is unknown, with the most similar one, or all of them."""
    near = difflib.get_close_matches(name[:_SHOWN], sorted(known), n=1)
    hint = (
        f"did you mean {near[0]!r}?"
        if near
        else f"known keys: {', '.join(sorted(known)) or '(none)'}"
    )
    return f"{shortened(place, quoted=False)}: unknown key; {hint}"


def _of_place(faults: Sequence[_Fault], prefix: str) -> str:
    """One message for all faults of a place: a value of several forms has one for each of them."""
    if faults[0].union is not None:
        deepest = max(len(fault.place) for fault in faults)
        # The form whose parts were read is the one that was meant.
        meant = [fault for fault in faults if len(fault.place) == deepest]
        faults = [fault for fault in meant if fault.place == meant[0].place]
    own = [fault for fault in faults if fault.item["type"] == "value_error"]
    one = own[0] if own else faults[0]
    inner = ".".join(shortened(part, quoted=False) for part in one.place)
    place = prefix + inner if inner else prefix.removesuffix(".")
    if one.item["type"] == "extra_forbidden":
        return unknown_key(place, str(one.place[-1]), _keys(one.model))
    if one.item["type"] == "missing":
        return f"{place}: {sentence(one.item)}"
    if one.item["type"] == "invalid_key" or one.item["loc"][-1:] == ("[key]",):
        got = shortened(one.place[-1], quoted=False)
        return f"{place}: expected a name that is text; got {got}: put it in quotes"
    text = sentence(one.item) if own else _expected(faults)
    value = one.item["input"]
    got = "" if isinstance(value, Options) or "; got " in text else f"; got {shortened(value)}"
    number = isinstance(value, bool | int | float)
    fix = ": put it in quotes" if number and text.startswith("expected text") else ""
    return f"{place}: {text}{got}{fix}"


def _expected(faults: Sequence[_Fault]) -> str:
    """What was expected, of all forms of a value."""
    phrases = list(dict.fromkeys(filter(None, map(_phrase, faults))))
    if not phrases:
        return sentence(faults[0].item)
    separator = ", or " if any(" or " in phrase for phrase in phrases) else " or "
    return f"expected {separator.join(phrases)}"


def _phrase(fault: _Fault) -> str | None:
    keys = _keys(fault.model)
    if fault.item["type"] == "model_type" and keys:
        return f"a mapping with keys among {', '.join(sorted(keys))}"
    phrase = expected(fault.item)
    value = fault.item["input"]
    if phrase == "a list" and isinstance(value, str):
        return f"a list, such as [{shortened(value, quoted=False)}]"
    return phrase


def _located(model: type[BaseModel], raw: object, item: ErrorDetails) -> _Fault:
    """Finds the place in the file: pydantic's has the form of a value between its keys."""
    at: type[BaseModel] | None = model
    value: Any = raw
    place: list[int | str] = []
    union: tuple[int | str, ...] | None = None
    last = len(item["loc"]) - 1
    for number, part in enumerate(item["loc"]):
        missing = number == last and item["type"] == "missing"
        if part == "[key]":
            continue
        if (
            number == last and item["type"] == "invalid_key"
        ):  # pydantic writes dates and others as code
            place.append(str(item["input"]))
            continue
        if not (missing or _is_key(part, value, at)):
            union = tuple(place)  # the name of a form
            continue
        place.append(part)
        value = _value_at(value, part, at)
        if isinstance(part, str) and not (number == last and _ends(item)):
            at = _inner(at, part)
    return _Fault(tuple(place), union, at, item)


def _ends(item: ErrorDetails) -> bool:
    """Whether the last part of the place is a key of the model that the fault is about."""
    return item["type"] in {"extra_forbidden", "missing"}


def _is_key(part: int | str, value: object, model: type[BaseModel] | None) -> bool:
    if isinstance(value, Mapping):
        return str(part) in {*map(str, value), *_renamed(model).values()}
    return isinstance(part, int) and isinstance(value, list | tuple) and part < len(value)


def _value_at(value: Any, part: int | str, model: type[BaseModel] | None) -> Any:
    if isinstance(value, Mapping):
        names = [str(part), *(old for old, new in _renamed(model).items() if new == part)]
        return next((inner for key, inner in value.items() if str(key) in names), None)
    within = isinstance(part, int) and isinstance(value, list | tuple) and part < len(value)
    return value[part] if within else None


def _renamed(model: type[BaseModel] | None) -> Mapping[str, str]:
    return model.renamed if model is not None and issubclass(model, Options) else {}


def _inner(model: type[BaseModel] | None, part: str) -> type[BaseModel] | None:
    """The model below a key; None if there is none."""
    if model is None:
        return None
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    if part not in fields:
        return None
    return next(_models(fields[part].annotation), None)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for one in get_args(annotation):
        yield from _models(one)


def _keys(model: type[BaseModel] | None) -> set[str]:
    if model is None:
        return set()
    return {field.alias or name for name, field in model.model_fields.items()}
