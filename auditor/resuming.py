"""Begins an audit, or takes up one that was interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from auditor.blocks import block_name, is_intact
from auditor.datasets.images import FileImages
from auditor.errors import UnreadableImageError, UsageError
from auditor.manifest import RESUME_STATE
from auditor.manifest import sha256 as file_hash
from auditor.model_opening import OpenedModel
from auditor.phrasing import count
from auditor.preparation import Prepared
from auditor.progress import Advance, Progress
from auditor.records import Dataset, Images, ImageSubset
from auditor.records.predictions import SAMPLE, SHA256, STATUS
from auditor.report import documents
from auditor.resume_state import (
    Hashes,
    ResumeState,
    changed_rows,
    changes,
    different_arithmetic,
    read_state,
    row_hashes,
    row_hashes_of_finished,
    state_of,
    state_of_finished,
    write_state,
)
from auditor.run_folder import PREDICTIONS, RunFolder
from auditor.stages.predicted_blocks import blocks_of, complete_blocks


def begin(
    prepared: Prepared,
    opened: OpenedModel,
    out: Path,
    *,
    overwrite: bool,
    resume: bool,
    progress: Progress,
) -> RunFolder:
    """The folder of an audit, locked: a new one, or that of an interrupted audit with its finished blocks.

    Args:
        prepared: the audit.
        opened: its model.
        out: the folder of the finished run.
        overwrite: whether to replace a finished run in that folder.
        resume: whether to take up an interrupted audit. Where there is none, a new one begins.
        progress: says what was found.

    Returns:
        The folder. Where the audit turns out to be complete, it is the finished run.

    Raises:
        UsageError: the place can't be used; or something has changed since the audit was interrupted. Then
            nothing in the folder was changed.
    """
    state, rows = state_of(prepared, opened), row_hashes(prepared, opened)
    check = _Unchanged(state, rows, prepared.dataset, progress)
    if resume and not overwrite and RunFolder.is_finished(out):
        finished = RunFolder.open_unlocked(out)
        check.finished(finished)
        progress.message(f"{finished.path}: the audit is finished; there is nothing to resume")
        return finished
    folder = RunFolder.begin(out, overwrite=overwrite, resume=resume)
    try:
        if folder.stage == "complete":
            check.finished(folder)
            progress.message(f"{folder.path}: the audit is complete; only its folder is renamed")
            return folder.publish()
        if folder.stage == "unfinished":
            check.unfinished(folder)
            folder.remove_remains()
            documents.remove(folder.path)
            progress.message(_resumed(folder, len(rows)))
        elif resume:
            progress.message(
                f"{folder.path}: nothing to resume; the audit starts from the beginning"
            )
        write_state(state, rows, folder)
    except BaseException:
        folder.release()
        raise
    return folder


def _resumed(folder: RunFolder, n_samples: int) -> str:
    done, all_of_them = complete_blocks(folder.predicted, n_samples), blocks_of(n_samples)
    n_done = sum(one.n_samples for one in done.values())
    return (
        f"{folder.path}: resumed; {count(n_done)} of {count(n_samples)} samples are predicted "
        f"({count(len(done))} of {count(len(all_of_them))} blocks)"
    )


class _Unchanged:
    """Makes sure that an earlier audit depended on the same things as the present one."""

    def __init__(
        self, state: ResumeState, rows: Hashes, dataset: Dataset, progress: Progress
    ) -> None:
        self._state = state
        self._rows = rows
        self._dataset = dataset
        self._progress = progress

    def finished(self, folder: RunFolder) -> None:
        """Raises `UsageError` if a finished audit depended on something else."""
        self._require(
            folder,
            state_of_finished(folder.read_result()),
            row_hashes_of_finished(folder.path),
            [(folder.path / PREDICTIONS, 0)],
        )

    def unfinished(self, folder: RunFolder) -> None:
        """Raises `UsageError` if an interrupted audit depended on something else."""
        found = read_state(folder)
        if found is None:
            raise UsageError(
                f"{folder.path / RESUME_STATE}: expected what the audit began with; the file is damaged: "
                "audit again without --resume"
            )
        n_samples = len(found[1])
        cut = blocks_of(n_samples)
        complete = {
            number: folder.predicted / block_name(number)
            for number in complete_blocks(folder.predicted, n_samples)
        }
        parts = [
            (path, int(cut.rows(number)[0]))
            for number, path in complete.items()
            if is_intact(path)  # others are removed before the audit goes on
        ]
        self._require(folder, *found, parts)
        warning = different_arithmetic(found[0], self._state)
        if warning is not None:
            self._progress.message(f"{folder.path}: {warning}")

    def _require(
        self, folder: RunFolder, before: ResumeState, rows: Hashes, parts: list[tuple[Path, int]]
    ) -> None:
        found = [*changes(before, self._state)]
        ids = self._dataset.samples.index.astype(str)
        found += changed_rows(rows, self._rows, ids)
        if not found:
            with self._progress.stage("compare images", len(rows)) as advance:
                try:
                    found += _changed_images(parts, self._dataset.images, advance)
                except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
                    raise UsageError(
                        f"{folder.path}: expected predictions that the audit wrote; a file of them is "
                        f"damaged ({type(error).__name__}): audit again without --resume"
                    ) from error
        if found:
            again = (
                "with --overwrite instead of --resume, which replaces this run"
                if folder.path == folder.final
                else "without --resume, which moves this folder aside"
            )
            raise UsageError(
                f"{folder.path}: expected the configuration, model and data with which this audit began; "
                f"changed since: {'; '.join(found)}: restore what was changed, or audit again {again}"
            )


def _changed_images(
    parts: list[tuple[Path, int]], images: Images, advance: Advance
) -> Iterator[str]:
    """Which of the images that were predicted are others now."""
    changed: list[str] = []
    for path, first in parts:
        with pq.ParquetFile(path) as file:
            row = first
            for batch in file.iter_batches(columns=[SAMPLE, STATUS, SHA256]):
                for sample, status, sha256 in zip(
                    *(column.to_pylist() for column in batch), strict=True
                ):
                    if not _is_same(images, row, status, sha256):
                        changed.append(sample)
                    row += 1
                advance(len(batch))
    if changed:
        some = f"the image of {changed[0]}"
        yield (
            some
            if len(changed) == 1
            else f"{count(len(changed))} images, such as that of {changed[0]}"
        )


def _is_same(images: Images, row: int, status: str, sha256: str | None) -> bool:
    while isinstance(images, ImageSubset):
        row, images = int(images.positions[row]), images.images
    if sha256 is not None and isinstance(images, FileImages):
        try:
            path = images.path(row)
            return path.is_file() and file_hash(path) == sha256
        except OSError:
            return False
    try:
        return images[row].sha256 == sha256
    except UnreadableImageError as error:
        return sha256 is None and error.reason == status
