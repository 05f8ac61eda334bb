"""``auditor verify``: whether a run was altered, and who signed it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.command_options import RunArgument
from auditor.exit_codes import BLOCKED, PASSED, exit_codes
from auditor.exit_codes import out as out_console

if TYPE_CHECKING:
    from auditor.verification import GivenSignature


def verify(
    folder: RunArgument,
    seal: Annotated[
        str | None,
        typer.Option(
            help="The seal that was noted when the audit ended, or the documents were written."
        ),
    ] = None,
    signature: Annotated[
        Path | None,
        typer.Option(help="File that `auditor sign` wrote; with --public-key."),
    ] = None,
    public_key: Annotated[
        Path | None,
        typer.Option(help="Ed25519 public key (PEM) of the person who signed; with --signature."),
    ] = None,
) -> None:
    """Check whether a run was altered; exit code 0: intact, 1: altered, 2: not a finished run."""
    with exit_codes():
        from auditor import terminal, verification

        given = _given(signature, public_key)
        found = verification.verify(folder, seal, given)
        noted = seal is not None or given is not None
        terminal.print_verification(out_console, found, seal_given=noted)
        raise typer.Exit(PASSED if found.ok else BLOCKED)


def _given(signature: Path | None, public_key: Path | None) -> GivenSignature | None:
    from auditor.errors import ConfigError
    from auditor.signature import read_public_key, read_signature
    from auditor.verification import GivenSignature

    if signature is None and public_key is None:
        return None
    if signature is None or public_key is None:
        raise ConfigError("expected --signature and --public-key together; got one of them")
    key = read_public_key(public_key)
    return GivenSignature(read_signature(signature), key, public_key)
