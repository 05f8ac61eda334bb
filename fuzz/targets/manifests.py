"""A hostile ``manifest.json``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from auditor import verification
from auditor.manifest import MANIFEST, record_rendering, write_manifest
from fuzz import runs
from fuzz.edits import mutate_json
from fuzz.target import Reader, Target

_SEEDS: list[bytes] = []


def _open(folder: Path) -> Reader:
    run = runs.small_run(folder)
    write_manifest(run.path)
    path = run.path / MANIFEST
    _SEEDS[:] = [path.read_bytes()]

    def read(data: bytes) -> None:
        path.write_bytes(data)
        verification.verify(run.path, "0" * 64)
        with record_rendering(run.path):
            pass

    return read


def _seeds() -> Iterator[bytes]:
    yield from _SEEDS
    yield b'{"algorithm": "sha256", "files": {}, "seal": "", "rendered": []}'
    yield b'{"files": {"../x": "0"}, "seal": "", "rendered": [{"at": "2026-01-01T00:00:00Z", "files": []}]}'


TARGET = Target(
    name="manifests",
    about="a `manifest.json` → `verify`, a later rendering",
    open=_open,
    seeds=_seeds,
    mutate=mutate_json,
    longest=8192,
)
