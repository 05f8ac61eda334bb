"""The manifest of a run folder, and the seals over its files.

``manifest.json`` lists the SHA-256 of every file. A seal is one SHA-256 over such lines. Kept outside the run
folder, it reveals altered files even after the manifest was rewritten. There are two: the *seal* covers all
files, the documents that people read and sign included, so it changes when they are rendered again; the *seal
of the results* covers what the audit measured (``audit.json``, ``predictions.parquet``, ``explanations/``)
and never changes. Decisions of reviewers refer to the latter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from auditor.errors import DataError
from auditor.records import Record
from auditor.records.expectations import first_fault
from auditor.run_files import (
    entries,
    is_regular,
    read_regular,
    remove_empty_parents,
    require_regular,
)

RESULT = "audit.json"
PREDICTIONS = "predictions.parquet"
EXPLANATIONS = "explanations"
MANIFEST = "manifest.json"

TRACEBACK = "traceback.txt"
"""Where an exception was raised: of an aborted run, or of parts of a run that could not be done."""

ABOUT = "about.json"
"""Statements about purpose and use that were added to a finished run."""
PREVIOUS = "previous.json"
"""What changed since the previous audit."""
_GIVE_AGAIN = {
    ABOUT: "remove it, and store the statements again with `auditor render --about`",
    PREVIOUS: "remove it, and store the comparison again with `auditor render --previous`",
}

UNFINISHED_NOTICE = "UNFINISHED.txt"
"""A file that only unfinished runs contain."""

RESUME_STATE = "resume.parquet"
"""What an unfinished run depends on; see `auditor.resume_state`."""


class Rendering(Record):
    """Documents that were rendered again from a finished run."""

    at: datetime
    files: list[str]


class RunManifest(Record):
    """Content of ``manifest.json``: the hashes of a run's files."""

    algorithm: Literal["sha256"] = "sha256"
    files: dict[str, str]
    """Path below the run folder → SHA-256 of the file's bytes."""
    seal: str
    """SHA-256 over the results alone; see `seal`."""
    rendered: list[Rendering] = []
    """Later renderings: when, and which files they wrote."""

    @property
    def full_seal(self) -> str:
        """SHA-256 over all files; see `full_seal`."""
        return full_seal(self.files)


def write_manifest(folder: Path, without: Collection[Path] = ()) -> RunManifest:
    """Writes the hashes of all other files of a run folder, and the seal, to ``manifest.json``.

    Args:
        folder: of the run.
        without: files and folders in it that are left out.
    """
    files = {
        path.relative_to(folder).as_posix(): sha256(path)
        for path in sorted(regular_files(folder))
        if path.name not in {MANIFEST, UNFINISHED_NOTICE}
        and not any(path.is_relative_to(one) for one in without)
    }
    manifest = RunManifest(files=files, seal=seal(files))
    _replace_manifest(folder, manifest)
    return manifest


def read_manifest(folder: Path) -> RunManifest:
    """Reads ``manifest.json`` of a run folder.

    Raises:
        DataError: the file is missing, no regular file, or not a manifest.
    """
    path = folder / MANIFEST
    try:
        return RunManifest.model_validate_json(read_regular(path))
    except FileNotFoundError:
        raise DataError(
            f"{folder}: expected {MANIFEST}, which every finished run contains; it is missing: "
            "restore the run from a backup, or audit again"
        ) from None
    except ValidationError as error:
        raise DataError(
            f"{path}: expected the hashes that the audit wrote; {first_fault(error)}: restore the run "
            "from a backup, or audit again"
        ) from error


def require_unaltered(folder: Path, *, maps: bool = True) -> None:
    """Checks that the files that a command reads are those that the audit wrote, before it reads them.

    Documents are not read, and are not checked. Nor are the decisions of reviewers, which have a chain of
    digests of their own.

    Args:
        folder: a finished run.
        maps: whether images and maps are read as well, and not only result and predictions.

    Raises:
        DataError: the manifest is missing; or a file was altered or removed, or is not listed in it; or
            there is something that is neither a regular file nor a folder.
    """
    require_regular(folder)
    files = read_manifest(folder).files
    names = {RESULT} | {name for name in (PREDICTIONS, ABOUT, PREVIOUS) if (folder / name).exists()}
    names |= {PREDICTIONS} & files.keys()
    if maps:
        names |= {f"{EXPLANATIONS}/{name}" for name in entries(folder / EXPLANATIONS)}
        names |= {name for name in files if is_sealed(name)}
    for name in sorted(names):
        path = folder / name
        if name not in files or not is_regular(path) or sha256(path) != files[name]:
            state = "altered or removed" if name in files else "added"
            raise DataError(
                f"{path}: expected the file whose SHA-256 is in {MANIFEST}; it was {state} after the audit: "
                + _GIVE_AGAIN.get(name, "see `auditor verify`, and restore the run from a backup")
            )


@contextmanager
def record_rendering(folder: Path) -> Iterator[None]:
    """Context manager for rendering documents again; enters them into the manifest afterwards.

    Only files that are written inside the context get a new hash: a file that was altered before
    still counts as altered.

    Raises:
        DataError: see `require_unaltered`.
    """
    require_unaltered(folder)
    before = _document_states(folder)
    try:
        yield
    finally:
        after = _document_states(folder)
        for name in before.keys() - after.keys():
            remove_empty_parents(folder / name, folder)
        written = sorted(name for name, state in after.items() if before.get(name) != state)
        manifest = read_manifest(folder)
        files = {
            name: digest
            for name, digest in manifest.files.items()
            if name in after or name not in before
        } | {name: sha256(folder / name) for name in written}
        if files != manifest.files or written:
            rendered = [*manifest.rendered, Rendering(at=datetime.now(UTC), files=written)]
            changes = {"files": dict(sorted(files.items())), "rendered": rendered}
            _replace_manifest(folder, manifest.model_copy(update=changes))


def is_sealed(name: str) -> bool:
    """Whether the seal covers a file: true for results, false for documents rendered from them.

    Args:
        name: path below the run folder, with ``/``.
    """
    return name in {RESULT, PREDICTIONS} or name.startswith(f"{EXPLANATIONS}/")


def seal(files: Mapping[str, str]) -> str:
    """SHA-256 over the results of a run: over the lines ``<sha256>  <path>``, sorted by path.

    Args:
        files: path below the run folder → SHA-256; documents are ignored.

    Returns:
        64 hexadecimal digits, as printed by ``sha256sum`` for those lines (each with a newline).
    """
    return full_seal({name: digest for name, digest in files.items() if is_sealed(name)})


def full_seal(files: Mapping[str, str]) -> str:
    """SHA-256 over all files of a run, in the form of `seal`."""
    lines = [_line(files[name], name) for name in sorted(files)]
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _line(digest: str, name: str) -> str:
    """A line of ``sha256sum``, which marks escaped names, so that no name can imitate further lines."""
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    mark = "" if escaped == name else "\\"
    return f"{mark}{digest}  {escaped}\n"


def regular_files(folder: Path) -> Iterator[Path]:
    """The regular files below a folder; a seal covers these alone, like ``find -type f``."""
    return (folder / name for name in entries(folder) if is_regular(folder / name))


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _document_states(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Each document of a run, with the file attributes that change when it is written."""
    states = {}
    for path in regular_files(folder):
        name = path.relative_to(folder).as_posix()
        if name != MANIFEST and not is_sealed(name):
            stat = path.stat()
            states[name] = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
    return states


def _replace_manifest(folder: Path, manifest: RunManifest) -> None:
    partial = folder / f"{MANIFEST}.partial"
    partial.write_text(manifest.model_dump_json(indent=1), encoding="utf-8")
    partial.replace(folder / MANIFEST)
