"""``predictions.parquet`` and ``explanations/`` of a redacted copy."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from auditor.records.predictions import (
    FINGERPRINTS,
    GROUP,
    OK,
    PATH,
    SAMPLE,
    STATUS,
    attribute_columns,
    property_name,
)
from auditor.redaction.images import (
    blurred_jpeg,
    coarse,
    overlay_jpeg,
    treated,
    treatment_of,
)
from auditor.redaction.records import Renaming
from auditor.report.view.map_files import MapFiles, cam_of

Images = Literal["blur", "drop", "keep"]
"""What becomes of images."""

_ROWS = 10_000
_ROWS_OF_IMAGES = 64
_PLAIN = ("target", "role", "kind", "mass", "label", "attribute", "value", "n", "width", "height")
"""Columns of explanations that say nothing about a person."""
_IMAGES = ("image", "overlay")
_DETAILS = ("guided", "gradient", "other", "edges")
"""Columns with edges, which show faces: only in copies with the images as they are."""
_CAM = ("cam", "cam_height", "cam_width")


@dataclass(frozen=True)
class ExplanationFiles:
    """Files with images and maps.

    Attributes:
        source: of the original run.
        target: folder ``explanations`` of the copy.
        used: rows by file that the redacted result refers to; all others become empty.
        image_of: reference of the image below a map, by reference of the map.
    """

    source: MapFiles
    target: Path
    used: Mapping[str, Collection[int]]
    image_of: Mapping[str, str]


def redact_predictions(
    source: Path, target: Path, names: Renaming, attributes: Collection[str]
) -> None:
    """Writes the predictions without paths, fingerprints, image properties and sensitive attributes.

    Args:
        source: ``predictions.parquet`` of the run.
        target: that of the copy.
        names: what stands for ids and sentences.
        attributes: names of the attributes that stay.
    """
    with pq.ParquetFile(source) as file:
        columns = [
            field
            for field in file.schema_arrow.remove_metadata()
            if field.name not in FINGERPRINTS
            and property_name(field.name) == field.name
            and (field.name in attributes or field.name not in attribute_columns([field.name]))
        ]
        schema = pa.schema(columns)
        with pq.ParquetWriter(target, schema) as writer:
            for batch in file.iter_batches(_ROWS, columns=schema.names):
                writer.write_table(_changed(batch, schema, names))


def _changed(batch: pa.RecordBatch, schema: pa.Schema, names: Renaming) -> pa.Table:
    """Rows without ids and paths."""
    changes = _changes(names)
    columns = []
    for field in schema:
        column = batch.column(field.name)
        change = changes.get(field.name)
        if change is not None:
            cells = [None if one is None else change(one) for one in column.to_pylist()]
            column = pa.array(cells, field.type)
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=schema)


def _changes(names: Renaming) -> dict[str, Callable[[str], str]]:
    changes: dict[str, Callable[[str], str]] = {
        SAMPLE: lambda one: names.of("sample", one),
        GROUP: lambda one: names.of("group", one),
        STATUS: lambda one: one if one == OK else names.note(one),
    }
    if not names.keeps_paths:
        changes[PATH] = lambda _: ""
    return changes


def redact_explanations(files: ExplanationFiles, names: Renaming, how: Images) -> int:
    """Writes the images and maps, file by file, at the same places.

    Args:
        files: which.
        names: what stands for ids.
        how: what becomes of images.

    Returns:
        The number of images that are dropped because blurring would not hide them.
    """
    dropped = 0
    for name, used in files.used.items():
        path = files.source.folder / name
        with pq.ParquetFile(path) as file:
            schema = _schema(file.schema_arrow, how)
            with pq.ParquetWriter(files.target / path.name, schema) as writer:
                place = 0
                for batch in file.iter_batches(_ROWS_OF_IMAGES, columns=schema.names):
                    rows = batch.to_pylist()
                    kept = list(_rows(rows, f"{name}#", place, used, files, names, how))
                    writer.write_table(pa.Table.from_pylist([row for row, _ in kept], schema))
                    dropped += sum(simple for _, simple in kept)
                    place += len(rows)
    return dropped


def _schema(stored: pa.Schema, how: Images) -> pa.Schema:
    known = {SAMPLE, *_PLAIN, *_IMAGES, *_CAM, *(_DETAILS if how == "keep" else ())}
    return pa.schema([field.with_nullable(True) for field in stored if field.name in known])


def _rows(
    rows: list[dict[str, Any]],
    prefix: str,
    start: int,
    used: Collection[int],
    files: ExplanationFiles,
    names: Renaming,
    how: Images,
) -> Iterator[tuple[dict[str, Any], bool]]:
    """The rows, and whether each has an image that is dropped instead of blurred."""
    places = range(start, start + len(rows))
    below = {
        f"{prefix}{place}": files.image_of[f"{prefix}{place}"]
        for place in places
        if place in used and f"{prefix}{place}" in files.image_of
    }
    images = files.source.rows(below.values(), ("image",)) if how != "keep" else {}
    for place, row in zip(places, rows, strict=True):
        if place not in used:
            yield dict.fromkeys(row), False
            continue
        reference = below.get(f"{prefix}{place}")
        image = images[reference]["image"] if reference in images else None
        yield _row(row, image, names, how)


def _row(
    row: dict[str, Any], image: bytes | None, names: Renaming, how: Images
) -> tuple[dict[str, Any], bool]:
    """A row of a file; its map is drawn again over the image that was treated."""
    changed = dict(row)
    if row.get(SAMPLE) is not None:
        changed[SAMPLE] = names.sample(row[SAMPLE])
    if how == "keep":
        return changed, False
    cam = cam_of(row) if set(_CAM) <= set(row) else None
    if cam is not None:
        cam = coarse(cam)
        changed |= {
            "cam": cam.astype("<f4").tobytes(),
            "cam_height": cam.shape[0],
            "cam_width": cam.shape[1],
        }
    stored = row.get("image") or image or row.get("overlay")
    treatment = how if stored is None else treatment_of(stored, how)
    if row.get("image") is not None:
        changed["image"] = blurred_jpeg(row["image"], treatment)
    if row.get("overlay") is not None:
        if cam is not None and image is not None:
            changed["overlay"] = overlay_jpeg(treated(image, treatment), cam)
        else:
            changed["overlay"] = blurred_jpeg(row["overlay"], treatment)
    return changed, treatment != how and row.get("image") is not None
