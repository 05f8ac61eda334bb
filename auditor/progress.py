"""How far a long piece of work is: a bar on a terminal, plain lines elsewhere."""

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
"""Says that so many more pieces are done."""


class Progress(Protocol):
    """Shows one stage of work after another."""

    def stage(self, name: str, total: int) -> AbstractContextManager[Advance]:
        """A context manager around the work; gives the function that reports pieces done.

        Args:
            name: what is being done, such as ``predict``.
            total: how many pieces there are.
        """
        ...

    def say(self, message: str) -> None:
        """Shows one line that the user should not miss."""
        ...


class Silent:
    """Shows nothing."""

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Advance]:
        """See ``Progress``."""
        del name, total
        yield lambda _pieces: None

    def say(self, message: str) -> None:
        """See ``Progress``."""


class Lines:
    """Writes a plain line at the start of a stage, every few seconds, and at its end."""

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

        def advance(pieces: int) -> None:
            nonlocal done, shown
            done += pieces
            now = time.monotonic()
            if now - shown >= self._every and done < total:
                shown = now
                print(line(now), file=self._stream, flush=True)

        yield advance
        print(line(time.monotonic()), file=self._stream, flush=True)

    def say(self, message: str) -> None:
        """See ``Progress``."""
        print(message, file=self._stream, flush=True)


class _Rate(ProgressColumn):
    """Pieces a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.0f}/s" if speed else "", style="progress.data.speed")


class Bars:
    """Draws a bar with rate and time left for every stage."""

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
            yield lambda pieces: bar.advance(task, pieces)

    def say(self, message: str) -> None:
        """See ``Progress``."""
        self._console.print(message, markup=False, soft_wrap=True)


def on(console: Console, *, quiet: bool = False) -> Progress:
    """The progress display that suits where the output goes.

    Args:
        console: of the command; its terminal decides between bars and lines.
        quiet: show nothing.
    """
    if quiet:
        return Silent()
    return Bars(console) if console.is_terminal else Lines(console.file)
