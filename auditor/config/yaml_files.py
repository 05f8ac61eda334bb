"""YAML, read safely: a key that is given twice is refused, and so is a file that grows without bounds."""

from __future__ import annotations

import re
from typing import Any

import yaml

from auditor.file_system import has_surrogates

_MOST_ALIASES = 100
"""More aliases than any configuration needs; nested ones multiply (an "alias bomb")."""
_DEEPEST = 50
_LONGEST = 100_000
_MOST_BITS = 64
_MOST_VALUES = 200_000
"""Keys and values, those of aliases each time: eleven levels of nine aliases make 31 billion."""


_FORBIDDEN = re.compile("[\0\ud800-\udfff]")
"""NUL and lone surrogates, which double quotes can write as escapes."""


class _Loader(yaml.SafeLoader):
    """The safe loader, which refuses repeated keys, keys that are no text, and very many aliases."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.n_aliases = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Counts the aliases."""
        if self.check_event(yaml.AliasEvent):
            self.n_aliases += 1
            if self.n_aliases > _MOST_ALIASES:
                raise yaml.MarkedYAMLError(
                    problem=f"more than {_MOST_ALIASES} aliases (`*name`): write the values out",
                    problem_mark=self.get_mark(),
                )
        return super().compose_node(parent, index)

    def construct_scalar(self, node: Any) -> Any:
        """Refuses characters that no name and no document can hold, and texts without end."""
        value = super().construct_scalar(node)
        if isinstance(value, str) and len(value) > _LONGEST:  # a long number takes quadratic time
            problem = f"a text has {len(value)} characters; expected at most {_LONGEST}"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
        found = _FORBIDDEN.search(value) if isinstance(value, str) else None
        if found is not None:
            problem = f"the character {found.group()!r} is not allowed: remove the escape"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
        return value

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Checks the keys as they are written, before merges (`<<`) add others."""
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            name = key.value
            if not isinstance(name, str):
                problem = "a key is a list or a mapping: give it a name"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            if name in seen:
                problem = f"the key {name!r} is given twice in one section: remove one of them"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add(name)
        return node


def parse_yaml(text: str) -> Any:
    """The value that a YAML text describes: plain types only.

    Raises:
        ValueError: the text is no YAML, or can't be accepted; the message has line, column and fix.
    """
    try:
        value = yaml.load(text, _Loader)  # noqa: S506 - derived from SafeLoader
        _require_plain(value, _Counter())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
        raise ValueError(f"{place}{error.problem}") from error
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except (KeyError, TypeError, AttributeError, OverflowError) as error:  # such as `!!bool x`
        raise ValueError(f"a value does not match its tag ({error}): remove the tag") from error
    return value


class _Counter:
    """Counts the values of a file."""

    def __init__(self) -> None:
        self.n = 0

    def add_one(self) -> None:
        """Raises ValueError: there are more values than any configuration needs."""
        self.n += 1
        if self.n > _MOST_VALUES:
            raise ValueError(
                f"it has more than {_MOST_VALUES} values, aliases (`*name`) included: "
                "put long lists into a file of their own"
            )


def _require_plain(value: Any, counter: _Counter, depth: int = 0) -> None:
    """Refuses what no setting can hold: NUL characters, half characters, long integers, deep nesting."""
    counter.add_one()
    if depth > _DEEPEST:
        raise ValueError(f"it is nested too deeply (more than {_DEEPEST} levels)")
    if isinstance(value, str):
        if "\0" in value or has_surrogates(value):
            raise ValueError(f"a text holds a NUL or half a character: {value[:80]!r}")
    elif isinstance(value, int) and value.bit_length() > _MOST_BITS:
        raise ValueError(f"an integer has {value.bit_length()} bits; expected at most {_MOST_BITS}")
    elif isinstance(value, dict):
        for key, inner in value.items():
            _require_plain(key, counter, depth + 1)
            _require_plain(inner, counter, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _require_plain(inner, counter, depth + 1)
