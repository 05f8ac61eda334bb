"""``auditor sign``: a detached signature of a finished run."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from auditor.command_options import RunArgument
from auditor.console import line
from auditor.exit_codes import exit_codes
from auditor.exit_codes import out as out_console

PASSWORD_VARIABLE = "AUDITOR_KEY_PASSWORD"  # noqa: S105 - a name, not a password
"""Environment variable with the password of an encrypted key."""


def sign(
    folder: RunArgument,
    key: Annotated[
        Path,
        typer.Option(
            help="Ed25519 private key (PEM), as `openssl genpkey -algorithm ed25519` makes; the password of "
            f"an encrypted one is asked for, or taken from the environment variable {PASSWORD_VARIABLE}."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="File for the signature, outside of the run; default: RUN.sig."),
    ] = None,
) -> None:
    """Sign the seal of a finished run; the run itself is not changed."""
    with exit_codes():
        from auditor.run_folder import RunFolder
        from auditor.signature import read_private_key, sign_seal, write_signature
        from auditor.verification import require_intact

        run = RunFolder.open(folder).path
        place = _place(run, out)
        private = read_private_key(key, lambda: _password(key))
        seal = require_intact(run)
        write_signature(sign_seal(seal, private), place)
        out_console.print(line(f"signed the seal {seal}"), soft_wrap=True)
        out_console.print(line(str(place)), soft_wrap=True)


def _place(run: Path, out: Path | None) -> Path:
    from auditor.errors import ConfigError
    from auditor.file_system import real_path

    place = run.with_name(f"{run.name}.sig") if out is None else real_path(out)
    if place.is_relative_to(run):
        raise ConfigError(
            f"--out: expected a file outside of the run, which a signature must not change; got {place}"
        )
    return place


def _password(key: Path) -> bytes:
    from auditor.errors import ConfigError

    given = os.environ.get(PASSWORD_VARIABLE)
    if given is None:
        if not sys.stdin.isatty():
            raise ConfigError(
                f"{key}: the key is encrypted: set {PASSWORD_VARIABLE}, or run the command in a terminal"
            )
        given = str(typer.prompt(f"Password of {line(str(key)).plain}", hide_input=True, err=True))
    return given.encode()
