"""Allocator: keeps freed memory in the process, so that it can be reused, until it is returned.

By default, glibc returns large blocks to the system when they are freed. The system then maps, zeroes
and unmaps the memory of every activation of a network, which takes a fifth to a third of the time of
an explanation. Between the steps of an audit, freed memory is returned instead: it is in pieces among
what is still in use, and large blocks of the next step may not fit into any of them.
"""

from __future__ import annotations

import ctypes
import platform

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Parameters of ``mallopt``, from ``malloc.h`` of glibc."""


def keep_freed_memory() -> bool:
    """Makes this process keep freed memory until it ends.

    This affects the whole process, so only the command line and the actors of Ray call it.

    Returns:
        Whether it succeeded; False without glibc.

    Reference:
        mallopt(3), M_MMAP_MAX and M_TRIM_THRESHOLD.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL("libc.so.6")
    return bool(libc.mallopt(_MMAP_MAX, 0)) and bool(libc.mallopt(_TRIM_THRESHOLD, 2**31 - 1))


def return_freed_memory() -> None:
    """Returns freed memory to the system, so that the next step of the audit adds to a lower peak.

    Reference:
        malloc_trim(3).
    """
    import pyarrow as pa

    pa.default_memory_pool().release_unused()
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL("libc.so.6").malloc_trim(0)
