"""Errors in code of others: where they were raised, and a file with the traceback of unexpected ones."""

from __future__ import annotations

import os
import re
import tempfile
import traceback
from contextlib import suppress
from pathlib import Path

from auditor.manifest import TRACEBACK

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
"""Codes of a terminal, which Keras writes into its messages."""


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


def place_of(error: BaseException) -> str:
    """Where code of the user raised an error, such as `` (model.py, line 12)``.

    It is the last frame outside this package, the libraries and Python itself; empty if there is none.
    """
    elsewhere = {Path(__file__).parent, Path(os.__file__).parent}
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not elsewhere & set(Path(frame.filename).parents)
        and not {"site-packages", "importlib"} & set(Path(frame.filename).parts)
        and not frame.filename.startswith("<frozen ")
    ]
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""


def one_line(error: BaseException) -> str:
    """The text of an error in one line of at most 300 characters; ``no message`` if it has none."""
    plain = _COLOURS.sub("", text_of(error))
    text = " ".join(plain.split()).rstrip(".:") or "no message"
    return text if len(text) <= 300 else f"{text[:300]} …"


def text_of(error: BaseException) -> str:
    """The text of an error; empty where its class has a ``__str__`` that fails."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - code of the user
        return ""
