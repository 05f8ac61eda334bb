"""A hostile ``audit.json``: parsed, printed and rendered."""

from __future__ import annotations

import io
import json
import random
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from auditor import terminal
from auditor.run_folder import RESULT
from fuzz import runs
from fuzz.edits import MARKERS, apply, mutate_edits, parse_edits
from fuzz.target import BrokenPromiseError, Reader, Target

_PAGES = 4
"""One of so many inputs is rendered as HTML, which takes several times as long as everything else."""
_BASE: list[Any] = []


def _open(folder: Path) -> Reader:
    run = runs.small_run(folder)
    path = run.path / RESULT
    base = json.loads(path.read_text(encoding="utf-8"))
    _BASE[:] = [base]

    def read(data: bytes) -> None:
        edits = parse_edits(data)
        if edits is None:
            path.write_bytes(data)
        else:
            path.write_text(json.dumps(apply(base, edits)), encoding="utf-8")
        sink = io.StringIO()
        terminal.print_result(Console(file=sink, width=120), run.read_result(), run.path, "0" * 64)
        if "\x1b" in sink.getvalue():
            raise BrokenPromiseError("an escape sequence reached the terminal")
        runs.render(run, page=zlib.crc32(data) % _PAGES == 0)

    return read


def _seeds() -> Iterator[bytes]:
    yield b"[]"
    yield b'{"schema_version": 2}'
    for place in (
        ["findings", 0, "title"],
        ["provenance", "config", "name"],
        ["classes", 0, "name"],
    ):
        yield json.dumps([[place, "set", " ".join(MARKERS)]]).encode()
    yield json.dumps([[["findings"], "set", []], [["slices"], "set", []]]).encode()


def _mutate(data: bytes, rng: random.Random) -> bytes:
    return mutate_edits(data, rng, _BASE[0])


TARGET = Target(
    name="results",
    about="edits to an `audit.json` → read, printed, rendered as HTML and Markdown",
    open=_open,
    seeds=_seeds,
    mutate=_mutate,
    kept=20,
    longest=16384,
)
