"""Reports: result → view data → documents. One file for each renderer.

A renderer is an options model registered as ``@plugin("renderer", name)`` that can ``render()``. It
uses nothing but a finished run folder: no model, no data, no torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

from auditor.report.view.report_view import ReportView


@runtime_checkable
class NotingRenderer(Protocol):
    """A renderer that may have something to say about the document that it wrote."""

    def render_noting(self, view: ReportView, folder: Path) -> tuple[Path, str]:
        """Like `Renderer.render`, with a note for the user; empty if there is nothing to say."""
        ...


class NamesOfData:
    """Base of the renderers for other programs: they get the names of the data, not display names."""


@runtime_checkable
class Renderer(Protocol):
    """What a renderer plug-in does.

    A class variable `files` may name the files that it writes, as patterns below the run folder. They are
    removed before an interrupted audit goes on, which may be asked for other documents.
    """

    def render(self, view: ReportView, folder: Path) -> Path:
        """Writes the document into the run folder.

        Args:
            view: everything that is shown.
            folder: the run folder.

        Returns:
            The path of the document.

        Raises:
            MissingDependencyError: a library that it needs is not installed.
        """
        ...
