"""Progress display: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
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

from auditor.console import line, printable

Advance = Callable[[int], None]
"""Reports a number of additional items as done."""


def ignore(_items: int) -> None:
    """Reports nothing: an `Advance` for work that is not displayed."""


class Progress(Protocol):
    """Displays the progress of one stage after another."""

    def stage(self, name: str, total: int) -> AbstractContextManager[Advance]:
        """Context manager for one stage; yields the function that reports items as done.

        Args:
            name: name of the stage, such as ``predict``.
            total: number of items.
        """
        ...

    def doing(self, item: str) -> None:
        """Displays which item of the stage comes next, where the items are unlike each other.

        Nothing can be predicted from the time of the others, so no time left is displayed.
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

    def doing(self, item: str) -> None:
        """See ``Progress``."""

    def message(self, text: str) -> None:
        """See ``Progress``."""


@dataclass
class StageState:
    """What a stage has done."""

    name: str
    total: int
    start: float
    done: int = 0
    item: str = ""

    def line(self, now: float) -> str:
        """The state in words."""
        counted = f"{self.name}: {self.done}/{self.total}"
        if self.item:
            return counted if self.done >= self.total else f"{counted}, next {self.item}"
        rate = self.done / (now - self.start) if now > self.start else 0.0
        left = (self.total - self.done) / rate if rate else 0.0
        return f"{counted} ({rate:.1f}/s{f', {time_left(left)}' if left > 0 else ''})"


class Lines:
    """Writes a plain line every few seconds and at the end of each stage."""

    def __init__(self, stream: IO[str] | None = None, every: float = 10.0) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._every = every
        self._shown = 0.0
        self._stage: StageState | None = None

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Advance]:
        """See ``Progress``."""
        self._shown = time.monotonic()
        stage = self._stage = StageState(name, total, self._shown)

        def advance(items: int) -> None:
            stage.done += items
            if not stage.item and stage.done < total:
                self._print_if_due(self._every)

        yield advance
        self._stage = None
        self.message(stage.line(time.monotonic()))

    def doing(self, item: str) -> None:
        """See ``Progress``."""
        if self._stage is not None:
            self._stage.item = item
            self._print_if_due(self._every / 5)  # the item may take very long

    def message(self, text: str) -> None:
        """See ``Progress``."""
        print(printable(text), file=self._stream, flush=True)

    def _print_if_due(self, every: float) -> None:
        now = time.monotonic()
        if self._stage is not None and now - self._shown >= every:
            self._shown = now
            self.message(self._stage.line(now))


def time_left(seconds: float) -> str:
    """An estimate in two units at most, such as ``5 h 30 min left``."""
    if seconds < 99.5:
        return f"{max(seconds, 1):.0f} s left"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min left"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min left"
    days, hours = divmod(hours, 24)
    return f"{days} days {hours} h left"


class _Rate(ProgressColumn):
    """Items per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.0f}/s" if speed else "", style="progress.data.speed")


class Bars:
    """Draws a bar with rate and remaining time for each stage."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._describe: Callable[[str], None] | None = None

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Advance]:
        """See ``Progress``."""
        columns = (
            TextColumn("{task.description:<12}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(elapsed_when_finished=True),
        )
        with RichProgress(*columns, console=self._console) as bar:
            task = bar.add_task(name, total=total)
            self._describe = lambda item: bar.update(
                task, description=f"{name} {printable(item)}", refresh=True
            )
            yield lambda items: bar.advance(task, items)
            bar.update(task, description=name)
            self._describe = None

    def doing(self, item: str) -> None:
        """See ``Progress``."""
        if self._describe is not None:
            self._describe(item)

    def message(self, text: str) -> None:
        """See ``Progress``."""
        self._console.print(line(text), soft_wrap=True)


def display_for(console: Console, *, quiet: bool = False) -> Progress:
    """Chooses the progress display for a console.

    Args:
        console: bars if it is a terminal, else lines.
        quiet: display nothing.
    """
    if quiet:
        return Silent()
    return Bars(console) if console.is_terminal else Lines(console.file)
