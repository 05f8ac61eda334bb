"""The run folder: built under a temporary name and renamed when it is complete.

::

    reports/<run>.unfinished/      while the audit runs, and after it was aborted
        UNFINISHED.txt             marks it as unfinished
        predictions/part-*.parquet complete shards, one after another
        explanations/*.parquet     complete shards of maps and images
    reports/<run>/                 the finished run
        audit.json  predictions.parquet  explanations/  report.html  report.pdf  manifest.json
        traceback.txt              only where a part of the audit could not be done
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from auditor import folder_lock
from auditor.errors import DataError, OutputExistsError
from auditor.file_system import real_path, refusal, require_writable
from auditor.manifest import (
    EXPLANATIONS,
    PREDICTIONS,
    RESULT,
    TRACEBACK,
    UNFINISHED_NOTICE,
    write_manifest,
)
from auditor.records import AuditResult
from auditor.records.parsing import parse_result

__all__ = ["EXPLANATIONS", "PREDICTIONS", "RESULT", "RunFolder", "ShardWriter"]


@dataclass(frozen=True)
class RunFolder:
    """The files of one run.

    Attributes:
        path: where the files are now.
        final: where they will be when the run is finished; then equal to ``path``.
    """

    path: Path
    final: Path

    @classmethod
    def begin(cls, final: Path, *, overwrite: bool = False) -> RunFolder:
        """Starts a run beside its final place.

        Args:
            final: the folder for the finished run.
            overwrite: whether an earlier finished run at that place is replaced at the end.

        Raises:
            UsageError: see `require_place`.
        """
        final = cls.require_place(final, overwrite=overwrite)
        path = _unfinished(final)
        if path.exists():
            shutil.rmtree(path)
        folder = cls(path, final)
        try:
            (path / EXPLANATIONS).mkdir(parents=True)
            folder_lock.lock(path)
            (path / UNFINISHED_NOTICE).write_text(
                "This audit is not finished: it is still running, or it was aborted. The shards in this "
                "folder are complete; there is no result yet.\n",
                encoding="utf-8",
            )
        except OSError as error:
            folder.discard()
            raise refusal(error, path) or error from error
        return folder

    @staticmethod
    def require_place(final: Path, *, overwrite: bool = False) -> Path:
        """Makes sure that a run can be written, before hours are spent on it; changes nothing.

        Args:
            final: the folder for the finished run.
            overwrite: whether an earlier finished run at that place may be replaced.

        Returns:
            The same path, absolute.

        Raises:
            OutputExistsError: the place holds a finished run and ``overwrite`` is false, it holds
                anything other than a run, or another process is writing a run there.
            FileSystemError: the folder can't be created or written, or its name is no text.
        """
        try:
            final = real_path(final)
            used = final.exists() and any(final.iterdir() if final.is_dir() else [final])
            finished = used and (final / RESULT).is_file()
            aside = _unfinished(final) if final.name else final
            foreign = aside.exists() and not (aside / UNFINISHED_NOTICE).is_file()
            running = aside.is_dir() and folder_lock.is_locked(aside)
        except OSError as error:
            raise refusal(error, final) or error from error
        if used and not final.is_dir():
            raise OutputExistsError(
                f"{final}: expected a folder; it is a file: choose another folder with --out"
            )
        if used and not finished:
            raise OutputExistsError(
                f"{final}: expected a new folder or an earlier run; it contains other files, which "
                "are never overwritten: choose another folder with --out"
            )
        if finished and not overwrite:
            raise OutputExistsError(
                f"{final}: contains a finished run: choose another folder with --out, or replace "
                "the run with --overwrite"
            )
        if running:
            raise OutputExistsError(
                f"{aside}: expected no audit that is still running; another process is writing there: wait "
                "until it ends, or choose another folder with --out"
            )
        if foreign:
            raise OutputExistsError(
                f"{aside}: expected no such place, or an unfinished audit; it is something else, which "
                "is never overwritten: remove it, or choose another folder with --out"
            )
        require_writable(aside)
        return final

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Opens a finished run.

        Raises:
            DataError: the folder does not hold a finished run.
        """
        try:
            path = real_path(path)
            finished, unfinished = ((path / one).is_file() for one in (RESULT, UNFINISHED_NOTICE))
        except OSError as error:
            raise refusal(error, path) or error from error
        if not finished:
            state = "an unfinished audit" if unfinished else f"no {RESULT}"
            raise DataError(
                f"{path}: expected the folder of a finished run; it contains {state}: give the folder "
                "that `auditor run` printed"
            )
        return cls(path, path)

    @property
    def has_predictions(self) -> bool:
        """Whether a part of the predictions is complete, which is worth keeping after an error."""
        shards = (self.path / "predictions").glob("part-*.parquet")
        return (self.path / PREDICTIONS).exists() or any(shards)

    @property
    def explanations(self) -> Path:
        """The folder of the maps."""
        return self.path / EXPLANATIONS

    def shards(self, stage: str) -> ShardWriter:
        """Writer of Parquet shards in a sub-folder of this run, which is created."""
        folder = self.path / stage
        folder.mkdir(parents=True, exist_ok=True)
        return ShardWriter(folder)

    def merge_predictions(self) -> Path:
        """Merges the shards of predictions into one file, one row group per shard."""
        target = self.path / PREDICTIONS
        parts = sorted((self.path / "predictions").glob("part-*.parquet"))
        partial = target.with_suffix(".partial")
        with pq.ParquetWriter(partial, pq.read_schema(parts[0])) as writer:
            for part in parts:
                writer.write_table(pq.read_table(part))
        partial.replace(target)
        return target

    def write_result(self, result: AuditResult) -> Path:
        """Writes ``audit.json``."""
        path = self.path / RESULT
        path.write_text(result.model_dump_json(indent=1), encoding="utf-8")
        return path

    def write_traceback(self, text: str) -> Path:
        """Writes where exceptions were raised to ``traceback.txt``."""
        path = self.path / TRACEBACK
        path.write_text(text, encoding="utf-8")
        return path

    def read_result(self) -> AuditResult:
        """Reads ``audit.json``.

        Raises:
            DataError: the file is not a result, has an unknown schema version, or its parts contradict
                each other.
        """
        path = self.path / RESULT
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(
                f"{path}: expected JSON in UTF-8; {error}: restore the run from a backup, or audit again"
            ) from error
        return parse_result(text, str(path))

    def finish(self) -> RunFolder:
        """Writes the manifest and moves the run to its final place.

        Returns:
            The finished run.
        """
        shutil.rmtree(self.path / "predictions", ignore_errors=True)
        write_manifest(self.path)
        (self.path / UNFINISHED_NOTICE).unlink()
        if self.final.exists():
            old = self.final.with_name(f"{self.final.name}.old")
            if old.exists():
                shutil.rmtree(old)
            self.final.replace(old)
            self.path.replace(self.final)
            shutil.rmtree(old)
        else:
            self.path.replace(self.final)
        folder_lock.unlock(self.path)
        return RunFolder(self.final, self.final)

    def discard(self) -> None:
        """Removes the unfinished folder, after a usage error that occurred before any result."""
        folder_lock.unlock(self.path)
        shutil.rmtree(self.path, ignore_errors=True)


def _unfinished(final: Path) -> Path:
    """Where a run is while it is built."""
    return final.with_name(f"{final.name}.unfinished")


class ShardWriter:
    """Writes numbered Parquet files; a file appears only when it is complete."""

    def __init__(self, folder: Path, prefix: str = "part") -> None:
        self._folder = folder
        self._prefix = prefix
        self._count = 0

    @property
    def next_name(self) -> str:
        """File name of the next shard."""
        return f"{self._prefix}-{self._count:05d}.parquet"

    def write(self, table: pa.Table) -> Path:
        """Writes the next shard and returns its path."""
        path = self._folder / self.next_name
        partial = path.with_suffix(".partial")
        pq.write_table(table, partial)
        partial.replace(path)
        self._count += 1
        return path
