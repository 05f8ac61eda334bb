"""Interrupts (Ctrl-C, and SIGTERM of a scheduler) that nothing swallows.

Python raises ``KeyboardInterrupt`` once, wherever it happens to be. Where that is a finaliser, a fork or
a callback from C, the exception is printed and lost; where worker processes die of the same Ctrl-C, their
death may be noticed first. So the signal is remembered as well.
"""

from __future__ import annotations

import os
import signal
from functools import partial
from types import FrameType

_received: list[int] = []


def remember() -> None:
    """Remembers interrupts from now on; does nothing where the process ignores them."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, partial(_terminate, os.getpid()))


def received() -> bool:
    """Whether an interrupt has arrived."""
    return bool(_received)


def raise_again() -> None:
    """Raises ``KeyboardInterrupt`` if one has arrived that was swallowed."""
    if _received:
        raise KeyboardInterrupt


def _interrupt(number: int, _frame: FrameType | None) -> None:
    _received.append(number)
    raise KeyboardInterrupt


def _terminate(process: int, number: int, frame: FrameType | None) -> None:
    if os.getpid() == process:
        _interrupt(number, frame)
    # A forked worker inherits this handler, but is to end at once.
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
