"""Markdown in which the names of the data stay text."""

from __future__ import annotations

import re
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup

from auditor.report.templating import new_environment, without_direction_controls

_SPECIAL = re.compile(r"([\\`*_\[\]|~])")
_AT_START = re.compile(r"^(\d*)([-+#.)=])")


def markdown_environment(own: Path | None = None) -> Environment:
    """The environment of the templates for Markdown.

    Args:
        own: folder whose templates take precedence.
    """
    jinja = new_environment(own)
    jinja.autoescape = False
    jinja.finalize = as_text
    return jinja


def tidy(text: str) -> str:
    """A rendered template with at most one empty line in a row."""
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def as_text(value: object) -> str:
    """Text that stays text: neither HTML nor Markdown, and on one line."""
    if isinstance(value, Markup):
        return str(value)
    text = (
        one_line(str(without_direction_controls(value)))
        .replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
    )
    return _AT_START.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", text))


def one_line(text: str) -> str:
    """A text without line breaks."""
    return " ".join(text.split())
