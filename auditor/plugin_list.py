"""What ``auditor list`` prints; apart from the other commands, because it must not import pandas."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console

from auditor.console import line
from auditor.plugin_descriptions import PluginDescription


def print_plugins(console: Console, kind: str, plugins: Iterable[PluginDescription]) -> None:
    """Prints the plug-ins of one kind with their options and defaults."""
    console.print()
    console.print(line((kind, "bold")))
    for plugin in plugins:
        named = line("  ", (plugin.name, "bold cyan"), f"  {plugin.summary}")
        console.print(named, soft_wrap=True)
        for one in plugin.options:
            text = line(f"      {one.name} ({one.default})  {one.text}")
            console.print(text, soft_wrap=True)
