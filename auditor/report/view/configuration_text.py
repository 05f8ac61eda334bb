"""The configuration as it is printed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

_SHORT = 8
"""A longer list, such as the names of 1,000 classes, is written in lines and not one value per line."""


class _Dumper(yaml.SafeDumper):
    """Writes YAML with long lists of plain values in flow style."""


def _represent_list(dumper: _Dumper, values: list[Any]) -> yaml.SequenceNode:
    plain = not any(isinstance(value, list | dict) for value in values)
    in_lines = plain and (len(values) > _SHORT or not values)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=in_lines)


_Dumper.add_representer(list, _represent_list)


def configuration_text(config: Mapping[str, Any]) -> str:
    """The configuration in YAML, which can be read again."""
    text: str = yaml.dump(  # plain types only, as with `safe_dump`
        dict(config), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100
    )
    return text
