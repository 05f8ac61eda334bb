"""Locks on folders that an audit is writing, so that a second audit does not remove or mix its files.

The operating system releases a lock when its process ends, however it ends. Where it has no such locks
(Windows, some network folders), every folder counts as free.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    _LOCK = None
else:
    _LOCK = fcntl.flock
    _EXCLUSIVE, _SHARED = fcntl.LOCK_EX | fcntl.LOCK_NB, fcntl.LOCK_SH | fcntl.LOCK_NB

_held: dict[Path, int] = {}
"""Open folders by their path; closing one releases its lock."""


def lock(folder: Path) -> None:
    """Locks an existing folder until `unlock`, or until the process ends."""
    unlock(folder)
    with suppress(OSError):  # no locks on this file system
        if _LOCK is not None:
            _held[folder] = os.open(folder, os.O_RDONLY)
            _LOCK(_held[folder], _EXCLUSIVE)


def unlock(folder: Path) -> None:
    """Releases the lock of a folder, if this process holds it."""
    if folder in _held:
        os.close(_held.pop(folder))


def is_locked(folder: Path) -> bool:
    """Whether another process has locked an existing folder."""
    if _LOCK is None or folder in _held:
        return False
    opened = os.open(folder, os.O_RDONLY)
    try:
        _LOCK(opened, _SHARED)
    except BlockingIOError:
        return True
    except OSError:  # no locks on this file system
        return False
    finally:
        os.close(opened)
    return False
