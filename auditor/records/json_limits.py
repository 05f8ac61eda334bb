"""What a JSON document may hold, whatever it means: finite numbers of a sane size, text, few levels."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

_DEEPEST = 40
"""Levels of lists and objects inside each other; a result has about 12."""
_LARGEST = 1e100
"""No number comes near: the largest are single-precision ones, up to 3.4e38, such as the value that marks
missing cells of a grid, and sums of attribution maps. Their squares are finite in double precision."""
_LARGEST_INTEGER = 2**64
"""Seeds of random generators."""
_LONGEST = 1_000_000
"""Characters of a text."""


class JsonFaultError(ValueError):
    """A document holds what no document of this program does.

    Attributes:
        place: where, such as ``findings.3.effect.value``; empty for the document as a whole.
    """

    def __init__(self, place: str, text: str) -> None:
        super().__init__(f"{place}: {text}" if place else text)
        self.place = place


def parse_json(text: str) -> Any:
    """Parses a document and checks its numbers, texts and depth.

    Raises:
        JsonFaultError: the text is no JSON, or a number or text in it is out of bounds.
    """
    try:
        raw = json.loads(text)
    except RecursionError:
        raise JsonFaultError("", "expected JSON; it is nested too deeply") from None
    except ValueError as error:  # also of an integer with thousands of digits
        raise JsonFaultError("", f"expected JSON; {error}") from None
    if not _is_sound(raw):
        for place, value in _leaves(raw):
            fault = _fault(value)
            if fault:
                raise JsonFaultError(".".join(map(str, place)), fault)
    return raw


def _is_sound(raw: Any) -> bool:
    """Whether a document is within bounds: a few times as fast as `_leaves`, which names the place."""
    keys: set[str] = set()
    nodes = [raw]
    for _ in range(_DEEPEST + 1):
        inner: list[Any] = []
        for node in nodes:
            if isinstance(node, dict):
                keys.update(node)
                inner += node.values()
            elif isinstance(node, list):
                inner += node
            elif _fault(node):
                return False
        nodes = inner
    return not nodes and not any(map(_fault, keys))


def _leaves(raw: Any) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """All keys, numbers and texts with their places."""
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), raw)]
    while waiting:
        place, node = waiting.pop()
        if len(place) > _DEEPEST:
            raise JsonFaultError(
                ".".join(map(str, place[:4])),
                f"expected at most {_DEEPEST} levels of lists and objects; there are more",
            )
        if isinstance(node, dict):
            for key, inner in node.items():
                yield place, key
                waiting.append(((*place, key), inner))
        elif isinstance(node, list):
            waiting += [((*place, position), inner) for position, inner in enumerate(node)]
        else:
            yield place, node


def _fault(value: Any) -> str:
    if isinstance(value, str):
        if len(value) > _LONGEST:
            return f"expected a text of at most {_LONGEST} characters; it has {len(value)}"
        if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
            return f"expected Unicode text; got {value[:40]!r}, which holds half a character"
    elif isinstance(value, float):
        if not math.isfinite(value) or abs(value) > _LARGEST:
            return f"expected a finite number up to {_LARGEST:g}; got {value}"
    elif isinstance(value, int) and abs(value) > _LARGEST_INTEGER:
        return f"expected an integer of at most 64 bits; got one of {value.bit_length()} bits"
    return ""
