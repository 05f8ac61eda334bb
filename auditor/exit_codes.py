"""The boundary around every command: what it raises becomes one message and an exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import typer

from auditor import interrupts
from auditor.console import PlainConsole, line, silence_output
from auditor.errors import AuditAbortedError, AuditorError, UsageError
from auditor.file_system import refusal

PASSED, BLOCKED, USAGE_ERROR, ABORTED, INTERRUPTED = 0, 1, 2, 3, 130

out = PlainConsole()
err = PlainConsole(stderr=True)


@contextmanager
def exit_codes() -> Iterator[None]:
    """Converts what is raised inside into one message and an exit code, without a traceback."""
    try:
        yield
        interrupts.raise_again()
    except (typer.Exit, typer.Abort) as left:  # exceptions too
        raise (typer.Exit(INTERRUPTED) if interrupts.received() else left) from None
    except BaseException as error:  # noqa: BLE001 - also `sys.exit` of a plug-in: 1 has another meaning
        raise typer.Exit(code_of(error)) from None


def code_of(error: BaseException) -> int:
    """Prints an exception as one message, and returns the exit code.

    What nobody expected keeps its traceback in a file.
    """
    if isinstance(error, KeyboardInterrupt) or interrupts.received():
        cause = error if isinstance(error, KeyboardInterrupt | AuditAbortedError) else None
        _print("interrupted", str(cause or ""))
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):  # the reader has closed the pipe
        silence_output()
        return PASSED
    refused = refusal(error) if isinstance(error, OSError) else None
    known = refused or error
    if isinstance(known, AuditorError):
        _print("aborted" if isinstance(known, AuditAbortedError) else "error", str(known))
        return USAGE_ERROR if isinstance(known, UsageError) else ABORTED
    from auditor.traceback_file import keep_traceback, one_line  # imports pandas

    text = f"{type(error).__name__}: {one_line(error)}"
    _print("unexpected error", f"{text}; {keep_traceback()}")
    return ABORTED


def _print(label: str, text: str) -> None:
    style = "" if label == "interrupted" else "bold red"
    with suppress(OSError):  # the standard error output is closed or full
        err.print(
            line((f"{label}:" if text else label, style), f" {text}" if text else ""),
            soft_wrap=True,
        )
