"""Tar shards in the format of WebDataset."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from auditor.datasets.webdataset import WebDataset
from fuzz import pixels
from fuzz.datasets import examine
from fuzz.target import Reader, Target


def _open(folder: Path) -> Reader:
    path = folder / "shard.tar"
    plain = WebDataset(path=path)
    keyed = WebDataset(path=path, label="json:a.label", attributes=("site", "a.b"), group="a.p")

    def read(data: bytes) -> None:
        path.write_bytes(data[1:])
        examine((keyed if data[:1] == b"k" else plain).open())

    return read


def _tar(members: Mapping[str, bytes], kind: int = tarfile.USTAR_FORMAT) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=kind) as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return stream.getvalue()


def _seeds() -> Iterator[bytes]:
    image = pixels.stored(pixels.coloured("L", 3), "PNG")
    about = b'{"a": {"label": "cat", "b": 1.5, "p": "x"}, "site": null}'
    members = {"0.png": image, "0.cls": b"0", "0.json": about, "1.png": image, "1.cls": b"1"}
    for kind in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        for way in (b"p", b"k"):
            yield way + _tar(members, kind)
    yield b"p" + _tar({"é" * 60 + "/0.png": image, "é" * 60 + "/0.cls": b"dog"}, tarfile.PAX_FORMAT)


TARGET = Target(
    name="webdataset",
    about="a tar file → `WebDataset.open`, labels, images",
    open=_open,
    seeds=_seeds,
    longest=16384,
)
