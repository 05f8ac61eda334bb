"""What a report does not show: redacted parts, and small cells of sensitive attributes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from auditor.disclosure.result import Disclosed
from auditor.phrasing import date, plural, several
from auditor.records import RedactionRecord

_IMAGES = {
    "blur": "images are blurred (those of up to 64 pixels a side are left out) and have no detail maps",
    "drop": "images are left out",
    "keep": "images are as in the original",
}


@dataclass(frozen=True)
class DisclosureView:
    """What is not shown.

    Attributes:
        redacted: whether the run is a redacted copy.
        notes: what is not shown, in a few sentences; empty if everything is.
    """

    redacted: bool
    notes: tuple[str, ...]


def disclosure_view(found: Disclosed) -> DisclosureView:
    """What a report does not show.

    Args:
        found: the part of a result that may be shown.
    """
    return DisclosureView(found.result.redaction is not None, tuple(_notes(found)))


def _notes(found: Disclosed) -> Iterator[str]:
    record = found.result.redaction
    if record is not None:
        yield (
            f"Redacted copy of {date(record.at)}: {several(_taken_out(record), 8)}. Its provenance has the "
            "seal of the original."
        )
    if not found.sensitive:
        return
    names = found.wording.shown_attributes
    are = "is" if len(names) == 1 else "are"
    yield (
        f"{several(names, 8)} {are} marked as sensitive: shown only as aggregates of at least "
        f"{plural(found.least, 'sample')}, never for single samples."
    )
    n = found.n_withheld + (0 if record is None else record.n_withheld)
    if n:
        yield (
            f"{plural(n, 'cell is', 'cells are')} not shown: they have {found.wording.small}, or "
            "reveal the number of such a cell. Findings about them keep their severity and their effect on "
            "the verdict."
        )


def _taken_out(record: RedactionRecord) -> list[str]:
    parts = [_IMAGES[record.images]]
    parts += ["ids are pseudonyms"] if record.ids else []
    parts += ["paths are left out"] if record.paths else []
    return parts
