"""How long one image may take to decode.

A small file can keep a decoder busy for hours: a progressive JPEG with thousands of scans, a GIF with
millions of comments, an image in a format whose decoder is written in Python. Limits end that. They count
processor time, so that a slow disk or a busy machine changes no result:

- `LimitedStream` raises when the decoder asks for more bytes. It works everywhere, but not while a decoder in
  C computes without reading.
- `ended_when_too_slow` ends a worker process, whatever it computes. The parent process then knows the image.
- Where there is no such process, `decoder_process` has one for the formats whose decoders do not read on.
"""

from __future__ import annotations

import io
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from auditor.errors import UnreadableImageError

SECONDS = 30.0
"""Processor time in which an image has to be decoded; the largest photographs take a few seconds."""
TOO_SLOW = "too-slow"
"""The ``status`` of an image that takes longer."""
END_AFTER = 2 * SECONDS
"""Then a worker process ends: later than the stream raises, which costs no process."""
WALL_SECONDS = 10 * SECONDS
"""Time by the clock in which `decoder_process` has to answer: waiting takes no processor time."""
_limited = ContextVar("limited", default=False)


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
            raise too_slow()
        return super().read(size)


@contextmanager
def ended_when_too_slow() -> Iterator[None]:
    """Ends this process if what is inside takes too long; only for worker processes."""
    if not hasattr(signal, "SIGPROF"):  # Windows has none
        yield
        return
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, END_AFTER)
    before = _limited.set(True)
    try:
        yield
    finally:
        _limited.reset(before)
        signal.setitimer(signal.ITIMER_PROF, 0)


def is_limited() -> bool:
    """Whether this process ends when what it decodes takes too long."""
    return _limited.get()


def too_slow() -> UnreadableImageError:
    """The error about an image that takes too long."""
    return UnreadableImageError(
        TOO_SLOW, f"decoding takes more than {SECONDS:g} s of processor time"
    )


def was_too_slow(exit_code: int | None) -> bool:
    """Whether a worker process was ended by `ended_when_too_slow`."""
    return hasattr(signal, "SIGPROF") and exit_code == -signal.SIGPROF
