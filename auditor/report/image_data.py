"""Images as a document holds them: read from the run folder, at the size that is shown."""

from __future__ import annotations

import base64
import io
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image

from auditor.errors import DataError, UnreadableImageError
from auditor.imaging.raster_formats import open_stored
from auditor.phrasing.glossary import DETAIL_NAMES
from auditor.report.charts.map_images import difference_image, map_image, region_image
from auditor.report.view.findings import FindingView
from auditor.report.view.image_differences import COLUMN as BRIGHTNESS
from auditor.report.view.map_files import MapFiles, Row
from auditor.report.view.report_view import ReportView
from auditor.report.view.sample_cards import SampleCard

REGION_CARDS = 3
"""Images of a finding on which the region of an intervention is drawn."""
_IMAGE_COLUMNS = ("image",)
_MAP_COLUMNS = ("overlay", *DETAIL_NAMES)
_PANEL_COLUMNS = ("image", "overlay", "gradient", "edges")
_UNIT_EDGE, _REGION_EDGE, _GROUP_EDGE = 112, 160, 160
"""Longest side in pixels of images that activate a unit, of those with a region drawn on them, and of
members of a group."""
_EXAMPLE_EDGE, _SHEET_EDGE = 112, 96
"""The same of images before and after an intervention, and of contact sheets."""

_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Second bytes of the JPEG markers that are followed by the size of the image."""

ImageKey = tuple[str, str]
"""Reference and column, such as ``("explanations/maps-00000.parquet#12", "overlay")``."""


@dataclass(frozen=True)
class ImageData:
    """JPEG bytes by reference and column."""

    files: Mapping[ImageKey, bytes]

    @classmethod
    def of_cards(cls, files: MapFiles, cards: Iterable[SampleCard], edge: int) -> ImageData:
        """Reads the images and maps of samples.

        Args:
            files: of the run folder.
            cards: whose images; each is read once.
            edge: longest side in pixels; larger images are made smaller, smaller ones are passed
                through byte by byte.
        """
        cards = list(cards)
        return cls(
            {
                **_read(files, (one.image for one in cards), _IMAGE_COLUMNS, edge),
                **_read(
                    files,
                    (one.reference for card in cards for one in card.maps),
                    _MAP_COLUMNS,
                    edge,
                    optional=_MAP_COLUMNS,
                ),
            }
        )

    @classmethod
    def of_report(
        cls, files: MapFiles, view: ReportView, edge: int, gallery: Iterable[SampleCard] = ()
    ) -> ImageData:
        """Reads and draws the images of all findings, the mean maps and the edge detector's panels.

        Args:
            files: of the run folder.
            view: everything that is shown.
            edge: longest side in pixels.
            gallery: further samples to read.
        """
        shown = [card for one in view.findings for card in (*one.cards, *one.contrasts)]
        images = dict(cls.of_cards(files, (*shown, *gallery), edge).files)
        images |= _read(files, (one.reference for one in view.means), ("overlay",), edge)
        images |= _read(
            files, (one.panel for one in view.panels), _PANEL_COLUMNS, edge, _PANEL_COLUMNS[1:]
        )
        units = {
            item.reference for one in view.findings for unit in one.units for item in unit.images
        }
        images |= _read(files, units, ("overlay",), _UNIT_EDGE)
        members = {
            member.image
            for one in view.findings
            for part in one.groups
            for group in part.groups
            for member in group.members
            if member.image
        }
        images |= _read(files, members - {key[0] for key in images}, _IMAGE_COLUMNS, _GROUP_EDGE)
        images |= dict(_examples(files, view))
        sheets = {one.image for sheet in view.sheets for one in sheet.images}
        images |= _read(files, sheets, _IMAGE_COLUMNS, _SHEET_EDGE)
        for one in view.findings:
            images |= dict(_regions(one, images))
            images |= dict(_grids(one))
        return cls(images)

    @property
    def detail(self) -> str | None:
        """The column of the detail maps: ``guided``, else ``gradient``, else ``other``; or None."""
        present = {column for reference, column in self.files if "/maps-" in reference}
        return next((one for one in DETAIL_NAMES if one in present), None)

    def __contains__(self, key: ImageKey) -> bool:
        return key in self.files

    def data_uri(self, reference: str, column: str) -> str:
        """The image as a ``data:`` address."""
        return data_uri(self.files[reference, column])

    def size(self, reference: str, column: str) -> tuple[int, int]:
        """Width and height in pixels, so that a page keeps the room of an image not yet loaded."""
        return jpeg_size(self.files[reference, column])


def _read(
    files: MapFiles,
    references: Iterable[str],
    columns: tuple[str, ...],
    edge: int,
    optional: tuple[str, ...] = (),
) -> dict[ImageKey, bytes]:
    """The images in some columns; those that are optional may be missing."""
    return {
        (reference, column): stored_jpeg(row, column, reference, edge)
        for reference, row in files.rows(references, columns).items()
        for column in columns
        if row[column] is not None or column not in optional
    }


def _examples(files: MapFiles, view: ReportView) -> Iterator[tuple[ImageKey, bytes]]:
    """The images before and after interventions; changed regions are outlined."""
    found = [*(each for one in view.findings for each in one.interventions), *view.unconfirmed]
    shown = [
        (each, one.region if each.changed else None)
        for one in found
        for example in one.examples
        for each in example.images
    ]
    read = _read(files, (one.image for one, _ in shown), _IMAGE_COLUMNS, _EXAMPLE_EDGE)
    for each, region in shown:
        key = (each.image, "image")
        yield key, read[key] if region is None else region_image(read[key], region, _EXAMPLE_EDGE)


def _regions(
    finding: FindingView, images: Mapping[ImageKey, bytes]
) -> Iterator[tuple[ImageKey, bytes]]:
    """The regions of interventions, drawn over images and mean maps that were read already."""
    for intervention in finding.interventions:
        if intervention.region is None:
            continue
        below = [(one.image, "image") for one in finding.cards[:REGION_CARDS]]
        below += [(one.reference, "overlay") for one in intervention.means]
        for key in below:
            drawn = region_image(images[key], intervention.region, _REGION_EDGE)
            yield (key[0], intervention.key), drawn


def _grids(finding: FindingView) -> Iterator[tuple[ImageKey, bytes]]:
    """The mean maps of a finding on one scale, and differences of maps and images."""
    for shift in finding.map_shifts:
        for one in shift.panels:
            signed = one.column == "difference"
            drawn = difference_image(one.values) if signed else map_image(one.values, shift.peak)
            yield (shift.reference, one.column), drawn
    for difference in finding.image_differences:
        yield (difference.reference, BRIGHTNESS), difference_image(difference.values)


def stored_jpeg(row: Row, column: str, reference: str, edge: int) -> bytes:
    """An image of a run folder as a JPEG, no larger than ``edge``.

    Args:
        row: of a file in ``explanations/``.
        column: of the image.
        reference: of the row, for the message.
        edge: longest side in pixels.

    Raises:
        DataError: it is missing, or can't be decoded.
    """
    try:
        return shrink(row[column] or b"", edge)
    except (OSError, SyntaxError, ValueError, TypeError, UnreadableImageError) as error:
        raise DataError(
            f"{reference}: {column}: expected a JPEG; it is missing or damaged ({type(error).__name__}): "
            "check the run with `auditor verify`, and restore it from a backup"
        ) from error


def shrink(jpeg: bytes, edge: int, quality: int = 72) -> bytes:
    """A JPEG whose longest side has at most ``edge`` pixels.

    Args:
        jpeg: any JPEG; returned as it is where it is small enough.
        edge: pixels.
        quality: of the smaller JPEG, 1 to 95.
    """
    with open_stored(jpeg) as image:
        if max(image.size) <= edge:
            image.load()  # a damaged one fails here, not in the reader's browser
            return jpeg
        image.draft("RGB", (edge, edge))
        smaller: Any = image.convert("RGB")
    smaller.thumbnail((edge, edge), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    smaller.save(stream, "JPEG", quality=quality, optimize=True)
    return stream.getvalue()


def jpeg_size(jpeg: bytes) -> tuple[int, int]:
    """Width and height of a JPEG in pixels, from its header.

    Raises:
        ValueError: there is no frame header.
    """
    place = 2  # after the start-of-image marker
    while place + 9 <= len(jpeg):
        if jpeg[place + 1] in _FRAME_MARKERS:
            height, width = struct.unpack(">HH", jpeg[place + 5 : place + 9])
            return width, height
        place += 2 + int.from_bytes(jpeg[place + 2 : place + 4])
    raise ValueError("expected a JPEG; got bytes without a frame header")


def data_uri(jpeg: bytes) -> str:
    """JPEG bytes as a ``data:`` address."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
