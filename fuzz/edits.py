"""Mutations of documents that are trees: JSON, YAML, and lists of edits to a large document.

An input for a large document, such as an ``audit.json``, is not the document but a list of edits to a base:
``[["findings", 0, "title"], "set", "x"]``. That keeps inputs small and readable, and most of them close to
what the reader accepts.
"""

from __future__ import annotations

import copy
import json
import random
from typing import Any

from builders.result_mutations import VALUES, Place, by_kind

MARKERS = (
    "<fuzz-marker>",
    "</script><fuzz-marker>",
    "</style></title></textarea><fuzz-marker>",
    "--><fuzz-marker>",
    '" onfuzz="1',
    "' onfuzz='1",
    "javascript:fuzz",
    "[x](javascript:fuzz)",
    "x\n\n# fuzz-heading\n",
    "&lt;fuzz-marker&gt;",
    "=fuzz()",
    "\x1b[31mfuzz",
)
"""Texts that must not become an element, an attribute, a link or a formula of a document."""
_VALUES = (*VALUES, *MARKERS, *MARKERS, 100_000, 2**31, 10**9, 10**18)
_OPERATIONS = ("set", "set", "set", "remove", "repeat", "number", "text", "copy")


def mutate_json(data: bytes, rng: random.Random) -> bytes:
    """A JSON document with a few changes; other bytes stay as they are."""
    try:
        raw = json.loads(data)
    except (ValueError, RecursionError):
        return data
    return json.dumps(changed_tree(raw, rng)).encode("utf-8", "surrogatepass")


def changed_tree(raw: Any, rng: random.Random) -> Any:
    """A tree with a few random edits."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5))):
        raw = apply(raw, [_edit(raw, rng)])
    return raw


def mutate_edits(data: bytes, rng: random.Random, base: Any) -> bytes:
    """A list of edits with one more, one fewer, or one changed."""
    try:
        edits = json.loads(data)
    except (ValueError, RecursionError):
        edits = None
    if not isinstance(edits, list):
        edits = []
    what = rng.random()
    if edits and what < 0.25:
        edits.pop(rng.randrange(len(edits)))
    elif edits and what < 0.45:
        one = rng.choice(edits)
        if isinstance(one, list) and len(one) == 3:
            one[2] = rng.choice(_VALUES)
    else:
        edits += [_edit(base, rng) for _ in range(rng.choice((1, 1, 2, 4)))]
    return json.dumps(edits[-40:]).encode("utf-8", "surrogatepass")


def parse_edits(data: bytes) -> list[Any] | None:
    """The edits that an input holds; None if it is none."""
    try:
        edits = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return edits if isinstance(edits, list) else None


def apply(base: Any, edits: list[Any]) -> Any:
    """A document after some edits; those that do not fit are left out."""
    changed = copy.deepcopy(base)
    for edit in edits:
        if not isinstance(edit, list) or len(edit) != 3 or not isinstance(edit[0], list):
            continue
        place, what, value = edit
        if not place:
            changed = copy.deepcopy(value) if what == "set" else changed
            continue
        parent = _at(changed, place[:-1])
        old = _at(changed, place)
        if not _fits(parent, place[-1], what):
            continue
        if what == "remove":
            del parent[place[-1]]
        elif what == "repeat" and isinstance(old, list | str):
            parent[place[-1]] = old * 2
        elif what == "copy" and isinstance(value, list):
            parent[place[-1]] = copy.deepcopy(_at(base, value))
        else:
            parent[place[-1]] = copy.deepcopy(value)
    return changed


def _edit(base: Any, rng: random.Random) -> list[Any]:
    kinds = by_kind(base)
    if not kinds:
        return [[], "set", rng.choice(_VALUES)]
    place = rng.choice(rng.choice(kinds))
    old = _at(base, list(place))
    what = rng.choice(_OPERATIONS)
    value = rng.choice(_VALUES)
    if what == "number" and isinstance(old, int | float) and not isinstance(old, bool):
        value = rng.choice((-old, old + 1, old * 1000, float(old), str(old), 1 - old, old / 3))
    elif what == "text" and isinstance(old, str):
        marker = rng.choice(MARKERS)
        value = rng.choice((old + marker, marker + old, old[:-1], old.upper(), [old], {old: old}))
    elif what == "copy":
        value = list(rng.choice(rng.choice(kinds)))
    return [list(place), what if what in {"remove", "repeat", "copy"} else "set", value]


def _fits(parent: Any, key: Any, what: Any) -> bool:
    if isinstance(parent, dict):
        return isinstance(key, str) and (what != "remove" or key in parent)
    return isinstance(parent, list) and isinstance(key, int) and 0 <= key < len(parent)


def _at(root: Any, place: list[Any] | Place) -> Any:
    """The part at a place; None where there is none."""
    node = root
    for key in place:
        known = isinstance(node, dict) and isinstance(key, str) and key in node
        if known or (isinstance(node, list) and isinstance(key, int) and 0 <= key < len(node)):
            node = node[key]
        else:
            return None
    return node
