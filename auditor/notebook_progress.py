"""Progress of an audit from Python: one line that is updated in a notebook, bars on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console

from auditor.console import printable
from auditor.errors import ConfigError
from auditor.progress import Advance, Progress, Silent, StageState, display_for

_EVERY = 0.3
"""Seconds between two updates: each is a message to the browser."""


class DisplayHandle(Protocol):
    """An output of a notebook cell that can be replaced."""

    def update(self, shown: Any) -> None:
        """Replaces what is shown."""
        ...


def display_in_python(progress: bool | None) -> Progress:
    """Chooses the display for an audit from Python.

    Args:
        progress: whether to show it; None: in notebooks and on terminals, but not in scripts whose
            output is written to a file.

    Raises:
        ConfigError: it is neither True, False nor None.
    """
    if progress is not None and not isinstance(progress, bool):
        raise ConfigError(f"progress: expected True, False or None; got {progress!r}")
    if progress is False:
        return Silent()
    if in_notebook():
        return NotebookLine()
    console = Console(stderr=True)
    return display_for(console, quiet=progress is None and not console.is_terminal)


def in_notebook() -> bool:
    """Whether this is the kernel of a notebook. IPython is not imported for the answer."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and hasattr(shell, "kernel")


class NotebookLine:
    """One line below the cell: the current stage. Messages stay above it.

    It needs no widgets, so a saved notebook shows the last state.
    """

    def __init__(self) -> None:
        self._handle: DisplayHandle | None = None
        self._stage: StageState | None = None
        self._messages: list[str] = []
        self._shown = 0.0

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Advance]:
        """See ``Progress``."""
        stage = self._stage = StageState(name, total, time.monotonic())
        self._show()

        def advance(items: int) -> None:
            stage.done += items
            self._show_if_due()

        yield advance
        self._show()
        self._stage = None

    def doing(self, item: str) -> None:
        """See ``Progress``."""
        if self._stage is not None:
            self._stage.item = item
            self._show_if_due()

    def message(self, text: str) -> None:
        """See ``Progress``."""
        self._messages.append(text)
        self._show()

    def _show_if_due(self) -> None:
        if time.monotonic() - self._shown >= _EVERY:
            self._show()

    def _show(self) -> None:
        from IPython import display

        self._shown = time.monotonic()
        now = [] if self._stage is None else [self._stage.line(self._shown)]
        text = PlainText("\n".join(map(printable, [*self._messages, *now])))
        if self._handle is None:
            self._handle = display.display(text, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(text)


class PlainText:
    """A text that a notebook shows as it is."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text
