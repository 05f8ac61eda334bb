"""The failures of a report on pages, and what their filters need.

Up to `GALLERY_LIMIT` failures are all in the report itself. Beyond that, it shows the ones with the
highest loss, and the others follow on pages of their own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from auditor.phrasing.glossary import DETAIL_NAMES
from auditor.report.view.report_view import ReportView
from auditor.report.view.sample_cards import SampleCard

REPORT = "report.html"
FOLDER = "failures"

GALLERY_LIMIT = 500
"""Failures up to which all images are in the one file."""
FIRST_PAGE, FURTHER_PAGE = 60, 250
"""Failures in the report and on each further page, if there are more than that."""
_MOST_FILTER_VALUES = 50

Filters = tuple[tuple[str, tuple[str, ...]], ...]
"""Attributes and their values among the failures."""


@dataclass(frozen=True)
class GalleryPage:
    """The failures of one page.

    Attributes:
        number: of the page, from 0, which is the report itself.
        first: rank of its first failure, from 1.
        cards: its failures.
        addresses: of all pages, relative to this one; empty if there is only one.
    """

    number: int
    first: int
    cards: tuple[SampleCard, ...]
    addresses: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its file name in `FOLDER`."""
        return _file_name(self.number)


def gallery_pages(failures: tuple[SampleCard, ...]) -> list[GalleryPage]:
    """Divides the failures into pages, the report's own first."""
    if len(failures) <= GALLERY_LIMIT:
        return [GalleryPage(0, 1, failures, ())]
    starts = [0, *range(FIRST_PAGE, len(failures), FURTHER_PAGE)]
    names = [_file_name(number) for number in range(1, len(starts))]
    from_report = ("#failures", *(f"{FOLDER}/{one}" for one in names))
    from_page = (f"../{REPORT}#failures", *names)
    ends = [*starts[1:], len(failures)]
    return [
        GalleryPage(number, start + 1, failures[start:end], from_page if number else from_report)
        for number, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]


def gallery_maps(detail: str | None) -> tuple[tuple[str, str], ...]:
    """What the gallery can show of each failure: a key and its name.

    Args:
        detail: column of the detail maps; None without them.
    """
    maps = (
        ("image", "Image"),
        ("cam-predicted", "Grad-CAM, predicted class"),
        ("cam-label", "Grad-CAM, label"),
    )
    if detail is None:
        return maps
    name = DETAIL_NAMES[detail]
    return (
        *maps,
        ("detail-predicted", f"{name}, predicted class"),
        ("detail-label", f"{name}, label"),
    )


def filters(failures: Sequence[SampleCard], attributes: Sequence[str]) -> Filters:
    """The attributes by which failures can be filtered; those with very many values are left out."""
    values: dict[str, set[str]] = {name: set() for name in attributes}
    for card in failures:
        for name, value in card.attributes:
            values[name].add(value)
    return tuple(
        (name, tuple(sorted(found)))
        for name, found in values.items()
        if 1 < len(found) <= _MOST_FILTER_VALUES
    )


def filter_index(values: Sequence[str], attributes: Sequence[tuple[str, str]], name: str) -> int:
    """Position of a sample's value among those of a filter."""
    return values.index(dict(attributes)[name])


def listed_probabilities(card: SampleCard, index: Mapping[str, int]) -> str:
    """The probabilities of a card as ``3:0.912 0:0.07``, with the positions of the classes."""
    return " ".join(f"{index[name]}:{value:.3g}" for name, value in card.probabilities)


def other_pages_index(view: ReportView, choices: Filters) -> Markup:
    """What the filters need to know about the failures on other pages: indices and addresses only."""
    classes = {name: place for place, name in enumerate(view.confusion.classes)}

    def row(card: SampleCard) -> Iterator[str]:
        yield str(classes[card.label])
        yield str(classes[card.predicted])
        yield " ".join(card.findings)
        yield " ".join(card.verdicts)
        for name, values in choices:
            yield str(filter_index(values, card.attributes, name))

    names = ["label", "predicted", "finding", "verdict"]
    names += [f"attribute-{place}" for place in range(len(choices))]
    content = {
        "first": FIRST_PAGE,
        "size": FURTHER_PAGE,
        "folder": FOLDER,
        "names": names,
        "rows": ["|".join(row(card)) for card in view.failures],
    }
    return Markup(json.dumps(content, separators=(",", ":")))  # noqa: S704 - indices, hexadecimal


def _file_name(number: int) -> str:
    return f"page-{number + 1}.html"
