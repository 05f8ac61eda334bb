"""Drawing and encoding of images in threads, while the network computes the next maps.

NumPy releases the interpreter lock in its loops, and Pillow's encoder where it writes to a file descriptor.
Processes would have to be sent the maps, which takes about as long as drawing them.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

_THREADS = min(4, os.cpu_count() or 1)
_WAITING = 64
"""Images that wait to be drawn, or are being drawn; more would keep too many maps in memory."""


class DrawingThreads:
    """Draws images in the order in which they are free; the results keep theirs."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, "drawing")
        self._waiting: deque[Future[bytes]] = deque()

    def submit(self, draw: Callable[[], bytes]) -> Future[bytes]:
        """Draws an image as soon as a thread is free; waits where too many are not drawn yet."""
        while len(self._waiting) >= _WAITING:
            self._waiting.popleft().result()
        future = self._pool.submit(draw)
        self._waiting.append(future)
        return future


def drawn(rows: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    """The rows with images instead of promises of them, once all are drawn.

    Raises:
        ValueError: as the functions that draw.
    """
    return [
        {key: one.result() if isinstance(one, Future) else one for key, one in row.items()}
        for row in rows
    ]
