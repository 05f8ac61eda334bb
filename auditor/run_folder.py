"""The run folder: built under a temporary name and renamed when it is complete.

::

    reports/<run>.lock             who is writing there, while the audit runs
    reports/<run>.unfinished/      while the audit runs, and after it was aborted
        UNFINISHED.txt             marks it as unfinished
        predictions/part-*.parquet complete shards, one after another
        explanations/*.parquet     complete shards of maps and images
    reports/<run>/                 the finished run
        audit.json  predictions.parquet  explanations/  report.html  report.pdf  manifest.json
        traceback.txt              only where a part of the audit could not be done
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from auditor import folder_lock, run_places
from auditor.blocks import block_name, write_table
from auditor.errors import DataError
from auditor.file_system import real_path, refusal
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
from auditor.records.predictions import UNFINISHED
from auditor.run_files import read_regular, require_regular

__all__ = ["EXPLANATIONS", "PREDICTIONS", "RESULT", "RunFolder", "ShardWriter"]


@dataclass(frozen=True)
class RunFolder:
    """The files of one run.

    Attributes:
        path: where the files are now.
        final: where they will be when the run is finished; then equal to ``path``.
        overwrite: whether an earlier finished run at that place is replaced.
        notes: what people should know of the last step, such as where a folder was moved.
        stage: what was found at ``path``: nothing, an unfinished run that is resumed, or a complete one.
    """

    path: Path
    final: Path
    overwrite: bool = False
    notes: tuple[str, ...] = ()
    stage: run_places.Stage = "new"

    @classmethod
    def begin(cls, final: Path, *, overwrite: bool = False, resume: bool = False) -> RunFolder:
        """Starts a run beside its final place, and locks that place.

        Args:
            final: the folder for the finished run.
            overwrite: whether an earlier finished run at that place is replaced at the end.
            resume: whether to take up an interrupted run, if there is one.

        Raises:
            UsageError: see `require_place`.
            DataError: the interrupted run contains something that is neither a regular file nor a folder.
        """
        final = run_places.require_place(final, overwrite=overwrite, thorough=True)
        path = run_places.unfinished_place(final)
        folder = cls(path, final, overwrite)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            folder_lock.acquire(run_places.lock_place(final))
            try:
                run_places.require_unfinished(path)
                stage = run_places.stage_of(path) if resume else "new"
                if stage != "new":
                    require_regular(path)
                    return replace(folder, stage=stage)
                note = run_places.clear_unfinished(path)
                (path / EXPLANATIONS).mkdir(parents=True)
                (path / UNFINISHED_NOTICE).write_text(run_places.NOTICE, encoding="utf-8")
            except BaseException:
                folder.release()
                raise
        except OSError as error:
            raise refusal(error, path) or error from error
        return folder if note is None else replace(folder, notes=(note,))

    @staticmethod
    def is_finished(final: Path) -> bool:
        """Whether there is a finished run, and none that is unfinished beside it."""
        final = real_path(final)
        return (final / RESULT).is_file() and not run_places.unfinished_place(final).exists()

    @staticmethod
    def require_place(final: Path, *, overwrite: bool = False, resume: bool = False) -> Path:
        """Makes sure that a run can be written, before hours are spent on it; changes nothing.

        Args:
            final: the folder for the finished run.
            overwrite: whether an earlier finished run at that place may be replaced.
            resume: whether it may also be the run that is to be resumed, which is finished already.

        Returns:
            The same path, absolute.

        Raises:
            OutputExistsError: the place holds a finished run and ``overwrite`` is false; it holds
                anything other than a run, or files that its manifest does not list; or another audit
                is writing a run there.
            FileSystemError: the folder can't be created or written, or its name is no text.
        """
        if resume and not overwrite and RunFolder.is_finished(final):
            return real_path(final)
        return run_places.require_place(final, overwrite=overwrite)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Opens a finished run.

        Raises:
            DataError: the folder does not hold a finished run, or it contains something that is neither a
                regular file nor a folder.
        """
        run = cls.locate(path)
        require_regular(run.path)
        return run

    @classmethod
    def locate(cls, path: Path) -> RunFolder:
        """Finds a finished run, whatever its folder contains besides a result.

        Raises:
            DataError: the folder does not hold a finished run.
        """
        try:
            path = real_path(path)
            finished, unfinished = (
                os.path.lexists(path / one) for one in (RESULT, UNFINISHED_NOTICE)
            )
        except OSError as error:
            raise refusal(error, path) or error from error
        if not finished:
            state = "an unfinished audit" if unfinished else f"no {RESULT}"
            raise DataError(
                f"{path}: expected the folder of a finished run; it contains {state}: give the folder "
                "that `auditor run` printed"
            )
        return cls(path, path)

    @classmethod
    def open_unlocked(cls, path: Path) -> RunFolder:
        """Opens a finished run at whose place no audit is running; the lock of one that ended is removed.

        Raises:
            DataError: see `open`.
            OutputExistsError: an audit is running.
        """
        run = cls.open(path)
        try:
            folder_lock.acquire(run_places.lock_place(run.path))
        except OSError as error:
            raise refusal(error, run.path) or error from error
        run.release()
        return run

    @property
    def has_predictions(self) -> bool:
        """Whether a part of the predictions is complete, which is worth keeping after an error."""
        shards = (self.path / "predictions").glob("part-*.parquet")
        explained = (self.explanations / "blocks").glob("part-*.parquet")  # a shard has only these
        return (self.path / PREDICTIONS).exists() or any(shards) or any(explained)

    @property
    def explanations(self) -> Path:
        """The folder of the maps."""
        return self.path / EXPLANATIONS

    def remove_remains(self) -> None:
        """Removes what an interrupted run has written besides its complete blocks."""
        run_places.remove_remains(self.path)

    @property
    def predicted(self) -> Path:
        """The folder of the blocks of predictions, which is created."""
        folder = self.path / "predictions"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def merge_predictions(self, n_blocks: int) -> Path:
        """Merges the blocks of predictions into one file, one row group per block.

        Args:
            n_blocks: number of blocks, all complete; other files in their folder are left alone.

        Raises:
            DataError: a block is damaged, or has other columns than the others.
        """
        target = self.path / PREDICTIONS
        parts = [self.predicted / block_name(number) for number in range(n_blocks)]
        partial = target.with_suffix(".partial")
        try:
            schema = pq.read_schema(parts[0]).remove_metadata()
            schema = pa.schema([one for one in schema if one.name not in UNFINISHED])
            with pq.ParquetWriter(partial, schema) as writer:
                for part in parts:
                    table = pq.read_table(part, columns=schema.names)
                    writer.write_table(table.replace_schema_metadata(None))
        except (pa.ArrowException, ValueError) as error:
            raise DataError(
                f"{self.predicted}: expected blocks of predictions that the audit wrote; one is damaged "
                f"({type(error).__name__}): audit again without --resume"
            ) from error
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
            text = read_regular(path).decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(
                f"{path}: expected JSON in UTF-8; {error}: restore the run from a backup, or audit again"
            ) from error
        return parse_result(text, str(path))

    def finish(self) -> RunFolder:
        """Writes the manifest and moves the run to its final place.

        Returns:
            The finished run.

        Raises:
            OutputExistsError: something appeared at that place since the audit began.
        """
        write_manifest(self.path, without=run_places.temporary(self.path))
        run_places.flush(self.path)
        return self.publish()

    def publish(self) -> RunFolder:
        """Moves the run, which has its manifest, to its final place.

        Returns:
            The finished run.

        Raises:
            OutputExistsError: something appeared at that place since the audit began.
        """
        run_places.remove_temporary(self.path)
        note = run_places.publish(self.path, self.final, overwrite=self.overwrite)
        self.release()
        return RunFolder(self.final, self.final, notes=() if note is None else (note,))

    def keep(self) -> None:
        """Ends an aborted audit: lists what it wrote in a manifest, and releases the lock."""
        with suppress(OSError):  # a full disk; then the folder is kept by the next audit, too
            write_manifest(self.path)
        self.release()

    def discard(self) -> None:
        """Removes the unfinished folder, after a usage error that occurred before any result."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.release()

    def release(self) -> None:
        """Releases the lock, if this process has it."""
        folder_lock.release(run_places.lock_place(self.final))


class ShardWriter:
    """Writes numbered Parquet files; a file appears only when it is complete."""

    def __init__(self, folder: Path, prefix: str = "part") -> None:
        self._folder = folder
        self._prefix = prefix
        self._count = 0

    @property
    def next_name(self) -> str:
        """File name of the next shard."""
        return block_name(self._count, self._prefix)

    def write(self, table: pa.Table) -> Path:
        """Writes the next shard and returns its path."""
        path = self._folder / self.next_name
        write_table(table, path)
        self._count += 1
        return path
