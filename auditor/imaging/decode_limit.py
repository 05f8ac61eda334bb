"""How long one image may take to decode.

A small file can keep a decoder busy for hours: a progressive JPEG with thousands of scans, a GIF with
millions of comments, an image in a format whose decoder is written in Python. Two limits end that. Both count
processor time, so that a slow disk or a busy machine changes no result:

- `LimitedStream` raises when the decoder asks for more bytes. It works everywhere, but not while a decoder in
  C computes without reading.
- `ended_when_too_slow` ends a worker process, whatever it computes. The parent process then knows the image.
"""

from __future__ import annotations

import io
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from auditor.errors import UnreadableImageError

SECONDS = 30.0
"""Processor time in which an image has to be decoded; the largest photographs take a few seconds."""
TOO_SLOW = "too-slow"
"""The ``status`` of an image that takes longer."""
_END_AFTER = 2 * SECONDS
"""Then a worker process ends: later than the stream raises, which costs no process."""


class LimitedStream(io.BytesIO):
    """The bytes of an image, which can be read for a limited time only."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._end = time.thread_time() + SECONDS

    def read(self, size: int | None = -1, /) -> bytes:
        """Reads on, as `io.BytesIO.read`.

        Raises:
            UnreadableImageError: the time is over.
        """
        if time.thread_time() > self._end:
            raise UnreadableImageError(
                TOO_SLOW, f"decoding takes more than {SECONDS:g} s of processor time"
            )
        return super().read(size)


@contextmanager
def ended_when_too_slow() -> Iterator[None]:
    """Ends this process if what is inside takes too long; only for worker processes."""
    if not hasattr(signal, "SIGPROF"):  # Windows has none
        yield
        return
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, _END_AFTER)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def was_too_slow(exit_code: int | None) -> bool:
    """Whether a worker process was ended by `ended_when_too_slow`."""
    return hasattr(signal, "SIGPROF") and exit_code == -signal.SIGPROF
