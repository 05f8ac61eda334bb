"""Images and maps of the samples whose outcome changed, from either run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from auditor.comparison.records import FlippedPrediction
from auditor.imaging.location import locate_evidence
from auditor.records import AuditResult, MapRecord
from auditor.records.display_names import DisplayNames
from auditor.report.image_data import data_uri, stored_jpeg
from auditor.report.view.map_files import MapFiles, Row, cam_of
from auditor.run_folder import RunFolder

SHOWN = 24
"""Samples of each side whose images are inside the page."""
LISTED = 200
"""Further samples that are listed without images; the others are in ``comparison.json``."""
_EDGE = 192
"""Longest side of an embedded image, in pixels."""
_MAP_COLUMNS = ("overlay", "cam", "cam_height", "cam_width")
_WHEN = ("Before", "After")


@dataclass(frozen=True)
class ImagePane:
    """An image or a map.

    Attributes:
        source: its ``data:`` address.
        title: what it is.
        text: of which class; empty for the image itself.
        alt: what can be seen, in words.
    """

    source: str
    title: str
    text: str
    alt: str


@dataclass(frozen=True)
class FlippedPredictionView:
    """A sample whose outcome changed, with its images.

    Attributes:
        prediction: the sample.
        panes: the image first; empty where neither run has it.
    """

    prediction: FlippedPrediction
    panes: tuple[ImagePane, ...]


@dataclass(frozen=True)
class FlippedPredictions:
    """The samples whose outcome changed in one direction.

    Attributes:
        shown: with images.
        listed: without images.
        omitted: how many more are in ``comparison.json``.
    """

    shown: tuple[FlippedPredictionView, ...]
    listed: tuple[FlippedPrediction, ...]
    omitted: int

    @property
    def total(self) -> int:
        """How many there are."""
        return len(self.shown) + len(self.listed) + self.omitted


@dataclass(frozen=True)
class RunImages:
    """The explained samples of both runs.

    Attributes:
        files: of the earlier and the later run.
        maps: their maps by sample, with the display names of their targets.
    """

    files: tuple[MapFiles, MapFiles]
    maps: tuple[Mapping[str, list[MapRecord]], Mapping[str, list[MapRecord]]]

    @classmethod
    def of(cls, before: RunFolder, after: RunFolder, names: DisplayNames) -> RunImages:
        """The explained samples of two runs, with display names."""
        one, two = (_by_sample(run.read_result(), names) for run in (before, after))
        return cls((MapFiles(before.path), MapFiles(after.path)), (one, two))

    def views(self, predictions: Sequence[FlippedPrediction]) -> FlippedPredictions:
        """The first samples that a run explained with their images, the others without.

        Raises:
            DataError: a run lacks images that its result refers to.
        """
        explained = [one for one in predictions if any(one.sample in maps for maps in self.maps)][
            :SHOWN
        ]
        chosen = [self._maps_of(one.sample) for one in explained]
        rows = self._rows([record for records in chosen for record in records])
        names = {one.sample for one in explained}
        rest = [one for one in predictions if one.sample not in names]
        return FlippedPredictions(
            shown=tuple(
                FlippedPredictionView(one, tuple(_panes(one, records, rows)))
                for one, records in zip(explained, chosen, strict=True)
            ),
            listed=tuple(rest[:LISTED]),
            omitted=max(0, len(rest) - LISTED),
        )

    def _maps_of(self, sample: str) -> list[tuple[int, MapRecord]]:
        """The map of each run's predicted class; if only one run has the sample, its two classes."""
        sides = [
            (side, sorted(maps[sample], key=lambda one: one.role != "predicted"))
            for side, maps in enumerate(self.maps)
            if sample in maps
        ]
        most = 1 if len(sides) > 1 else 2
        return [(side, record) for side, records in sides for record in records[:most]]

    def _rows(self, chosen: Sequence[tuple[int, MapRecord]]) -> tuple[dict[str, Row], ...]:
        """The rows of images and maps by reference, for each run."""
        found = []
        for side, files in enumerate(self.files):
            records = [record for place, record in chosen if place == side]
            rows = files.rows((one.image for one in records), ("image",))
            rows |= files.rows((one.map for one in records), _MAP_COLUMNS)
            found.append(rows)
        return tuple(found)


def _panes(
    prediction: FlippedPrediction,
    chosen: Sequence[tuple[int, MapRecord]],
    rows: Sequence[Mapping[str, Row]],
) -> Iterator[ImagePane]:
    side, record = chosen[0]
    image = stored_jpeg(rows[side][record.image], "image", record.image, _EDGE)
    alt = f"Sample {prediction.sample}, label {prediction.label}."
    yield ImagePane(data_uri(image), "Image", "", alt)
    for side, record in chosen:
        row = rows[side][record.map]
        if row["overlay"] is None:
            continue
        cam = cam_of(row)
        where = "" if cam is None else f": the evidence {locate_evidence(cam).words}"
        role = "predicted" if record.role == "predicted" else "the label"
        yield ImagePane(
            data_uri(stored_jpeg(row, "overlay", record.map, _EDGE)),
            f"{_WHEN[side]}: Grad-CAM",
            f"for {record.target} ({role})",
            f"Grad-CAM {_WHEN[side].lower()} for {record.target} ({role}){where}.",
        )


def _by_sample(result: AuditResult, names: DisplayNames) -> dict[str, list[MapRecord]]:
    found: dict[str, list[MapRecord]] = {}
    for record in (*result.explanations.failures, *result.explanations.contrasts):
        shown = record.model_copy(update={"target": names.of_class(record.target)})
        found.setdefault(record.sample, []).append(shown)
    return found
