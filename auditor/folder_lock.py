"""Locks on places where an audit writes its run folder, so that no second audit removes or mixes its files.

A lock is a file beside the run folder, ``<run>.lock``. It names its owner: user, host, process, and when that
process started, so that another process with a recycled number is not mistaken for it. The file is locked
for the operating system as well, which releases it when the process ends, however it ends. A lock that an
ended process of this computer left behind is replaced. One of another computer can't be checked from here;
it is refused, with the file to remove.
"""

from __future__ import annotations

import getpass
import os
import platform
import stat
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from auditor.errors import OutputExistsError
from auditor.records import Record

try:
    import fcntl
except ImportError:  # Windows
    _LOCK = None
else:
    _LOCK = fcntl.flock
    _EXCLUSIVE = fcntl.LOCK_EX | fcntl.LOCK_NB

_LONGEST = 4096
"""Bytes of a lock file that are read."""
_TRIES = 20

_held: dict[Path, int] = {}
"""Open lock files of this process by their path; closing one releases its lock."""


class LockOwner(Record):
    """Content of a lock file: the process that writes at a place."""

    program: Literal["auditor"] = "auditor"
    user: str
    host: str
    boot: str
    """Changes whenever the host starts; empty where unknown."""
    processes: str
    """The set of processes that the owner could see; containers have their own. Empty where unknown."""
    pid: int
    started: str
    """When the process started, in the units of the system; empty where unknown."""
    since: datetime
    """When it took the lock."""
    locked: bool
    """Whether the file is also locked for the operating system."""

    def __str__(self) -> str:
        return f"process {self.pid} of {self.user} on {self.host}, since {self.since:%Y-%m-%d %H:%M} UTC"


def acquire(path: Path) -> None:
    """Takes a lock until `release`, or until this process ends.

    Args:
        path: the lock file, in an existing folder.

    Raises:
        OutputExistsError: another audit has it, or the file is something else.
        OSError: the file can't be written.
    """
    for _ in range(_TRIES):
        try:
            opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            _remove_stale(path)
            continue
        locked = _locked(opened)
        if locked is False or not _is_current(opened, path):  # somebody was quicker
            os.close(opened)
            continue
        owner = _this_process(locked=locked is True)
        os.write(opened, owner.model_dump_json(indent=1).encode("utf-8", "backslashreplace"))
        _held[path] = opened
        return
    raise _refused(path, "other processes take it again and again", "wait until they end")


def release(path: Path) -> None:
    """Removes a lock file, if this process has it."""
    opened = _held.pop(path, None)
    if opened is None:
        return
    with suppress(OSError):  # removed by somebody, or on a folder that is gone
        if _is_current(opened, path):
            path.unlink()
    os.close(opened)


def require_free(path: Path) -> None:
    """Makes sure that no other audit has a lock; changes nothing.

    Raises:
        OutputExistsError: see `acquire`.
        OSError: the file can't be read.
    """
    if os.path.lexists(path):
        _inspect(path, remove=False)


def _remove_stale(path: Path) -> None:
    """Removes a lock file whose process has ended; raises `OutputExistsError` where it has not."""
    _inspect(path, remove=True)


def _inspect(path: Path, *, remove: bool) -> None:
    if path in _held:
        raise _refused(path, "another audit of this process is writing there", "wait until it ends")
    if not stat.S_ISREG(path.lstat().st_mode):
        raise _refused(path, "it is something else", "remove it")
    try:
        opened = os.open(path, os.O_RDONLY)
    except FileNotFoundError:  # just released
        return
    try:
        found = os.read(opened, _LONGEST)
        owner = _owner(found, path)
        locked = _locked(opened)
        if locked is False:
            raise _refused(
                path, f"another process is writing there ({owner})", "wait until it ends"
            )
        if not _is_current(opened, path):
            return
        _require_ended(path, owner, locked=locked is True)
        if remove:
            path.unlink()
    finally:
        os.close(opened)


def _owner(content: bytes, path: Path) -> LockOwner:
    try:
        return LockOwner.model_validate_json(content)
    except ValidationError:
        what = "it is being written" if not content else "it is another file"
        fix = "try again, or remove it if no audit is running there" if not content else "remove it"
        raise _refused(path, what, fix) from None


def _require_ended(path: Path, owner: LockOwner, *, locked: bool) -> None:
    """Raises `OutputExistsError` unless the owner of a lock has certainly ended."""
    here = _this_process(locked=locked)
    unknown = _refused(
        path,
        f"it belongs to {owner}, which can't be checked from here",
        "remove the file if that audit is not running any more",
    )
    if owner.host != here.host:
        raise unknown
    if owner.boot != here.boot and owner.boot and here.boot:
        return  # the computer was started again
    if owner.locked and locked:
        return  # the system has released the lock: the process has ended
    if owner.processes != here.processes or not here.started:
        raise unknown
    if _start_of(owner.pid) == owner.started:
        raise _refused(path, f"another process is writing there ({owner})", "wait until it ends")


def _refused(path: Path, found: str, fix: str) -> OutputExistsError:
    return OutputExistsError(
        f"{path}: expected no audit that is still running; {found}: {fix}, or choose another "
        "folder with --out"
    )


def _locked(opened: int) -> bool | None:
    """Locks an open file for the operating system; None where the file system has no locks."""
    if _LOCK is None:
        return None
    try:
        _LOCK(opened, _EXCLUSIVE)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _is_current(opened: int, path: Path) -> bool:
    """Whether an open file is still the one at its path."""
    try:
        return os.path.samestat(os.fstat(opened), path.lstat())
    except FileNotFoundError:
        return False


def _this_process(*, locked: bool) -> LockOwner:
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):  # no such user, as in a container
        user = f"user {os.getuid()}" if hasattr(os, "getuid") else "unknown user"
    boot = processes = ""
    with suppress(OSError):  # other systems than Linux
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        processes = str(Path("/proc/self/ns/pid").readlink())
    return LockOwner(
        user=user,
        host=platform.node(),
        boot=boot,
        processes=processes,
        pid=os.getpid(),
        started=_start_of(os.getpid()),
        since=datetime.now(UTC),
        locked=locked,
    )


def _start_of(pid: int) -> str:
    """When a process started, in clock ticks since the computer did; empty if there is none, or unknown."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[19]  # the name before it may contain spaces


def _forget() -> None:
    """Leaves the locks to the parent process; a worker that outlives it must not hold them."""
    for opened in _held.values():
        os.close(opened)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
