"""Wall and CPU time of this process and its workers."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Spent:
    """Wall and CPU time in seconds."""

    wall: float = 0.0
    cpu: float = 0.0

    def times(self, factor: float) -> Spent:
        """Of so many times as many images."""
        return Spent(self.wall * factor, self.cpu * factor)


@contextmanager
def timed(spent: Spent) -> Iterator[None]:
    """Adds the time inside the ``with``, with that of worker processes that have ended."""
    wall, cpu = time.perf_counter(), _cpu()
    yield
    spent.wall += time.perf_counter() - wall
    spent.cpu += _cpu() - cpu


def _cpu() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)
