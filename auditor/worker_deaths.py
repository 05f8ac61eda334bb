"""Worker processes that die, usually because the system ran out of memory and killed them."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


def is_death_of_worker(error: RuntimeError) -> bool:
    """Whether torch raised an error because one of the processes that load data ended."""
    return str(error).startswith("DataLoader worker (pid")


@contextmanager
def deaths_are_noticed_when_waiting() -> Iterator[None]:
    """Lets the death of a worker be raised where its data is waited for, and nowhere else.

    A handler of torch raises the error wherever the program happens to be, such as in the forward pass of
    the network, which is then blamed for it.
    """
    in_main = threading.current_thread() is threading.main_thread()
    number = getattr(signal, "SIGCHLD", None)  # Windows has none
    handler = None if number is None or not in_main else signal.getsignal(number)
    if number is None or handler is None:
        yield
        return
    signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(number, handler)
