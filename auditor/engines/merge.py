"""Joins shards to an unfinished run, from their folders alone: no model, no data, nothing is executed.

Everything is checked before anything is written. Files are copied, and a file appears when it is complete:
after an interruption, the same command goes on. The shards are left as they are.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from auditor.blocks import block_name, read_block
from auditor.engines.same_audit import State, require_same_audit
from auditor.engines.shard import Phase, Shard, ShardRecord, read_record, run_of
from auditor.errors import DataError
from auditor.file_system import real_path, refusal
from auditor.manifest import (
    EXPLANATIONS,
    PREDICTIONS,
    RESULT,
    RESUME_STATE,
    read_manifest,
    sha256,
)
from auditor.phrasing import several
from auditor.records import Record
from auditor.resume_state import different_arithmetic, read_state
from auditor.run_files import is_regular, require_regular
from auditor.run_folder import RunFolder
from auditor.stages.predicted_blocks import blocks_of, complete_blocks


class _Facts(Record):
    """What the blocks of both phases say of themselves."""

    model_config = Record.model_config | {"extra": "ignore"}

    number: int
    gave_up: bool = False


@dataclass(frozen=True)
class _Checked:
    """A shard whose files are those that its manifest lists.

    Attributes:
        path: of its folder.
        state: what it depends on.
        files: those that a run needs, below the folder → SHA-256.
    """

    path: Path
    state: State
    files: dict[str, str]


@dataclass(frozen=True)
class Merged:
    """Result of `merge`.

    Attributes:
        folder: the unfinished run.
        phase: what the shards held.
        n_shards: number of shards.
        n_blocks: number of their blocks.
        replaces: whether there is a finished run, which is to be replaced.
        warnings: shards that were computed in another way than the first one.
    """

    folder: Path
    phase: Phase
    n_shards: int
    n_blocks: int
    replaces: bool
    warnings: tuple[str, ...]


def merge(shards: Sequence[Path], out: Path | None = None, *, overwrite: bool = False) -> Merged:
    """Joins all shards of one stage of an audit to an unfinished run, which `auditor run --resume` finishes.

    Args:
        shards: their folders, in any order.
        out: the folder of the finished run; None: that of the shards' names.
        overwrite: whether an earlier finished run in that folder is to be replaced, by
            `auditor run --resume --overwrite`; until then, it stays there.

    Raises:
        UsageError: a shard is missing, given twice, not finished, altered, or of another audit; or there is
            a finished run in that folder. Then nothing is written.
    """
    folders = [real_path(one) for one in shards]
    _require_different(folders)
    records = {folder: read_record(folder) for folder in folders}
    phase, count, n_blocks = _require_all(records)
    checked = [_checked(folder, record) for folder, record in records.items()]
    first = checked[0]
    for one in checked[1:]:
        require_same_audit(one.path, one.state, first.state, str(first.path))
    final = real_path(out) if out is not None else _run_of(folders)
    run = RunFolder.begin(final, overwrite=overwrite, resume=True)
    try:
        _require_place(run, phase, first)
        # With the state, the folder is an unfinished run, which a later merge completes.
        _copy(first.path / RESUME_STATE, run.path / RESUME_STATE, first.files[RESUME_STATE])
        for one in checked:
            for name, digest in one.files.items():
                if name != RESUME_STATE:
                    _copy(one.path / name, run.path / name, digest)
        if phase == "predict":
            run.merge_predictions(n_blocks)
    except OSError as error:
        raise refusal(error, run.path) or error from error
    finally:
        if run.stage == "new" and not (run.path / RESUME_STATE).exists():
            run.discard()
        else:
            run.keep()
    found = ((one.path, different_arithmetic(first.state[0], one.state[0])) for one in checked)
    warnings = tuple(f"{path}: {text}" for path, text in found if text is not None)
    return Merged(run.path, phase, count, n_blocks, (final / RESULT).is_file(), warnings)


def _require_different(folders: Sequence[Path]) -> None:
    twice = [one for one, n in Counter(folders).items() if n > 1]
    if twice:
        raise DataError(
            f"{twice[0]}: expected each shard once; this folder is given more than once: name it once"
        )


def _require_all(records: dict[Path, ShardRecord]) -> tuple[Phase, int, int]:
    """The stage, number of shards and number of blocks, if each shard is there once."""
    first, record = next(iter(records.items()))
    for folder, one in records.items():
        for what, expected, found in (
            ("stage", record.phase, one.phase),
            ("number of shards", record.count, one.count),
            ("number of blocks", record.n_blocks, one.n_blocks),
        ):
            if expected != found:
                raise DataError(
                    f"{folder}: expected a shard of the same audit as {first}; its {what} is {found}, not "
                    f"{expected}: merge the shards of one stage and one audit"
                )
    of_number: dict[int, Path] = {}
    for folder, one in records.items():
        if one.number in of_number:
            raise DataError(
                f"{folder}: expected each shard once; {of_number[one.number]} is shard {one.shard} as well: "
                "leave one of them out"
            )
        of_number[one.number] = folder
    missing = [
        str(Shard(k, record.count)) for k in range(1, record.count + 1) if k not in of_number
    ]
    if missing:
        raise DataError(
            f"{first}: expected all {record.count} shards of the audit; {several(missing, 5)} "
            f"{'is' if len(missing) == 1 else 'are'} missing: compute "
            f"{'it' if len(missing) == 1 else 'them'}, and name all folders"
        )
    return record.phase, record.count, record.n_blocks


def _checked(folder: Path, record: ShardRecord) -> _Checked:
    require_regular(folder)
    listed = read_manifest(folder).files
    state = read_state(RunFolder(folder, folder))
    if state is None or RESUME_STATE not in listed:
        raise DataError(
            f"{folder / RESUME_STATE}: expected what the shard depends on; it is missing or damaged: compute "
            "the shard again"
        )
    files = {RESUME_STATE: listed[RESUME_STATE]}
    gave_up = False
    for number in record.shard.blocks(record.n_blocks):
        block, *others = _names(record.phase, number)
        facts = read_block(folder / block, _Facts) if block in listed else None
        if facts is None and gave_up:
            break
        if facts is None or facts.number != number:
            raise DataError(
                f"{folder}: expected block {number}; {block} is missing or damaged: compute the shard again"
            )
        files |= {name: listed[name] for name in (*others, block) if name in listed}
        gave_up = gave_up or facts.gave_up
    for name in files:
        _require_listed(folder, name, listed)
    return _Checked(folder, state, files)


def _names(phase: Phase, number: int) -> tuple[str, ...]:
    """The files of a block; that with which it is complete is first."""
    if phase == "predict":
        return (f"predictions/{block_name(number)}",)
    others = (f"{EXPLANATIONS}/{block_name(number, one)}" for one in ("images", "maps"))
    return (f"{EXPLANATIONS}/blocks/{block_name(number)}", *others)


def _require_listed(folder: Path, name: str, listed: dict[str, str]) -> None:
    path = folder / name
    if not is_regular(path) or sha256(path) != listed.get(name):
        raise DataError(
            f"{path}: expected the file whose SHA-256 is in the manifest of the shard; it was altered or "
            "removed: compute the shard again"
        )


def _require_place(run: RunFolder, phase: Phase, one: _Checked) -> None:
    """Makes sure that the shards belong into an unfinished run."""
    if run.stage == "complete":
        raise DataError(
            f"{run.path}: expected an unfinished audit; it is complete: rename it with `auditor run --resume`"
        )
    if run.stage == "unfinished":
        require_same_audit(run.path, read_state(run), one.state, str(one.path))
    if phase == "predict":
        return
    n_samples = len(one.state[1])
    missing = len(blocks_of(n_samples)) - len(complete_blocks(run.predicted, n_samples))
    if missing or not (run.path / PREDICTIONS).is_file():
        raise DataError(
            f"{run.path}: expected all predictions of the audit before its explanations; they are missing: "
            "merge the shards of its predictions first"
        )


def _run_of(folders: Sequence[Path]) -> Path:
    found = {run_of(one) for one in folders}
    final = found.pop()
    if final is None or found:
        raise DataError(
            f"{folders[0]}: expected shards beside each other, with the names that `auditor run` gave them; "
            "they have others: name the folder of the run with --out"
        )
    return final


def _copy(source: Path, target: Path, digest: str) -> None:
    """Copies a file, unless it is there; it appears when it is complete, with the checked content."""
    if target.is_file() and sha256(target) == digest:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    with source.open("rb") as read, partial.open("wb") as written:
        shutil.copyfileobj(read, written, 1 << 20)
        written.flush()
        os.fsync(written.fileno())
    if sha256(partial) != digest:
        partial.unlink()
        raise DataError(f"{source}: expected an unchanged file; it was altered during the merge")
    partial.replace(target)
