"""Files that later commands leave in a run folder: decisions, statements, the earlier audit."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from auditor.about_file import read_statements
from auditor.manifest import ABOUT, write_manifest
from auditor.review_log import DECISIONS, add_decision, read_log, review_faults
from fuzz import runs
from fuzz.edits import mutate_json
from fuzz.target import Reader, Target

_RENDERED = 16
"""One of so many inputs is rendered, which takes much longer than everything else."""
_SEEDS: list[bytes] = []


def _open(folder: Path) -> Reader:
    run = runs.small_run(folder)
    seal = write_manifest(run.path).seal
    finding = run.read_result().findings[0].id
    add_decision(run.path, finding, "accept", reason="known", reviewer="A")
    log = run.path / DECISIONS
    _SEEDS[:] = [log.read_bytes()]

    def read(data: bytes) -> None:
        name = ABOUT if b'"about"' in data else DECISIONS
        path = run.path / name
        path.write_bytes(data)
        try:
            found = read_log(run.path)
            if found is not None:
                review_faults(found, seal)
            read_statements(run.path)
            if zlib.crc32(data) % _RENDERED == 0:
                runs.render(run, page=True)
        finally:
            path.unlink()

    return read


def _seeds() -> Iterator[bytes]:
    yield from _SEEDS
    stated: dict[str, Any] = {"stated_at": "2026-01-01T00:00:00Z", "about": {"purpose": "<b>"}}
    yield json.dumps(stated).encode()


TARGET = Target(
    name="reviews",
    about="`decisions.json` and `about.json` → read, checked, rendered",
    open=_open,
    seeds=_seeds,
    mutate=mutate_json,
    longest=8192,
)
