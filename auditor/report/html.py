"""The report as one HTML file: opens from disk, offline, and asks no server for anything."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from markupsafe import Markup

from auditor.registry import Options, plugin
from auditor.report import charts
from auditor.report.album import Album
from auditor.report.pictures import DETAIL, Pictures
from auditor.report.templating import environment
from auditor.report.view import Confusion, ReportView, Shot

FILE = "report.html"

GALLERY_LIMIT = 500
"""Failures whose pictures are inside the file; the rest is counted and stays in the run folder."""
LARGE, MEDIUM, SMALL = 224, 160, 128
"""Longest side of an embedded picture, in pixels."""
FEW, SOME = 120, 250
"""Failures up to which gallery pictures are embedded large, or of medium size."""


@plugin("renderer", "html")
class HtmlReport(Options):
    """One self-contained page for reviewers: verdict, findings with maps, slices, failure gallery."""

    def render(self, view: ReportView, folder: Path) -> Path:
        """Writes ``report.html``.

        Args:
            view: everything that is shown.
            folder: the run folder.

        Returns:
            The path of the page.
        """
        album = Album(folder)
        gallery = view.failures[:GALLERY_LIMIT]
        shown = [shot for finding in view.findings for shot in (*finding.shots, *finding.contrasts)]
        edge = LARGE if len(gallery) <= FEW else MEDIUM if len(gallery) <= SOME else SMALL
        pictures = Pictures.of(album, shown, view.means, LARGE)
        thumbnails = Pictures.of(album, gallery, (), edge)
        detail = pictures.detail or thumbnails.detail
        jinja = environment()
        script = jinja.loader.get_source(jinja, "html/report.js")[0] if jinja.loader else ""
        page = jinja.get_template("html/report.html").render(
            view=view,
            policy=_policy(script),
            script=Markup(script),  # noqa: S704 - our own file
            svg=lambda chart: Markup(chart.themed(charts.VARIABLES)),  # noqa: S704 - escaped there
            charts={one.anchor: charts.of_finding(one, view.confusion) for one in view.findings},
            gaps={"wide": charts.of_gaps(view, "wide"), "narrow": charts.of_gaps(view, "narrow")},
            pictures=pictures,
            thumbnails=thumbnails,
            gallery=gallery,
            detail=detail,
            lenses=lenses(detail),
            pairs=frequent_confusions(view.confusion),
            index={name: place for place, name in enumerate(view.confusion.classes)},
            choices=_choices(gallery, view.attributes),
            place_of=_place_of,
            alpha=view.alpha,
        )
        path = folder / FILE
        path.write_text(page, encoding="utf-8")
        return path


def lenses(detail: str | None) -> tuple[tuple[str, str], ...]:
    """What the gallery can show of each failure: a key and its name."""
    fine = (
        ()
        if detail is None
        else (
            ("detail-predicted", f"{DETAIL[detail]}, predicted class"),
            ("detail-label", f"{DETAIL[detail]}, label"),
        )
    )
    return (
        ("picture", "Picture"),
        ("cam-predicted", "Grad-CAM, predicted class"),
        ("cam-label", "Grad-CAM, label"),
        *fine,
    )


def frequent_confusions(confusion: Confusion, limit: int = 30) -> tuple[tuple[int, int, int], ...]:
    """The confusions that occur most: index of the label, of the prediction, how many."""
    pairs = [
        (row, column, n)
        for row, counts in enumerate(confusion.counts)
        for column, n in enumerate(counts)
        if row != column and n
    ]
    return tuple(sorted(pairs, key=lambda one: (-one[2], one[0], one[1]))[:limit])


def _policy(script: str) -> str:
    """Nothing may be fetched; only this very script may run."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def _choices(
    gallery: Sequence[Shot], attributes: Sequence[str]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The values of each attribute among the failures, for the filters."""
    rows: list[Mapping[str, str]] = [dict(one.attributes) for one in gallery]
    values = ((name, tuple(sorted({row[name] for row in rows}))) for name in attributes)
    return tuple((name, found) for name, found in values if 1 < len(found) <= 50)


def _place_of(values: Sequence[str], attributes: Sequence[tuple[str, str]], name: str) -> int:
    return values.index(dict(attributes)[name])
