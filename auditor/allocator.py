"""Memory that is used again and again is kept, instead of handed back and mapped anew.

glibc gives large blocks back to the system as they are freed; every activation of a network is then
mapped, zeroed and unmapped by the system, which takes a fifth to a third of the time of explaining.
"""

from __future__ import annotations

import ctypes
import platform

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Names of the settings in glibc's ``malloc.h``."""


def keep_freed_memory() -> bool:
    """Has this process keep freed memory until it ends; its peak stays, what it frees does not go.

    For a process of one's own, such as a command: never called on import, and a library's host
    process is left as it is.

    Returns:
        Whether it took effect; False without glibc.

    Reference:
        mallopt(3), M_MMAP_MAX and M_TRIM_THRESHOLD.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL("libc.so.6")
    return bool(libc.mallopt(_MMAP_MAX, 0)) and bool(libc.mallopt(_TRIM_THRESHOLD, 2**31 - 1))
