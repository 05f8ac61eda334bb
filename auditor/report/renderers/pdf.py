"""The report as a document for signature: tagged PDF/UA-1 by WeasyPrint, from the same view data."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from PIL import ImageFile

from auditor.errors import MissingDependencyError
from auditor.manifest import MANIFEST, RESULT
from auditor.registry import Options, plugin
from auditor.report.charts import finding_charts as charts
from auditor.report.image_data import ImageData
from auditor.report.renderers.html import frequent_confusions
from auditor.report.templating import environment
from auditor.report.view.map_files import MapFiles
from auditor.report.view.report_view import ReportView

FILE = "report.pdf"

EDGE = 224
"""Longest side of an image, in pixels: 180 dots an inch at the size on paper."""

_HOW_TO_INSTALL = """\
the PDF needs WeasyPrint and the system library Pango, which can't be loaded ({reason}); the other \
documents are written without it. Install Pango with
  Debian, Ubuntu: apt install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0
  Fedora:         dnf install pango
  macOS:          brew install pango
  Windows:        install MSYS2, then run there: pacman -S mingw-w64-x86_64-pango
and write it again with `auditor render RUN --format pdf`"""


@plugin("renderer", "pdf")
class PdfReport(Options):
    """A tagged document with contents, running heads, bookmarks and a sign-off block."""

    failures: int = 60
    """Failures shown with their maps, the costliest first; the rest is counted."""
    attach: bool = False
    """Whether to write PDF/A-3 with `audit.json` (and `manifest.json`, where it exists) attached."""

    def render(self, view: ReportView, folder: Path) -> Path:
        """Writes ``report.pdf``.

        Args:
            view: everything that is shown.
            folder: the run folder.

        Returns:
            The path of the document.

        Raises:
            MissingDependencyError: WeasyPrint, or Pango below it, is not installed.
        """
        _weasyprint()  # before the images are read
        gallery = view.failures[: self.failures]
        shown = [card for finding in view.findings for card in (*finding.cards, *finding.contrasts)]
        shelf = _Shelf(
            ImageData.of(
                MapFiles(folder), (*shown, *gallery), view.means, EDGE, view.panels, view.findings
            )
        )
        page = (
            environment(view.templates)
            .get_template("pdf/report.html")
            .render(
                view=view,
                images=shelf,
                chart_url=shelf.chart_url,
                charts={
                    one.anchor: charts.of_finding(one, view.confusion) for one in view.findings
                },
                gaps=charts.of_gaps(view, "wide"),
                gallery=gallery,
                detail=shelf.images.detail,
                pairs=frequent_confusions(view.confusion),
            )
        )
        path = folder / FILE
        attached = _attachments(view, folder) if self.attach else ()
        typeset(page, path, view.run_id, shelf.files, attached)
        return path


@dataclass(frozen=True)
class Attached:
    """A file inside a PDF.

    Attributes:
        path: where it lies.
        description: what it is.
        moment: its date inside the document.
    """

    path: Path
    description: str
    moment: datetime


def typeset(
    page: str,
    path: Path,
    identifier: str,
    files: Mapping[str, tuple[bytes, str]] | None = None,
    attached: Sequence[Attached] = (),
) -> None:
    """Sets a page as a tagged PDF/UA-1, or with attachments as a tagged PDF/A-3.

    Args:
        page: HTML; what it shows comes from ``data:`` addresses and from ``files``.
        path: of the document.
        identifier: what the document is of; equal ones make equal documents.
        files: content and media type by address.
        attached: files to put inside.

    Raises:
        MissingDependencyError: WeasyPrint, or Pango below it, is not installed.
    """
    weasyprint = _weasyprint()
    attachments = [
        weasyprint.Attachment(
            string=one.path.read_bytes(),
            name=one.path.name,
            description=one.description,
            created=one.moment,
            modified=one.moment,
            relationship="Data",
        )
        for one in attached
    ]
    with _without_collector():
        weasyprint.HTML(string=page, url_fetcher=_fetcher(weasyprint, files or {})).write_pdf(
            path,
            pdf_variant="pdf/a-3a" if attachments else "pdf/ua-1",
            pdf_identifier=identifier.encode(),
            attachments=attachments or None,
        )


@dataclass
class _Shelf:
    """Gives images and charts short addresses and remembers what lies behind them."""

    images: ImageData
    files: dict[str, tuple[bytes, str]] = field(default_factory=dict)

    def __contains__(self, key: tuple[str, str]) -> bool:
        return key in self.images

    def data_uri(self, reference: str, column: str) -> str:
        url = f"run:{reference}/{column}".replace("#", "-")
        self.files[url] = (self.images.files[reference, column], "image/jpeg")
        return url

    def chart_url(self, chart: charts.Chart) -> str:
        url = f"run:chart/{chart.name}"
        svg = chart.themed(charts.FIXED).replace(
            "var(--sans)", "Liberation Sans, Arial, sans-serif"
        )
        self.files[url] = (svg.encode(), "image/svg+xml")
        return url


def _attachments(view: ReportView, folder: Path) -> list[Attached]:
    moment = datetime.fromisoformat(view.created)
    described = {
        RESULT: "The whole result of the audit",
        MANIFEST: "SHA-256 of every file of the run",
    }
    return [
        Attached(folder / name, description, moment)
        for name, description in described.items()
        if (folder / name).is_file()
    ]


def _fetcher(weasyprint: ModuleType, files: Mapping[str, tuple[bytes, str]]) -> Any:
    """A fetcher that knows these files and ``data:`` addresses, and refuses everything else."""
    base: Any = weasyprint.urls.URLFetcher

    class OwnFiles(base):  # type: ignore[misc, unused-ignore]
        def fetch(self, url: str, headers: Mapping[str, str] | None = None) -> Any:
            if url in files:
                body, kind = files[url]
                return weasyprint.urls.URLFetcherResponse(url, body, headers={"Content-Type": kind})
            return super().fetch(url, headers)

    return OwnFiles(allowed_protocols=["data"])


def _weasyprint() -> ModuleType:
    # On import WeasyPrint tells Pillow, for the whole process, to make up what is missing of a
    # truncated image: the next audit would take it for a sound one.
    as_it_was = ImageFile.LOAD_TRUNCATED_IMAGES
    try:
        import weasyprint
    except (ImportError, OSError) as error:
        # WeasyPrint raises OSError where Pango's shared library can't be opened.
        reason = str(error).strip().splitlines()[0]
        raise MissingDependencyError(_HOW_TO_INSTALL.format(reason=reason)) from error
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = as_it_was
    module: ModuleType = weasyprint
    return module


@contextmanager
def _without_collector() -> Iterator[None]:
    """Layout makes millions of small objects that all live to the end: collecting them is waste."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
