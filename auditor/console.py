"""Consoles that print text as it is, whatever names and messages contain."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from rich.console import Console
from rich.text import Text

_DIRECTIONS = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Characters that reverse the direction of the text after them: ``exe.png`` is shown for ``gnp.exe``."""
_ESCAPES = {
    **{code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))},
    **{code: f"\\u{code:04x}" for code in (0x2028, 0x2029, *_DIRECTIONS)},
    ord("\n"): "\\n",
}
"""Control characters, which could move the cursor, change colours, or forge lines."""


class PlainConsole(Console):
    """A console without markup, emoji codes and highlighting.

    If the reader of a pipe closes it, nothing more is printed, and the command goes on: its exit code
    stays true.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)

    def on_broken_pipe(self) -> None:
        """Prints nothing from now on."""
        self.quiet = True
        silence_output()


def line(*parts: str | tuple[str, str]) -> Text:
    """One line of text, in which nothing is markup.

    Args:
        parts: texts, or pairs of text and style.
    """
    pairs = ((part, "") if isinstance(part, str) else part for part in parts)
    return Text.assemble(*((printable(text), style) for text, style in pairs))


def printable(text: str) -> str:
    """A text in one line, with visible escapes for control characters and for bytes that are no UTF-8.

    Names of files, classes and attributes may come from strangers.
    """
    return text.encode("utf-8", "backslashreplace").decode().translate(_ESCAPES)


def silence_output() -> None:
    """Redirects the standard output to nowhere, so that flushing it at the end can't fail."""
    with suppress(OSError, ValueError):  # closed, or no file
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def accept_all_text() -> None:
    """Lets both streams write characters that their encoding lacks as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
