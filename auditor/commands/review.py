"""The command ``auditor review``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.command_options import RunArgument
from auditor.commands.shared import print_seal
from auditor.console import line
from auditor.exit_codes import exit_codes
from auditor.exit_codes import out as out_console

if TYPE_CHECKING:
    from auditor.run_folder import RunFolder


@dataclass(frozen=True)
class _Given:
    """A decision from the command line."""

    finding: str
    choice: str
    reason: str
    reviewer: str
    role: str


def review(  # noqa: PLR0913, PLR0917 - options of a command
    folder: RunArgument,
    finding: Annotated[
        str | None,
        typer.Option(help="Id of one finding to decide on from here, without the browser."),
    ] = None,
    decision: Annotated[
        str | None, typer.Option(help="accept, mitigate or reject; with --finding.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Reason of the decision; with --finding.")] = "",
    reviewer: Annotated[str, typer.Option(help="Name of the person; with --finding.")] = "",
    role: Annotated[str, typer.Option(help="Role of the person; with --finding.")] = "",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free port.")] = 0,
    browser: Annotated[bool, typer.Option(help="Whether to open the browser.")] = True,
) -> None:
    """Decide on each finding: accept, mitigate or reject, with reason, name and date.

    Opens the report with a form in the browser, served on this machine only. The decisions are stored in
    the run folder, bound to its seal, and the documents are written again with them in the sign-off.
    """
    with exit_codes():
        from auditor.errors import ConfigError
        from auditor.file_system import require_writable
        from auditor.manifest import record_rendering
        from auditor.report import documents
        from auditor.run_folder import RunFolder

        if (finding is None) != (decision is None):
            raise ConfigError("expected --finding and --decision together; got one of them")
        store = RunFolder.open(folder)
        require_writable(store.path)
        with record_rendering(store.path):
            formats = documents.configured(store)
            if finding is not None and decision is not None:
                _decide(store, _Given(finding, decision, reason, reviewer, role))
            else:
                _serve(store, port, browser=browser)
            written = documents.write(store, formats)
        for path in written.paths:
            out_console.print(line(str(path)))
        print_seal(store.path)


def _decide(store: RunFolder, given: _Given) -> None:
    from auditor.errors import ConfigError
    from auditor.phrasing import several
    from auditor.review_log import add_decision

    known = [one.id for one in store.read_result().findings]
    if given.finding not in known:
        raise ConfigError(
            f"--finding: expected an id out of {several(known, 20) or 'none: there is no finding'}; "
            f"got {given.finding!r}"
        )
    add_decision(
        store.path,
        given.finding,
        given.choice,
        reason=given.reason,
        reviewer=given.reviewer,
        role=given.role,
    )


def _serve(store: RunFolder, port: int, *, browser: bool) -> None:
    import webbrowser

    from auditor.report.view.report_view import build_view
    from auditor.review.server import ReviewServer

    server = ReviewServer(
        store.path,
        build_view(store),
        lambda made: out_console.print(line(f"{made.finding}: {made.choice} ({made.reviewer})")),
    )
    address = server.open(port)
    out_console.print(line("Review at ", (address, "bold"), " (Ctrl+C ends it)"))
    if browser:
        webbrowser.open(address)
    try:
        server.serve()
    except KeyboardInterrupt:
        out_console.print(line("ended; the decisions so far are stored"))
