"""What several commands print."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.exit_codes import err as err_console
from auditor.exit_codes import out as out_console

if TYPE_CHECKING:
    from pathlib import Path

    from auditor.progress import Progress
    from auditor.records import AuditResult
    from auditor.run_folder import RunFolder


def print_finished(folder: RunFolder) -> AuditResult:
    """Prints the result of a finished run, and returns it."""
    from auditor import terminal
    from auditor.manifest import read_manifest

    result = folder.read_result()
    terminal.print_result(out_console, result, folder.path, read_manifest(folder.path).full_seal)
    return result


def print_seal(folder: Path) -> None:
    """Prints the seal of a run whose documents were written again."""
    from auditor import terminal
    from auditor.manifest import read_manifest

    terminal.print_lines(out_console, [f"seal: {read_manifest(folder).full_seal}"])


def progress_display(quiet: bool) -> Progress:
    """The progress display of the command line."""
    from auditor.progress import display_for

    return display_for(err_console, quiet=quiet)
