"""Images as a document holds them: from the run folder, at the size that is shown."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image

from auditor.records import PanelRecord
from auditor.report.charts.maps import boxed, difference_of, map_of
from auditor.report.view.findings import FindingView
from auditor.report.view.map_files import MapFiles
from auditor.report.view.sample_cards import MeanView, SampleCard

MAP_COLUMNS = ("overlay", "guided", "gradient", "other")
IMAGE_COLUMNS = ("image",)
UNIT_EDGE, PROOF_EDGE = 112, 160
"""Longest side in pixels of images that excite a unit, and of those with a swapped region."""
INTERVENTION_CARDS = 3
"""Images of a finding on which a swapped region is drawn."""
PANEL_COLUMNS = ("image", "overlay", "gradient", "edges")

DETAIL: Mapping[str, str] = {
    "guided": "Guided Grad-CAM",
    "gradient": "Gradient",
    "other": "Second method",
}
"""Detail views by column; a plain gradient is never called guided."""

Key = tuple[str, str]
"""Reference and column, such as ``("explanations/maps-00000.parquet#12", "overlay")``."""


@dataclass(frozen=True)
class ImageData:
    """JPEG bytes by reference and column."""

    files: Mapping[Key, bytes]

    @classmethod
    def of(
        cls,
        album: MapFiles,
        cards: Iterable[SampleCard],
        means: Iterable[MeanView] = (),
        edge: int = 224,
        panels: Iterable[PanelRecord] = (),
        findings: Iterable[FindingView] = (),
    ) -> ImageData:
        """Reads the images and maps of samples.

        Args:
            album: of the run folder.
            cards: whose images; each is read once.
            means: mean maps to read as well.
            edge: longest side in pixels; larger images are made smaller, smaller ones are passed
                through byte by byte.
            panels: images beside an edge detector to read as well.
            findings: whose units are read, and whose proofs and shifts are drawn, as well.
        """
        cards, findings = list(cards), list(findings)
        wanted: list[tuple[Iterable[str], tuple[str, ...]]] = [
            ([one.image for one in cards], IMAGE_COLUMNS),
            ([one.reference for card in cards for one in card.maps], MAP_COLUMNS),
            ([one.reference for one in means], ("overlay",)),
            ([one.panel for one in panels], PANEL_COLUMNS),
        ]
        files = {
            (reference, column): shrink(row[column], edge)
            for references, columns in wanted
            for reference, row in album.rows(references, columns).items()
            for column in columns
            if row[column] is not None
        }
        units = {item.reference for one in findings for unit in one.units for item in unit.images}
        for reference, row in album.rows(units, ("overlay",)).items():
            files[reference, "overlay"] = shrink(row["overlay"], UNIT_EDGE)
        for one in findings:
            files |= dict(_drawn(one, files))
        return cls(files)

    @property
    def detail(self) -> str | None:
        """The column of the detail views: ``guided``, else ``gradient``, else None."""
        present = {column for reference, column in self.files if "/maps-" in reference}
        return next((one for one in DETAIL if one in present), None)

    def __contains__(self, key: Key) -> bool:
        return key in self.files

    def data_uri(self, reference: str, column: str) -> str:
        """The image as a ``data:`` address."""
        return data_uri(self.files[reference, column])


def _drawn(finding: FindingView, files: Mapping[Key, bytes]) -> Iterator[tuple[Key, bytes]]:
    """Proofs and shifts of a finding, over images that were read already."""
    for intervention in finding.interventions:
        under = [(one.image, "image") for one in finding.cards[:INTERVENTION_CARDS]]
        under += [(one.reference, "overlay") for one in intervention.means]
        for key in under:
            yield (key[0], intervention.key), boxed(files[key], intervention.box, PROOF_EDGE)
    for shift in finding.shifts:
        peak = max(max(map(max, one.values)) for one in shift.panels[:2])
        for one in shift.panels:
            signed = one.column == "difference"
            drawn = difference_of(one.values) if signed else map_of(one.values, peak)
            yield (shift.reference, one.column), drawn


def shrink(jpeg: bytes, edge: int, quality: int = 72) -> bytes:
    """A JPEG whose longest side has at most ``edge`` pixels.

    Args:
        jpeg: any JPEG; returned as it is where it is small enough.
        edge: pixels.
        quality: of the smaller JPEG, 1 to 95.
    """
    with Image.open(io.BytesIO(jpeg)) as image:
        if max(image.size) <= edge:
            return jpeg
        image.draft("RGB", (edge, edge))
        smaller: Any = image.convert("RGB")
    smaller.thumbnail((edge, edge), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    smaller.save(stream, "JPEG", quality=quality, optimize=True)
    return stream.getvalue()


def data_uri(jpeg: bytes) -> str:
    """JPEG bytes as a ``data:`` address."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
