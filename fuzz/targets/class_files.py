"""Files of class names, and labels that are matched with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from auditor.config.loading import read_class_names
from auditor.datasets.labels import map_labels, resolve_classes
from fuzz.target import Reader, Target


def _open(folder: Path) -> Reader:
    path = folder / "classes.txt"

    def read(data: bytes) -> None:
        content, _, texts = data.partition(b"\0\0\0\0")
        path.write_bytes(content)
        labels = pd.Series(texts.decode("utf-8", "replace").split("\n"), dtype=object)
        try:
            names = read_class_names(path)
        finally:
            classes = resolve_classes(None, None, None, labels)
            map_labels(labels, classes)
        map_labels(labels, resolve_classes(names, None, None, labels))

    return read


def _seeds() -> Iterator[bytes]:
    yield b"cat\ndog\n\0\0\0\0cat\n1\nDOG"
    yield b"\xef\xbb\xbfa\r\nb\rc\0\0\0\0" + b"0\n1\n2.0"
    yield "Zoë\nçé".encode("utf-16") + b"\0\0\0\0" + "Zoe\u0308".encode()
    yield b"0\n1\n10\0\0\0\0" + b"10\n1.0\n" + b"9" * 30


TARGET = Target(
    name="class_files",
    about="a file of class names and labels → `read_class_names`, `resolve_classes`, `map_labels`",
    open=_open,
    seeds=_seeds,
    longest=1024,
)
