"""Hostile files in ``explanations/``: maps and stored images."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from auditor.report.image_data import ImageData
from auditor.report.view.map_files import MapFiles, cam_of
from auditor.report.view.report_view import build_view
from fuzz import parquet_edits, pixels, runs
from fuzz.target import Reader, Target

_COLUMNS = (
    "sample",
    "image",
    "overlay",
    "guided",
    "cam",
    "cam_height",
    "cam_width",
    "panel",
    "label",
)

_VIEWS = 8
"""Everything that the report shows is read for one of so many inputs: it takes much longer."""


def _open(folder: Path) -> Reader:
    run = runs.small_run(folder)
    paths = sorted((run.path / "explanations").glob("*.parquet"))
    bases = [pq.read_table(path) for path in paths]
    whole = [path.read_bytes() for path in paths]
    images = [k for k, base in enumerate(bases) if "image" in base.column_names]

    view, files = build_view(run), MapFiles(run.path)
    references = [one.map for one in run.read_result().explanations.failures]

    def read(data: bytes) -> None:
        what, content = (data[0] if data else 0), data[1:]
        place = what % len(paths)
        if what >= 128:  # the bytes of an image, as they are
            place = images[what % len(images)]
            column = bases[place].column_names.index("image")
            cells = pa.array([content] * len(bases[place]), pa.binary())
            pq.write_table(bases[place].set_column(column, "image", cells), paths[place])
        else:
            paths[place].write_bytes(parquet_edits.changed_file(bases[place], content))
        try:
            ImageData.of_report(files, view, 64)
            for row in files.rows(references, ("cam", "cam_height", "cam_width")).values():
                cam_of(row)
            if zlib.crc32(data) % _VIEWS == 0:
                build_view(run)
        finally:
            paths[place].write_bytes(whole[place])

    return read


def _seeds() -> Iterator[bytes]:
    for place in range(8):
        yield bytes([place]) + b"[]"
        for column in ("image", "cam", "cam_width", "overlay"):
            yield bytes([place]) + json.dumps([[column, "cell", "x"]]).encode()
    for mode in ("L", "RGB", "CMYK"):
        yield b"\x80" + pixels.stored(pixels.coloured(mode), "JPEG")
    yield b"\x81" + pixels.stored(pixels.coloured("RGB", 90), "JPEG", quality=5, progressive=True)


def _mutate(data: bytes, rng: random.Random) -> bytes:
    if data[:1] >= b"\x80":
        content = bytearray(data)
        for _ in range(rng.choice((1, 2, 8))):
            content[rng.randrange(1, len(content))] = rng.randrange(256)
        return bytes(content)
    return parquet_edits.mutate(data or b"\0", rng, _COLUMNS, head=1)


TARGET = Target(
    name="maps",
    about="edits to files of maps, and bytes of stored images → read for the report",
    open=_open,
    seeds=_seeds,
    mutate=_mutate,
    kept=40,
    longest=8192,
    megabytes=300,
)
