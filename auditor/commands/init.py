"""``auditor init``: a commented configuration to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from auditor.command_options import DataOption, ModelOption, WeightsOption
from auditor.console import line
from auditor.exit_codes import exit_codes
from auditor.exit_codes import out as out_console


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for the file.")] = Path(),
    model: ModelOption = None,
    weights: WeightsOption = None,
    data: DataOption = None,
) -> None:
    """Write a commented configuration to start from.

    With --model and --data it describes what they name: adapters, order of the classes, and columns that
    look like attributes, boxes, masks or groups.
    """
    with exit_codes():
        from auditor.config import write_starter
        from auditor.configuring.recognised import recognise_parts
        from auditor.configuring.text import write_recognised

        if model is None and weights is None and data is None:
            path, notes = write_starter(folder), []
        else:
            parts = recognise_parts(model, weights, data)
            path, notes = write_recognised(parts, folder), list(parts.to_check)
        for text in (*notes, str(path), f"edit it, then run: auditor check {path}"):
            out_console.print(line(text), soft_wrap=True)
