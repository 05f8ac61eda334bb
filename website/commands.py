"""The page of all options of the command line."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

from typer.main import get_command

from auditor import cli
from website.markdown import GENERATED, cell, paragraphs


def page() -> str:
    """Each command with its arguments and options."""
    lines = [
        "# Options of the commands",
        "",
        GENERATED,
        "",
        "The same as `auditor COMMAND --help`. [Commands](commands.md) has an overview, and the exit codes.",
    ]
    group: Any = get_command(cli.app)
    for name, command in sorted(group.commands.items()):
        lines += ["", f"## `auditor {name}`"]
        for one in paragraphs(inspect.cleandoc(command.help or "")):
            lines += ["", one]
        rows = [row for one in command.params for row in _row(one)]
        if rows:
            lines += ["", "| argument or option | default | meaning |", "|---|---|---|", *rows]
    return "\n".join(lines) + "\n"


def _row(parameter: Any) -> Iterator[str]:
    if parameter.param_type_name == "argument":
        shown = parameter.metavar or parameter.name.upper()
        names = f"`{_escaped(shown.strip('[]{}'))}`"
    else:
        names = ", ".join(f"`{one}`" for one in (*parameter.opts, *parameter.secondary_opts))
        names += f" `{_escaped(parameter.metavar)}`" if parameter.metavar else ""
    default = _default(parameter.default) or ("required" if parameter.required else "")
    yield f"| {names} | {default} | {cell(parameter.help or '')} |"


def _default(value: object) -> str:
    """What an option is without being given; empty for flags that are off and texts that are absent."""
    if isinstance(value, Enum):
        return ", ".join(
            [f"`{value.value}`", *(f"or {one.value}" for one in type(value) if one != value)]
        )
    if isinstance(value, bool):
        return "on" if value else ""
    return f"`{value}`" if isinstance(value, int | float | str | Path) and str(value) else ""


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
