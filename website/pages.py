"""All pages that are made from the code."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from website import checks, commands, plugins, settings

DOCS = Path(__file__).parents[1] / "docs"

PAGES: dict[str, Callable[[], str]] = {
    "checks/index.md": checks.overview,
    **{f"checks/{one[0]}.md": partial(checks.page, kind) for kind, one in checks.GROUPS.items()},
    "explainers.md": plugins.explainers,
    "documents.md": plugins.documents,
    "adapters.md": plugins.adapters,
    "settings.md": settings.page,
    "options.md": commands.page,
}
"""Makes the text of each page, by its path below ``docs``."""


def write() -> None:
    """Writes the pages."""
    for name, made in PAGES.items():
        path = DOCS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made(), encoding="utf-8")
