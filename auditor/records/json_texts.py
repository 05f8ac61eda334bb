"""JSON of data sets: what no data set needs is refused or read as something harmless."""

from __future__ import annotations

import json
import re
from typing import Any

_MOST_DIGITS = 18
"""Of an integer of 64 bits. Longer ones are no ids and no sizes; they are read as floats."""
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
"""The start of an escape that stands for half a character, alone or in a pair."""


def parse_json_text(text: str) -> Any:
    """The value that a JSON text describes.

    Integers with more than 18 digits become floats, which may be infinite: NumPy and Arrow can't hold them as
    integers.

    Raises:
        ValueError: the text is no JSON, is nested too deeply, or holds half a character.
    """
    try:
        value = json.loads(text, parse_int=_integer)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if _HALF.search(text):
        _require_whole_characters(value)
    return value


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MOST_DIGITS else float(digits)


def _require_whole_characters(value: Any) -> None:
    """Refuses texts that can't be written in UTF-8."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list):
            waiting += one
        elif isinstance(one, str):
            try:
                one.encode()
            except UnicodeEncodeError:
                raise ValueError(f"a text holds half a character: {one[:40]!r}") from None
