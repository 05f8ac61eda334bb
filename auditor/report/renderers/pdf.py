"""The report as a document for signature: a tagged PDF/UA-1, from the same view data."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from auditor.manifest import MANIFEST, RESULT
from auditor.registry import Options, plugin
from auditor.report.charts.canvas import FIXED, Chart
from auditor.report.charts.confusions import MOST_IN_TABLE
from auditor.report.charts.metric_charts import CURVES_SHOWN
from auditor.report.charts.report_charts import ReportCharts
from auditor.report.fonts import fallback_families, missing_fonts_text
from auditor.report.image_data import ImageData, ImageKey
from auditor.report.pdf_document import AttachedFile, font_files, require_weasyprint, write_pdf
from auditor.report.templating import environment
from auditor.report.view.failure_groups import failure_groups
from auditor.report.view.map_files import MapFiles
from auditor.report.view.report_view import ReportView
from auditor.report.view.validation import validation

FILE = "report.pdf"

_SHOWN = {
    "findings_shown": 8,
    "criteria_shown": 8,
    "reasons_listed": 6,
    "skipped_shown": 7,
    "untested_shown": 6,
    "decisions_shown": 6,
    "tested_shown": 40,
    "rows_shown": 120,
    "history_shown": 4,
    "sizes_shown": 4,
}
"""Rows of the tables: those of the main part keep it within 12 pages, the others are in appendices."""
_PER_GROUP = 4
"""Failures shown with the same label and prediction."""
_EXAMPLES = ("Largest effect", "Median effect", "Smallest effect")
"""Images before and after an intervention; the HTML report also has those at the quartiles."""
_SHEETS = 4
"""Slices with a contact sheet; the HTML report has them all."""
_CURVES = 6
"""Curves of numeric attributes; the HTML report has all of them."""
_EDGE = 224
"""Longest side of an image, in pixels: 180 dots per inch at the size on paper."""


@plugin("renderer", "pdf")
class PdfReport(Options):
    """A tagged document with contents, running heads, bookmarks and a sign-off block."""

    files: ClassVar[tuple[str, ...]] = (FILE,)

    failures: int = Field(60, ge=0)
    """Failures shown with their maps: of every kind some, those with the highest loss first."""
    attach: bool = False
    """Whether to write PDF/A-3 with `audit.json` (and `manifest.json`, if it exists) attached."""

    def render(self, view: ReportView, folder: Path) -> Path:
        """Writes ``report.pdf``; see `render_noting`."""
        return self.render_noting(view, folder)[0]

    def render_noting(self, view: ReportView, folder: Path) -> tuple[Path, str]:
        """Writes ``report.pdf``.

        Args:
            view: everything that is shown.
            folder: the run folder.

        Returns:
            The path of the document, and which fonts are missing; empty if none is.

        Raises:
            MissingDependencyError: WeasyPrint, or Pango, which it needs, is not installed.
        """
        require_weasyprint()  # before the images are read
        gallery = failure_groups(view.failures, self.failures, _PER_GROUP)
        cards = [card for group in gallery for card in group.cards]
        resources = _PdfResources(ImageData.of_report(MapFiles(folder), view, _EDGE, cards))
        charts = ReportCharts(view)
        template = environment(view.templates).get_template("pdf/report.html")
        page = template.render(
            view=view,
            images=resources,
            chart_url=resources.chart_url,
            charts=charts.findings,
            gaps=charts.gaps("wide"),
            error_curves=charts.error_curves(_CURVES),
            metric_charts=charts.metrics,
            confusion_chart=charts.confusion,
            failure_map=charts.failure_map,
            most_in_matrix=MOST_IN_TABLE,
            curves_shown=CURVES_SHOWN,
            gallery=gallery,
            example_ranks=_EXAMPLES,
            sheets_shown=_SHEETS,
            detail=resources.images.detail,
            validation=validation(),
            # PDF/A asks for an appearance of each field, which WeasyPrint does not draw.
            forms=not self.attach,
            **_SHOWN,
        )
        path = folder / FILE
        attached = _attachments(view, folder) if self.attach else ()
        missing = write_pdf(page, path, view.run_id, resources.files | font_files(), attached)
        return path, missing_fonts_text(missing)


@dataclass
class _PdfResources:
    """Gives images and charts short addresses and keeps their content.

    Attributes:
        images: of the report.
        files: content and media type by address, of everything that a page refers to.
    """

    images: ImageData
    files: dict[str, tuple[bytes, str]] = field(default_factory=dict)

    def __contains__(self, key: ImageKey) -> bool:
        return key in self.images

    def data_uri(self, reference: str, column: str) -> str:
        url = f"run:{reference}/{column}".replace("#", "-")
        self.files[url] = (self.images.files[reference, column], "image/jpeg")
        return url

    def chart_url(self, chart: Chart) -> str:
        url = f"run:chart/{chart.name}"
        svg = chart.themed(FIXED).replace("var(--sans)", _families())
        self.files[url] = (svg.encode(), "image/svg+xml")
        return url


@cache
def _families() -> str:
    """Font families of the charts, which know no variables of the style sheet."""
    return ", ".join(("Report Sans", *fallback_families(), "DejaVu Sans", "sans-serif"))


def _attachments(view: ReportView, folder: Path) -> list[AttachedFile]:
    moment = datetime.fromisoformat(view.created)
    descriptions = {
        RESULT: "The whole result of the audit",
        MANIFEST: "SHA-256 of every file of the run",
    }
    return [
        AttachedFile(folder / name, description, moment)
        for name, description in descriptions.items()
        if (folder / name).is_file()
    ]
