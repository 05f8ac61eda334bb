"""A small finished run folder, in which one file is replaced by what the input says."""

from __future__ import annotations

import functools
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any

from builders.synthetic_run import Plan, build_run

from auditor.errors import UsageError
from auditor.records.parsing import parse_result
from auditor.report.renderers import html, markdown
from auditor.report.view import compliance
from auditor.report.view.report_view import build_view
from auditor.run_folder import RESULT, RunFolder
from fuzz.target import BrokenPromiseError

_ENTRIES = 2
"""Entries of each list of the base result that are kept, where it stays consistent."""
_LINK = re.compile(r"(?<!\\)\]\(\s*javascript:", re.IGNORECASE)
_IN_MARKDOWN = re.compile(r"<fuzz-marker|^# fuzz-heading", re.MULTILINE)


def small_run(folder: Path) -> RunFolder:
    """A run with a few samples, whose result has few entries in each list."""
    plan = Plan(samples=60, side=16, drawn=2, failures=3)
    run = build_run(folder / "run", plan)
    path = run.path / RESULT
    raw = _shortened(json.loads(path.read_text(encoding="utf-8")))
    path.write_text(json.dumps(raw), encoding="utf-8")
    return run


def remember(module: ModuleType, name: str) -> None:
    """Lets a function read files of this package only once, as it takes most of the time."""
    function = getattr(module, name)
    if not hasattr(function, "cache_info"):
        setattr(module, name, functools.cache(function))


def _shortened(raw: Any) -> Any:
    """A result with shorter lists, as long as it is accepted."""
    for parent, key in list(_lists(raw)):
        old = parent[key]
        parent[key] = old[:_ENTRIES]
        try:
            parse_result(json.dumps(raw), RESULT)
        except UsageError:
            parent[key] = old
    return raw


def _lists(node: Any) -> Any:
    pairs = node.items() if isinstance(node, dict) else enumerate(node)
    for key, inner in pairs:
        if isinstance(inner, list) and len(inner) > _ENTRIES:
            yield node, key
        if isinstance(inner, dict | list):
            yield from _lists(inner)


def render(run: RunFolder, *, page: bool) -> None:
    """Renders the model card, and the page if asked to, and looks for markers that got through.

    Raises:
        BrokenPromiseError: a text of the run became an element, an attribute, a link or a heading.
    """
    remember(html, "environment")
    remember(markdown, "markdown_environment")
    remember(compliance, "_read")
    view = build_view(run)
    card = markdown.ModelCard().render(view, run.path).read_text(encoding="utf-8")
    for pattern in (_IN_MARKDOWN, _LINK):
        found = pattern.search(card)
        if found is not None:
            raise BrokenPromiseError(
                f"in Markdown: {card[found.start() - 40 : found.end() + 20]!r}"
            )
    if page:
        text = html.HtmlReport().render(view, run.path).read_text(encoding="utf-8")
        require_no_markers(text)


def require_no_markers(page: str) -> None:
    """Looks for markers in a page that are no text.

    Raises:
        BrokenPromiseError: one is an element, an attribute or an address.
    """
    if "fuzz" in page:
        _Markers().feed(page)


class _Markers(HTMLParser):
    """Refuses elements and attributes that only an input can have brought."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag.startswith("fuzz"):
            raise BrokenPromiseError(f"element {self.get_starttag_text()}")
        for name, value in attrs:
            address = name in {"href", "src", "action", "formaction", "xlink:href"}
            script = address and (value or "").strip().lower().startswith("javascript:")
            if name.startswith("onfuzz") or script:
                raise BrokenPromiseError(f"attribute of {self.get_starttag_text()}")
