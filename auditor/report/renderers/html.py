"""The report as HTML: opens from disk, offline, and makes no request to any server.

Up to `GALLERY_LIMIT` failures, everything is in the one file ``report.html``. Beyond that, further
failures are in ``failures/page-2.html`` and so on, each as self-contained.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any, ClassVar

from jinja2 import Environment
from markupsafe import Markup

from auditor.records import SliceRecord
from auditor.registry import Options, plugin
from auditor.report import gallery
from auditor.report.charts.canvas import VARIABLES
from auditor.report.charts.confusions import MOST_IN_TABLE
from auditor.report.charts.metric_charts import CURVES_SHOWN
from auditor.report.charts.report_charts import ReportCharts
from auditor.report.gallery import GalleryPage
from auditor.report.image_data import ImageData
from auditor.report.templating import environment
from auditor.report.view.map_files import MapFiles
from auditor.report.view.report_view import ReportView

TESTED_LIMIT = 500
"""Rows of the table of what was tested without becoming a finding."""
SLICE_LIMIT = 1000
"""Rows of the table of slices; the others are counted, and are in the CSV."""
_FEW, _SOME = 120, 250
_LARGE, _MEDIUM, _SMALL, _TINY = 224, 160, 136, 112
"""Longest side of an embedded image in pixels, for few failures, some, many, and more than one page.
Half of 224 is tiny: JPEG decodes at half size for a quarter of the work."""


@plugin("renderer", "html")
class HtmlReport(Options):
    """One self-contained page for reviewers: verdict, findings with maps, slices, failure gallery."""

    files: ClassVar[tuple[str, ...]] = (gallery.REPORT, f"{gallery.FOLDER}/page-*.html")

    def render(self, view: ReportView, folder: Path) -> Path:
        """Writes ``report.html``, and pages of further failures where there are very many.

        Args:
            view: everything that is shown.
            folder: the run folder.

        Returns:
            The path of the report.
        """
        _remove_pages(folder / gallery.FOLDER)
        files, jinja = MapFiles(folder), environment(view.templates)
        pages = gallery.gallery_pages(view.failures)
        edge = _thumbnail_edge(view, len(pages))
        images = ImageData.of_report(files, view, _LARGE if len(pages) == 1 else _MEDIUM)
        thumbnails = ImageData.of_cards(files, pages[0].cards, edge)
        detail = images.detail or thumbnails.detail
        shared = _shared(view, pages, jinja, detail)
        path = folder / gallery.REPORT
        path.write_text(
            jinja.get_template("html/report.html").render(
                **shared,
                **_page(pages[0], thumbnails),
                **_report_only(view, images, shared["choices"], len(pages)),
            ),
            encoding="utf-8",
        )
        template = jinja.get_template("html/failures_page.html")
        for page in pages[1:]:
            (folder / gallery.FOLDER).mkdir(exist_ok=True)
            thumbnails = ImageData.of_cards(files, page.cards, edge)
            (folder / gallery.FOLDER / page.name).write_text(
                template.render(**shared, **_page(page, thumbnails), other_pages=""),
                encoding="utf-8",
            )
        return path


def _thumbnail_edge(view: ReportView, n_pages: int) -> int:
    n = len(view.failures)
    if n <= _FEW:
        return _LARGE
    if n <= _SOME:
        return _MEDIUM
    return _SMALL if n_pages == 1 else _TINY


def _shared(
    view: ReportView, pages: list[GalleryPage], jinja: Environment, detail: str | None
) -> dict[str, Any]:
    """What the report and the pages of failures use."""
    script = jinja.loader.get_source(jinja, "html/report.js")[0] if jinja.loader else ""
    return {
        "view": view,
        "policy": _policy(script),
        "script": Markup(script),  # noqa: S704 - our own file
        "index": {name: place for place, name in enumerate(view.confusion.classes)},
        "choices": gallery.filters(view.failures, view.sample_attributes),
        "filter_index": gallery.filter_index,
        "listed_probabilities": gallery.listed_probabilities,
        "n_pages": len(pages),
        "detail": detail,
        "gallery_maps": gallery.gallery_maps(detail),
    }


def _page(page: GalleryPage, thumbnails: ImageData) -> dict[str, Any]:
    return {
        "gallery": page.cards,
        "first": page.first,
        "page": page.number,
        "pages": page.addresses,
        "thumbnails": thumbnails,
    }


def _report_only(
    view: ReportView, images: ImageData, choices: gallery.Filters, n_pages: int
) -> dict[str, Any]:
    charts = ReportCharts(view)
    return {
        "svg": lambda chart: Markup(chart.themed(VARIABLES)),  # noqa: S704 - escaped there
        "charts": charts.findings,
        "gaps": {"wide": charts.gaps("wide"), "narrow": charts.gaps("narrow")},
        "error_curves": charts.error_curves(),
        "metric_charts": charts.metrics,
        "confusion_chart": charts.confusion,
        "failure_map": charts.failure_map,
        "most_in_matrix": MOST_IN_TABLE,
        "curves_shown": CURVES_SHOWN,
        "images": images,
        "slices": _slices(view),
        "tested_shown": TESTED_LIMIT,
        "scale": _scale(view),
        "other_pages": gallery.other_pages_index(view, choices) if n_pages > 1 else "",
    }


def _policy(script: str) -> str:
    """Nothing may be fetched; no other script may run."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def _slices(view: ReportView) -> list[SliceRecord]:
    """The slices of the table in their order; those with the largest gaps if there are very many."""

    def rank(place: int) -> tuple[float, int]:
        one = view.slices[place]
        return (1.0 if one.gap is None else -abs(one.gap.value), -one.support)

    ranked = sorted(range(len(view.slices)), key=rank)
    return [view.slices[place] for place in sorted(ranked[:SLICE_LIMIT])]


def _scale(view: ReportView) -> tuple[float, float]:
    """The range of gaps in the small drawings of the table."""
    gaps = [one.gap for one in view.slices if one.gap is not None]
    return (
        min([0.0, *(one.low for one in gaps)]),
        max([0.01, view.max_gap or 0.0, *(one.high for one in gaps)]),
    )


def _remove_pages(folder: Path) -> None:
    """Removes the pages of an earlier rendering."""
    for page in folder.glob("page-*.html"):
        page.unlink()
