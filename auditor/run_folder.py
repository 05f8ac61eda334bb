"""The run folder: built aside, renamed when whole, every file fingerprinted.

::

    reports/<run>.unfinished/      while the audit runs, and after it broke off
        UNFINISHED.txt             says so
        predictions/part-*.parquet whole shards, one after another
        explanations/*.parquet     likewise
    reports/<run>/                 the finished run
        audit.json  predictions.parquet  explanations/  report.html  report.pdf  manifest.json
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from auditor.errors import DataError, OutputExistsError
from auditor.records import SCHEMA_VERSION, AuditResult, Record, version_1

RESULT = "audit.json"
MANIFEST = "manifest.json"
PREDICTIONS = "predictions.parquet"
EXPLANATIONS = "explanations"
_NOTICE = "UNFINISHED.txt"


@dataclass(frozen=True)
class RunFolder:
    """The files of one run.

    Attributes:
        path: where they lie now.
        final: where they will lie when the run is whole; equal to ``path`` from then on.
    """

    path: Path
    final: Path

    @classmethod
    def begin(cls, final: Path, *, overwrite: bool = False) -> RunFolder:
        """Starts a run beside its final place.

        Args:
            final: the folder that shall hold the finished run.
            overwrite: whether a finished run at that place may be replaced at the end.

        Raises:
            OutputExistsError: the place is taken and ``overwrite`` is false, or it holds something
                that is no run.
        """
        final = final.resolve()
        if final.exists() and any(final.iterdir() if final.is_dir() else [final]):
            if not (final / RESULT).is_file():
                raise OutputExistsError(
                    f"{final}: expected a new folder or an earlier run; it holds something else, and "
                    "is left alone: choose another folder with --out"
                )
            if not overwrite:
                raise OutputExistsError(
                    f"{final}: holds a finished run: choose another folder with --out, or replace it "
                    "with --overwrite"
                )
        path = final.with_name(f"{final.name}.unfinished")
        if path.exists():
            shutil.rmtree(path)
        (path / EXPLANATIONS).mkdir(parents=True)
        (path / _NOTICE).write_text(
            "This audit has not finished: it is still running, or it broke off. The shards here are "
            "whole; there is no result yet.\n",
            encoding="utf-8",
        )
        return cls(path, final)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Opens a finished run.

        Raises:
            DataError: there is no finished run at that place.
        """
        path = path.resolve()
        if not (path / RESULT).is_file():
            unfinished = path / _NOTICE
            state = "an unfinished audit" if unfinished.is_file() else "no audit.json"
            raise DataError(
                f"{path}: expected the folder of a finished run; it holds {state}: give the folder "
                "that `auditor run` printed"
            )
        return cls(path, path)

    @property
    def explanations(self) -> Path:
        """The folder of the maps."""
        return self.path / EXPLANATIONS

    def shards(self, stage: str) -> ShardWriter:
        """A writer of whole Parquet shards below a folder of this run."""
        folder = self.path / stage
        folder.mkdir(parents=True, exist_ok=True)
        return ShardWriter(folder)

    def merge_predictions(self) -> Path:
        """Joins the shards of predictions into one file, row group by row group."""
        target = self.path / PREDICTIONS
        parts = sorted((self.path / "predictions").glob("part-*.parquet"))
        aside = target.with_suffix(".partial")
        with pq.ParquetWriter(aside, pq.read_schema(parts[0])) as writer:
            for part in parts:
                writer.write_table(pq.read_table(part))
        aside.replace(target)
        return target

    def write_result(self, result: AuditResult) -> Path:
        """Writes ``audit.json``."""
        path = self.path / RESULT
        path.write_text(result.model_dump_json(indent=1), encoding="utf-8")
        return path

    def read_result(self) -> AuditResult:
        """Reads ``audit.json``.

        Raises:
            DataError: it was written by another version, or is no result at all.
        """
        path = self.path / RESULT
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise DataError(f"{path}: expected JSON; {error}") from error
        version = raw.get("schema_version") if isinstance(raw, dict) else None
        if version == 1:
            raw = version_1.upgrade(raw)
        elif version != SCHEMA_VERSION:
            raise DataError(
                f"{path}: expected schema_version {SCHEMA_VERSION}; got {version!r}: render it with "
                "the version of auditor that wrote it"
            )
        try:
            return AuditResult.model_validate(raw)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise DataError(f"{path}: {place}: {first['msg']}") from error

    def write_manifest(self) -> None:
        """Writes the SHA-256 of every other file to ``manifest.json``, and seals the results.

        The seal is one SHA-256 over what the audit measured (result, predictions, maps). It stays
        the same when documents are rendered again; written down elsewhere, it shows an altered run
        even where somebody wrote a new manifest.
        """
        files = {
            path.relative_to(self.path).as_posix(): sha256(path)
            for path in sorted(_files(self.path))
            if path.name not in {MANIFEST, _NOTICE}
        }
        self._write_manifest(Manifest(files=files, seal=seal(files)))

    def read_manifest(self) -> Manifest:
        """Reads ``manifest.json``.

        Raises:
            DataError: it is not there, or is no manifest.
        """
        path = self.path / MANIFEST
        try:
            return Manifest.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise DataError(
                f"{self.path}: expected {MANIFEST}, which every finished run has; it is not there: "
                "take the run from where it was kept, or audit again"
            ) from None
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "content"
            raise DataError(f"{path}: {place}: {first['msg']}") from error

    def refuse_if_altered(self) -> None:
        """Makes sure that documents are made of what the audit measured.

        Raises:
            DataError: the result or the predictions are not those of the manifest.
        """
        files = self.read_manifest().files
        for name in (RESULT, PREDICTIONS):
            path = self.path / name
            if name in files and not (path.is_file() and sha256(path) == files[name]):
                raise DataError(
                    f"{path}: expected the file whose SHA-256 {MANIFEST} holds; it was altered or "
                    "removed after the audit, and no document is made of it: see `auditor verify`, "
                    "and take the run from where it was kept"
                )

    @contextmanager
    def rendering(self) -> Iterator[None]:
        """Documents are written again inside of it, and entered into the manifest after it.

        Only what is written meanwhile is entered anew: a file that was altered before stays told
        as altered.

        Raises:
            DataError: there is no manifest, or result or predictions were altered.
        """
        self.refuse_if_altered()
        before = self._documents()
        try:
            yield
        finally:
            after = self._documents()
            written = sorted(name for name, state in after.items() if before.get(name) != state)
            manifest = self.read_manifest()
            files = {
                name: digest
                for name, digest in manifest.files.items()
                if name in after or name not in before
            } | {name: sha256(self.path / name) for name in written}
            rendered = [*manifest.rendered, Rendering(at=datetime.now(UTC), files=written)]
            self._write_manifest(
                manifest.model_copy(
                    update={"files": dict(sorted(files.items())), "rendered": rendered}
                )
            )

    def _documents(self) -> dict[str, tuple[int, int, int]]:
        """The files that are no results, and what changes when one is written."""
        found = {}
        for path in _files(self.path):
            name = path.relative_to(self.path).as_posix()
            if name != MANIFEST and not is_sealed(name):
                state = path.stat()
                found[name] = (state.st_mtime_ns, state.st_size, state.st_ino)
        return found

    def _write_manifest(self, manifest: Manifest) -> None:
        aside = self.path / f"{MANIFEST}.partial"
        aside.write_text(manifest.model_dump_json(indent=1), encoding="utf-8")
        aside.replace(self.path / MANIFEST)

    def finish(self) -> RunFolder:
        """Fingerprints the files and moves the run to its final place.

        Returns:
            The finished run.
        """
        shutil.rmtree(self.path / "predictions", ignore_errors=True)
        self.write_manifest()
        (self.path / _NOTICE).unlink()
        if self.final.exists():
            old = self.final.with_name(f"{self.final.name}.old")
            if old.exists():
                shutil.rmtree(old)
            self.final.replace(old)
            self.path.replace(self.final)
            shutil.rmtree(old)
        else:
            self.path.replace(self.final)
        return RunFolder(self.final, self.final)

    def discard(self) -> None:
        """Removes a run that found the caller's mistake before it had anything to keep."""
        shutil.rmtree(self.path, ignore_errors=True)


class ShardWriter:
    """Writes Parquet files that are whole or not there."""

    def __init__(self, folder: Path, prefix: str = "part") -> None:
        self._folder = folder
        self._prefix = prefix
        self._count = 0

    @property
    def next_name(self) -> str:
        """Name of the file that the next shard will be."""
        return f"{self._prefix}-{self._count:05d}.parquet"

    def write(self, table: pa.Table) -> Path:
        """Writes the next shard.

        Returns:
            Its path; the file appears only when it is complete.
        """
        path = self._folder / self.next_name
        aside = path.with_suffix(".partial")
        pq.write_table(table, aside)
        aside.replace(path)
        self._count += 1
        return path


class Rendering(Record):
    """Documents that were made again from a finished run."""

    at: datetime
    files: list[str]


class Manifest(Record):
    """Fingerprints of a run's files: ``manifest.json``."""

    algorithm: Literal["sha256"] = "sha256"
    files: dict[str, str]
    """Path below the run folder → SHA-256 of its bytes."""
    seal: str
    """SHA-256 over the results alone; see `seal`."""
    rendered: list[Rendering] = []
    """When documents were rendered again, and which."""


def is_sealed(name: str) -> bool:
    """Whether a file is a result of the audit rather than a document made of it.

    Args:
        name: path below the run folder, with ``/``.
    """
    return name in {RESULT, PREDICTIONS} or name.startswith(f"{EXPLANATIONS}/")


def seal(files: Mapping[str, str]) -> str:
    """One SHA-256 over the results of a run: the lines ``<sha256>  <path>``, sorted by path.

    Args:
        files: path below the run folder → SHA-256; documents among them do not count.

    Returns:
        What ``sha256sum`` says of those lines (each ended by a newline), 64 hexadecimal digits.
    """
    lines = [f"{files[name]}  {name}\n" for name in sorted(files) if is_sealed(name)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())
