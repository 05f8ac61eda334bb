"""The report as HTML: opens from disk, offline, and asks no server for anything.

Up to `GALLERY_LIMIT` failures everything is in the one file ``report.html``. Beyond, it keeps the
costliest ones, and the others follow in ``failures/page-2.html`` and so on, each as self-contained.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from auditor.records import SliceRecord
from auditor.registry import Options, plugin
from auditor.report.charts import finding_charts as charts
from auditor.report.image_data import DETAIL, ImageData
from auditor.report.templating import environment
from auditor.report.view.map_files import MapFiles
from auditor.report.view.report_view import Confusion, ReportView
from auditor.report.view.sample_cards import SampleCard

FILE = "report.html"
PAGES = "failures"

GALLERY_LIMIT = 500
"""Failures up to which all images are inside the one file."""
FIRST_PAGE, PAGE = 60, 250
"""Failures in the report and on each further page, where there are more than that."""
SLICE_LIMIT = 1000
"""Rows of the table of slices; the others are counted, and are in the CSV."""
FEW, SOME = 120, 250
LARGE, MEDIUM, SMALL, TINY = 224, 160, 136, 112
"""Longest side of an embedded image in pixels, for few failures, some, many, and beyond
`GALLERY_LIMIT`. Half of 224 is tiny: JPEG decodes at half size for a quarter of the work."""


@plugin("renderer", "html")
class HtmlReport(Options):
    """One self-contained page for reviewers: verdict, findings with maps, slices, failure gallery."""

    def render(self, view: ReportView, folder: Path) -> Path:
        """Writes ``report.html``, and pages of further failures where there are very many.

        Args:
            view: everything that is shown.
            folder: the run folder.

        Returns:
            The path of the report.
        """
        _forget_pages(folder / PAGES)
        album, jinja = MapFiles(folder), environment(view.templates)
        parts = _parts(view)
        n = len(view.failures)
        edge = LARGE if n <= FEW else MEDIUM if n <= SOME else SMALL if len(parts) == 1 else TINY
        shown = [card for finding in view.findings for card in (*finding.cards, *finding.contrasts)]
        images = ImageData.of(
            album,
            shown,
            view.means,
            LARGE if len(parts) == 1 else MEDIUM,
            view.panels,
            view.findings,
        )
        shared = _shared(view, parts, jinja)
        thumbnails = ImageData.of(album, parts[0].cards, (), edge)
        detail = images.detail or thumbnails.detail
        path = folder / FILE
        path.write_text(
            jinja.get_template("html/report.html").render(
                **shared,
                **_gallery(parts[0], thumbnails, detail),
                svg=lambda chart: Markup(chart.themed(charts.VARIABLES)),  # noqa: S704 - escaped there
                charts={
                    one.anchor: charts.of_finding(one, view.confusion) for one in view.findings
                },
                gaps={
                    "wide": charts.of_gaps(view, "wide"),
                    "narrow": charts.of_gaps(view, "narrow"),
                },
                images=images,
                pairs=frequent_confusions(view.confusion),
                alpha=view.alpha,
                slices=_slices(view),
                scale=_scale(view),
                elsewhere=_index(view, shared["choices"]) if len(parts) > 1 else "",
            ),
            encoding="utf-8",
        )
        template = jinja.get_template("html/failures_page.html")
        for part in parts[1:]:
            thumbnails = ImageData.of(album, part.cards, (), edge)
            (folder / PAGES).mkdir(exist_ok=True)
            (folder / PAGES / f"page-{part.page + 1}.html").write_text(
                template.render(**shared, **_gallery(part, thumbnails, detail), elsewhere=""),
                encoding="utf-8",
            )
        return path


@dataclass(frozen=True)
class _Part:
    """The failures of one page."""

    page: int
    first: int
    cards: tuple[SampleCard, ...]
    addresses: tuple[str, ...]


def _parts(view: ReportView) -> list[_Part]:
    failures = view.failures
    if len(failures) <= GALLERY_LIMIT:
        return [_Part(0, 1, failures, ())]
    starts = [0, *range(FIRST_PAGE, len(failures), PAGE)]
    pages = [f"page-{place + 1}.html" for place in range(1, len(starts))]
    from_report = ("#failures", *(f"{PAGES}/{one}" for one in pages))
    from_page = (f"../{FILE}#failures", *pages)
    return [
        _Part(place, start + 1, failures[start:end], from_page if place else from_report)
        for place, (start, end) in enumerate(zip(starts, [*starts[1:], len(failures)], strict=True))
    ]


def _shared(view: ReportView, parts: Sequence[_Part], jinja: Environment) -> dict[str, Any]:
    script = jinja.loader.get_source(jinja, "html/report.js")[0] if jinja.loader else ""
    return {
        "view": view,
        "policy": _policy(script),
        "script": Markup(script),  # noqa: S704 - our own file
        "index": {name: place for place, name in enumerate(view.confusion.classes)},
        "choices": _choices(view.failures, view.attributes),
        "place_of": _place_of,
        "n_pages": len(parts),
    }


def _gallery(part: _Part, thumbnails: ImageData, detail: str | None) -> dict[str, Any]:
    return {
        "gallery": part.cards,
        "first": part.first,
        "page": part.page,
        "pages": part.addresses,
        "thumbnails": thumbnails,
        "detail": detail,
        "lenses": lenses(detail),
    }


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
        ("image", "DecodedImage"),
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


def _slices(view: ReportView) -> list[SliceRecord]:
    """The slices of the table in their order: where there are very many, the largest gaps."""
    if len(view.slices) <= SLICE_LIMIT:
        return list(view.slices)
    ranked = sorted(
        range(len(view.slices)),
        key=lambda place: (
            -abs(view.slices[place].gap.value) if view.slices[place].gap is not None else 1.0,  # type: ignore[union-attr]
            -view.slices[place].support,
        ),
    )
    return [view.slices[place] for place in sorted(ranked[:SLICE_LIMIT])]


def _scale(view: ReportView) -> tuple[float, float]:
    """The gaps that the small drawings of the table reach from and to."""
    gaps = [one.gap for one in view.slices if one.gap is not None]
    limit = view.max_gap or 0.0
    return (
        min([0.0, *(one.low for one in gaps)]),
        max([0.01, limit, *(one.high for one in gaps)]),
    )


_Choices = tuple[tuple[str, tuple[str, ...]], ...]


def _choices(failures: Sequence[SampleCard], attributes: Sequence[str]) -> _Choices:
    """The values of each attribute among the failures, for the filters."""
    values: dict[str, set[str]] = {name: set() for name in attributes}
    for card in failures:
        for name, value in card.attributes:
            values[name].add(value)
    return tuple(
        (name, tuple(sorted(found))) for name, found in values.items() if 1 < len(found) <= 50
    )


def _place_of(values: Sequence[str], attributes: Sequence[tuple[str, str]], name: str) -> int:
    return values.index(dict(attributes)[name])


def _index(view: ReportView, choices: _Choices) -> Markup:
    """What the filters need to know of the failures on other pages: indices and addresses only."""
    classes = {name: place for place, name in enumerate(view.confusion.classes)}

    def row(card: SampleCard) -> Iterator[str]:
        yield str(classes[card.label])
        yield str(classes[card.predicted])
        yield " ".join(card.findings)
        yield " ".join(card.verdicts)
        for name, values in choices:
            yield str(_place_of(values, card.attributes, name))

    names = ["label", "predicted", "finding", "verdict"]
    names += [f"attribute-{place}" for place in range(len(choices))]
    content = {
        "first": FIRST_PAGE,
        "size": PAGE,
        "folder": PAGES,
        "names": names,
        "rows": ["|".join(row(card)) for card in view.failures],
    }
    return Markup(json.dumps(content, separators=(",", ":")))  # noqa: S704 - indices, hexadecimal


def _forget_pages(folder: Path) -> None:
    """Removes the pages of an earlier rendering."""
    for page in folder.glob("page-*.html"):
        page.unlink()
