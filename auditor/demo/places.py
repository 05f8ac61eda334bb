"""Where the examples are written: nothing of the user is replaced there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from auditor import demo, folder_lock
from auditor.errors import DataError, FileSystemError
from auditor.file_system import real_path, refusal
from auditor.manifest import write_manifest
from auditor.own_files import free_place, remove_own
from auditor.review_log import DECISIONS
from auditor.run_folder import RunFolder
from auditor.run_places import lock_place


def is_earlier_demo(place: Path, case: demo.Case) -> bool:
    """Whether a folder holds an audit of an example that nobody has reviewed, which can be repeated."""
    try:
        run = RunFolder.open(place)
        name = run.read_result().run.name
    except (DataError, FileSystemError):
        return False
    return name == f"demo-{case}" and not (run.path / DECISIONS).exists()


@contextmanager
def written_inputs(case: demo.Case, folder: Path, say: Callable[[str], None]) -> Iterator[Path]:
    """Context manager for the files that the audit of an example needs.

    Those of an earlier demo are replaced. A folder with anything else in it, such as an edited
    configuration, is moved aside. The files stay; what ends with the context is the lock on them.

    Args:
        case: one of `auditor.demo.CASES`.
        folder: where to write.
        say: called with a line of text at each step.

    Yields:
        The path of the configuration file.

    Raises:
        OutputExistsError: another demo is writing there.
        MissingDependencyError: the images of the example are not installed.
    """
    folder = real_path(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder_lock.acquire(lock_place(folder))
    except OSError as error:
        raise refusal(error, folder) or error from error
    try:
        if folder.exists() and not (folder.is_dir() and remove_own(folder)):
            aside = free_place(folder)
            folder.rename(aside)
            say(
                f"{folder}: files that were added or changed after an earlier demo are now in {aside}"
            )
        config = demo.prepare(case, folder, say)
        write_manifest(folder)
        yield config
    finally:
        folder_lock.release(lock_place(folder))
