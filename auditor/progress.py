"""Progress display: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import IO, Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress
from rich.text import Text

Advance = Callable[[int], None]
"""Reports a number of additional items as done."""


class Progress(Protocol):
    """Displays the progress of one stage after another."""

    def stage(self, name: str, total: int) -> AbstractContextManager[Advance]:
        """Context manager for one stage; yields the function that reports items as done.

        Args:
            name: name of the stage, such as ``predict``.
            total: number of items.
        """
        ...

    def message(self, text: str) -> None:
        """Displays one line of text between stages."""
        ...


class Silent:
    """Displays nothing."""

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Advance]:
        """See ``Progress``."""
        del name, total
        yield lambda _items: None

    def message(self, text: str) -> None:
        """See ``Progress``."""


class Lines:
    """Writes a plain line every few seconds and at the end of each stage."""

    def __init__(self, stream: IO[str] | None = None, every: float = 10.0) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._every = every

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Advance]:
        """See ``Progress``."""
        start = shown = time.monotonic()
        done = 0

        def line(now: float) -> str:
            rate = done / (now - start) if now > start else 0.0
            left = f", {(total - done) / rate:.0f} s left" if rate and done < total else ""
            return f"{name}: {done}/{total} ({rate:.1f}/s{left})"

        def advance(items: int) -> None:
            nonlocal done, shown
            done += items
            now = time.monotonic()
            if now - shown >= self._every and done < total:
                shown = now
                print(line(now), file=self._stream, flush=True)

        yield advance
        print(line(time.monotonic()), file=self._stream, flush=True)

    def message(self, text: str) -> None:
        """See ``Progress``."""
        print(text, file=self._stream, flush=True)


class _Rate(ProgressColumn):
    """Items per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.0f}/s" if speed else "", style="progress.data.speed")


class Bars:
    """Draws a bar with rate and remaining time for each stage."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Advance]:
        """See ``Progress``."""
        columns = (
            TextColumn("{task.description:<12}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(elapsed_when_finished=True),
        )
        with RichProgress(*columns, console=self._console) as bar:
            task = bar.add_task(name, total=total)
            yield lambda items: bar.advance(task, items)

    def message(self, text: str) -> None:
        """See ``Progress``."""
        self._console.print(text, markup=False, soft_wrap=True)


def display_for(console: Console, *, quiet: bool = False) -> Progress:
    """Chooses the progress display for a console.

    Args:
        console: bars if it is a terminal, else lines.
        quiet: display nothing.
    """
    if quiet:
        return Silent()
    return Bars(console) if console.is_terminal else Lines(console.file)
