"""Docstrings and options of plug-ins as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable

from auditor.plugin_descriptions import OptionDescription

GENERATED = "<!-- Made from the code by `python -m website`; edit the docstrings instead. -->"


def inline(text: str) -> str:
    """A docstring's paragraph on one line, with Markdown's code spans."""
    return " ".join(text.replace("``", "`").split())


def paragraphs(docstring: str) -> list[str]:
    """The paragraphs of a docstring; a section, such as ``Reference``, is one that begins with its name."""
    found = []
    for block in re.split(r"\n\s*\n", docstring.strip()):
        section = re.match(r"(Reference|Limits):\s+", block)
        if section:
            found.append(f"**{section[1]}.** {inline(block[section.end() :])}")
        else:
            found.append(inline(block))
    return found


def cell(text: str) -> str:
    """Text for a cell of a table: outside of code, angle brackets would be HTML."""
    parts = inline(text).replace("|", "\\|").split("`")
    return "`".join(part if k % 2 else part.replace("<", "&lt;") for k, part in enumerate(parts))


def options_table(options: Iterable[OptionDescription]) -> list[str]:
    """Lines of the table of a plug-in's options; none if it has none."""
    rows = [
        f"| `{one.name}` | {'required' if one.default == 'required' else f'`{one.default}`'} "
        f"| {cell(one.text)} |"
        for one in options
    ]
    return ["", "| option | default | meaning |", "|---|---|---|", *rows] if rows else []
