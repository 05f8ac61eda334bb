"""``auditor merge``: joins the shards of an audit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from auditor.console import line
from auditor.exit_codes import err, exit_codes
from auditor.exit_codes import out as out_console


def merge(
    shards: Annotated[
        list[Path], typer.Argument(metavar="SHARD...", help="Folders of all shards of one stage.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for the run; default: that of the shards' names."),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Merge beside a finished run, which `auditor run --resume --overwrite` then replaces.",
        ),
    ] = False,
) -> None:
    """Join the shards of an audit; needs neither the model nor the data.

    They are joined in the unfinished folder of the run, which `auditor run --resume` completes. The shards
    are left as they are.
    """
    with exit_codes():
        from auditor.engines.merge import merge as merge_shards
        from auditor.phrasing import plural

        merged = merge_shards(shards, out, overwrite=overwrite)
        for warning in merged.warnings:
            err.print(line(warning), soft_wrap=True)
        found = f"{plural(merged.n_blocks, 'block')} of {plural(merged.n_shards, 'shard')}"
        command = "auditor run --resume" + (" --overwrite" if merged.replaces else "")
        text = f"{merged.folder}: {found}; continue with `{command}`"
        out_console.print(line(text), soft_wrap=True)
