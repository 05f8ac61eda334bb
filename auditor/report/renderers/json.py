"""The view as JSON: what the documents show, for programs that make their own documents."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import TypeAdapter

from auditor.registry import Options, plugin
from auditor.report import NamesOfData
from auditor.report.view.report_view import ReportView

FILE = "report.json"


@plugin("renderer", "json")
class JsonReport(NamesOfData, Options):
    """What the documents show, as data; the whole result itself is ``audit.json``."""

    files: ClassVar[tuple[str, ...]] = (FILE,)

    def render(self, view: ReportView, folder: Path) -> Path:
        """Writes ``report.json``.

        Args:
            view: everything that is shown.
            folder: the run folder.
        """
        path = folder / FILE
        path.write_bytes(TypeAdapter(ReportView).dump_json(view, indent=1))
        return path
