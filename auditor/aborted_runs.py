"""What becomes of a run folder when its audit ends with an error, or is interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from auditor import interrupts
from auditor.errors import AuditAbortedError, AuditorError, UsageError
from auditor.file_system import refusal
from auditor.run_folder import RunFolder
from auditor.traceback_file import keep_traceback, one_line


@contextmanager
def kept_or_discarded(folder: RunFolder) -> Iterator[None]:
    """Decides about the folder after an error: it is kept where a shard of predictions is complete.

    After an error that nobody expected, it is always kept, with the traceback.
    """
    try:
        yield
    except BaseException as error:  # also `sys.exit` of a plug-in
        if isinstance(error, KeyboardInterrupt) or interrupts.received():
            raise KeyboardInterrupt(_interrupted(folder)) from None
        if isinstance(error, UsageError):
            raise _kept_or(error, folder) from error
        refused = refusal(error, folder.path) if isinstance(error, OSError) else None
        if refused is not None:
            raise _kept_or(refused, folder) from error
        where = keep_traceback(folder.path)
        folder.keep()
        raise AuditAbortedError(
            f"{type(error).__name__}: {one_line(error)}; {_so_far(folder)}; {where}"
        ) from error


def _interrupted(folder: RunFolder) -> str:
    if folder.has_predictions:
        folder.keep()
        return (
            f"what was done so far is in {folder.path}, marked as unfinished; --resume continues it"
        )
    folder.discard()
    return "nothing was predicted yet; no folder is left behind"


def _kept_or(error: UsageError, folder: RunFolder) -> AuditorError:
    """The error to raise: an aborted audit where the folder is kept."""
    if folder.has_predictions:
        folder.keep()
        return AuditAbortedError(f"{error}; {_so_far(folder)}")
    folder.discard()
    return error


def _so_far(folder: RunFolder) -> str:
    continued = "; --resume continues from there" if folder.has_predictions else ""
    return f"the results so far are in {folder.path}{continued}"
