"""Tracebacks of unexpected errors: kept in a file, so that the terminal shows one message."""

from __future__ import annotations

import tempfile
import traceback
from contextlib import suppress
from pathlib import Path

from auditor.manifest import TRACEBACK


def keep_traceback(folder: Path | None = None) -> str:
    """Writes the traceback of the exception that is being handled.

    Args:
        folder: receives ``traceback.txt``. Where it is None or can't be written, the folder for
            temporary files receives a new file.

    Returns:
        The end of a message: where the traceback is. Writing may fail too (disk full, read-only
        folder); then it says so.
    """
    text = traceback.format_exc()
    try:
        return f"the traceback is in {_written(folder, text)}"
    except OSError as error:
        return f"no traceback could be written ({error.strerror or error})"


def _written(folder: Path | None, text: str) -> Path:
    content = text.encode("utf-8", "backslashreplace")  # names of files may be no valid UTF-8
    if folder is not None:
        path = folder / TRACEBACK
        try:
            path.write_bytes(content)
        except OSError:
            _remove(path)
        else:
            return path
    with tempfile.NamedTemporaryFile(prefix="auditor-", suffix=".txt", delete=False) as stream:
        path = Path(stream.name)
        try:
            stream.write(content)
            stream.flush()
        except OSError:
            _remove(path)
            raise
    return path


def _remove(path: Path) -> None:
    """Removes a file that could not be written, such as an empty one on a full disk."""
    with suppress(OSError):  # what can't be written often can't be removed
        path.unlink(missing_ok=True)
