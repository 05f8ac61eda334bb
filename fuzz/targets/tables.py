"""Tables of images as text: CSV, TSV, JSON lines, compressed or not."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Iterator
from pathlib import Path

from auditor.datasets.folder import Folder
from auditor.datasets.joined_tables import imagefolder_metadata
from auditor.datasets.manifest import Manifest
from fuzz import pixels
from fuzz.datasets import examine
from fuzz.target import Reader, Target

SUFFIXES = (".csv", ".tsv", ".jsonl", ".csv.gz", ".csv.bz2", ".csv.xz")


def manifests(path: Path) -> Iterator[Manifest]:
    """Ways to read one table."""
    yield Manifest(path=path)
    yield Manifest(
        path=path,
        attributes={"site": None, "age": "numeric"},
        group="patient",
        weight="weight",
        box="box",
        mask="mask",
        reference=path,
    )
    yield Manifest(path=path, separator="|", where={"split": ["test", 1]})


def _open(folder: Path) -> Reader:
    (folder / "a").mkdir()
    (folder / "a" / "1.png").write_bytes(pixels.stored(pixels.coloured("RGB"), "PNG"))
    (folder / "a" / "mask.png").write_bytes(pixels.stored(pixels.coloured("L"), "PNG"))
    places = [folder / f"table{suffix}" for suffix in SUFFIXES]
    metadata = folder / "metadata.csv"

    def read(data: bytes) -> None:
        kind, content = data[:1], data[1:]
        number = kind[0] % (len(SUFFIXES) * 4) if kind else 0
        path, way = places[number % len(SUFFIXES)], number // len(SUFFIXES)
        if way == 3:
            metadata.write_bytes(content)
            imagefolder_metadata(folder)
            examine(Folder(path=folder, attributes=metadata).open())
            return
        path.write_bytes(content)
        examine(list(manifests(path))[way].open())

    return read


_ROWS = (
    b"file,label,site,age,patient,weight,box,mask,split\n"
    b'a/1.png,cat,A,31,p1,1.5,"1,1,4,4",a/mask.png,test\n'
    b'a/1.png,dog,B,,p2,2,"[[1,1,4,4],[2,2,5,5]]",,1\n'
    b'a\\2.png,0|1,A,"1,5",p1,0,,,train\n'
)


def _seeds() -> Iterator[bytes]:
    n = len(SUFFIXES)
    lines = b'{"file": "a/1.png", "label": "cat", "site": 1, "box": [1, 2, 3, 4]}\n{"file": "x"}\n'
    for way in range(4):
        for place, content in enumerate(
            (_ROWS, _ROWS.replace(b",", b"\t"), lines, *(pack(_ROWS) for pack in _PACKED))
        ):
            yield bytes([way * n + place]) + content
    yield b"\0" + _ROWS.decode().encode("utf-16")
    yield b"\0" + b"\xef\xbb\xbfsep=;\n" + _ROWS.replace(b",", b";")
    yield b"\x12" + b"file_name,site\na/1.png,x\n"


_PACKED = (
    lambda rows: gzip.compress(rows, mtime=0),
    bz2.compress,
    lzma.compress,
)

TARGET = Target(
    name="tables",
    about="CSV, TSV, JSON lines, compressed texts → `Manifest.open`, `Folder.open`, labels, images",
    open=_open,
    seeds=_seeds,
    longest=4096,
)
