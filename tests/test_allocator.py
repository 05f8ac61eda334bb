from __future__ import annotations

import ctypes
import platform
import subprocess
import sys

import pytest

from auditor import allocator

PROGRAM = """
import resource, sys
import numpy as np
from auditor.allocator import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
np.ones(2**24)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(2**24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(mode: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, mode], check=True, capture_output=True, text=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_freed_memory_is_kept_and_reused() -> None:
    assert faults("kept") * 20 < faults("default")


def test_keep_freed_memory_without_glibc_returns_false(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not allocator.keep_freed_memory()


RETURNED = """
import numpy as np
from auditor.allocator import keep_freed_memory, return_freed_memory
def resident():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1])
keep_freed_memory()
return_freed_memory()  # imports what it needs
before = resident()
blocks = [np.ones(2**17) for _ in range(64)]  # 1 MB each
last = np.ones(2**17)  # what comes before it can't be returned by lowering the end of the heap
del blocks
freed = resident()
return_freed_memory()
print(freed - before, resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a function of glibc")
def test_freed_memory_among_used_memory_is_returned() -> None:
    done = subprocess.run(
        [sys.executable, "-c", RETURNED], check=True, capture_output=True, text=True
    )
    freed, returned = map(int, done.stdout.split())
    assert freed * 4096 > 60 * 2**20
    assert returned * 4096 < 4 * 2**20


def test_return_freed_memory_without_glibc_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.delattr(ctypes, "CDLL")
    allocator.return_freed_memory()
