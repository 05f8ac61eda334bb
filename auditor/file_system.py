"""What the file system refuses, as usage errors; and text files in the encodings that people use."""

from __future__ import annotations

import errno
import os
import re
import stat
import tempfile
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE
from collections.abc import Callable
from pathlib import Path

from auditor.errors import FileSystemError

_OTHER_PLACE = "choose another place"
_REFUSALS: dict[int, tuple[str, str]] = {
    errno.EACCES: ("a place that this user may use", f"change its permissions, or {_OTHER_PLACE}"),
    errno.EPERM: ("a place that this user may use", f"change its permissions, or {_OTHER_PLACE}"),
    errno.EROFS: ("a place that can be written", _OTHER_PLACE),
    errno.ENOSPC: ("space on the disk", f"free some space, or {_OTHER_PLACE}"),
    errno.EDQUOT: ("space within the quota", f"free some space, or {_OTHER_PLACE}"),
    errno.EFBIG: ("a disk that accepts such a large file", _OTHER_PLACE),
    errno.EIO: ("a disk without errors", f"see the log of the system, or {_OTHER_PLACE}"),
    errno.ESTALE: ("a network folder that is connected", "connect it again"),
    errno.ENOENT: ("an existing file or folder", "correct the path, or create it"),
    errno.ENOTDIR: ("a folder", f"remove the file in its place, or {_OTHER_PLACE}"),
    errno.EISDIR: ("a file", f"remove the folder in its place, or {_OTHER_PLACE}"),
    errno.EEXIST: ("a place that is free", f"remove what is there, or {_OTHER_PLACE}"),
    errno.ENOTEMPTY: ("an empty folder", f"remove what is there, or {_OTHER_PLACE}"),
    errno.EBUSY: ("a file or folder that is not in use", _OTHER_PLACE),
    errno.ETXTBSY: ("a file that is not in use", _OTHER_PLACE),
    errno.ENAMETOOLONG: ("a shorter name", "choose a shorter one"),
    errno.ELOOP: ("a path without circular links", "correct the links"),
    errno.EMFILE: ("fewer open files", "raise the limit with `ulimit -n`, or set `workers: 0`"),
    errno.ENFILE: ("fewer open files", "close other programs, or set `workers: 0`"),
}
"""Causes outside of this package: what was expected, and the fix."""
_KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
)
_SHOWN = 200
"""Characters of a path in a message."""

_ENCODINGS = (
    (BOM_UTF32_LE, "utf-32"),  # begins like UTF-16: first
    (BOM_UTF32_BE, "utf-32"),
    (BOM_UTF16_LE, "utf-16"),
    (BOM_UTF16_BE, "utf-16"),
    (BOM_UTF8, "utf-8-sig"),
)


def refusal(error: OSError, place: Path | None = None) -> FileSystemError | None:
    """An error of the operating system as a usage error.

    Args:
        error: what was raised.
        place: what was read or written, where the error does not name it.

    Returns:
        The usage error; None if the cause is none of the file system, such as a network.
    """
    if error.errno not in _REFUSALS:
        return None
    expected, fix = _REFUSALS[error.errno]
    named = error.filename2 or error.filename
    where = _shortened(os.fsdecode(named) if isinstance(named, str | bytes) else str(place or ""))
    reason = f"expected {expected}; {os.strerror(error.errno)}: {fix}"
    return FileSystemError(f"{where}: {reason}" if where else reason)


def real_path(place: Path) -> Path:
    """An absolute path without links, in which ``~`` is the home folder.

    Unlike ``Path.resolve``, it accepts circular links.

    Raises:
        FileSystemError: the path can't be written into documents, because it contains bytes that are no
            UTF-8 or a character 0; or there is no such home folder.
        OSError: the file system refuses it.
    """
    text = str(place)
    if "\0" in text or has_surrogates(text):
        raise FileSystemError(
            f"{_shortened(ascii(text))}: expected a path of printable characters; it contains bytes that "
            "are no UTF-8, or a character 0: choose another name"
        )
    try:
        return Path(os.path.realpath(place.expanduser()))
    except RuntimeError:
        raise FileSystemError(
            f"{_shortened(text)}: expected a known home folder; there is none for {place.parts[0]!r}: "
            "write the path out"
        ) from None


def kind_of(mode: int) -> str:
    """What is in the place of a file, in words.

    Args:
        mode: as ``stat`` returns it; not that of a regular file.
    """
    return next((what for is_kind, what in _KINDS if is_kind(mode)), "a device")


def require_writable(folder: Path) -> None:
    """Makes sure that a folder, which need not exist, can be created and written.

    Nothing is left behind.

    Raises:
        FileSystemError: it can't; the message names the part of the path that is in the way.
    """
    present = Path(os.path.abspath(folder))  # noqa: PTH100 - `resolve` follows links
    missing: list[str] = []
    while not os.path.lexists(present):
        missing.append(present.name)
        present = present.parent
    for name in missing:
        try:
            (present / name).lstat()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise refusal(error) or error from error
    try:
        os.rmdir(tempfile.mkdtemp(prefix=".auditor-", dir=present))  # noqa: PTH106
    except OSError as error:
        found = OSError(error.errno, error.strerror, str(present))
        raise refusal(found) or error from error


def read_text(path: Path) -> str:
    """Reads a text file in UTF-8, or in UTF-16 or UTF-32 with a byte-order mark, which is left out.

    Raises:
        OSError: it can't be read.
        ValueError: it has another encoding; the message says where and how to fix it.
    """
    return decode_text(path.read_bytes())


def read_lines(path: Path) -> list[str]:
    """The lines of a text file without surrounding space; empty ones are left out.

    Raises:
        OSError: see `read_text`.
        ValueError: see `read_text`.
    """
    lines = re.split(r"\r\n|\r|\n", read_text(path))
    return [line.strip() for line in lines if line.strip()]


def decode_text(content: bytes) -> str:
    """The text of a file; see `read_text`.

    Raises:
        ValueError: see `read_text`.
    """
    encoding = encoding_of(content)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(_not_text(error, content)) from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise ValueError(
            f"expected text in UTF-8; line {line} contains a NUL character, as in binary files and in "
            "UTF-16 without a byte-order mark: save the file as UTF-8"
        )
    return text


def has_surrogates(text: str) -> bool:
    """Whether a text can't be written as UTF-8, because it holds half a character or a foreign byte."""
    return not text.isascii() and any("\ud800" <= sign <= "\udfff" for sign in text)


def encoding_of(start: bytes) -> str:
    """The encoding that the first bytes of a file state: by a byte-order mark, else UTF-8."""
    return next((name for mark, name in _ENCODINGS if start.startswith(mark)), "utf-8")


def _not_text(error: UnicodeDecodeError, content: bytes) -> str:
    if error.encoding.replace("_", "-").lower() not in {"utf-8", "utf-8-sig"}:
        return f"expected text; its {error.encoding} is damaged: save the file as UTF-8"
    line = content[: error.start].count(b"\n") + 1
    return (
        f"expected text in UTF-8; line {line} contains the byte 0x{content[error.start]:02x}, which "
        "UTF-8 does not allow there (Latin-1?): save the file as UTF-8"
    )


def _shortened(path: str) -> str:
    return path if len(path) <= _SHOWN else f"{path[:_SHOWN]}…"
