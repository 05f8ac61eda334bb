"""Executes the notebooks of the tutorial and stores their outputs: ``python docs/tutorial/execute.py``.

The cells of the notebooks are the source; this command replaces their outputs. It stores the hash of the
cells beside the outputs, so that a test can tell whether the outputs belong to the cells.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from PIL import Image

FOLDER = Path(__file__).parent
NOTEBOOKS = tuple(sorted(FOLDER.glob("*.ipynb")))
HASH = "executed_source_sha256"
"""Key of the notebook's metadata."""
_QUALITY = 82
"""Of the stored figures, 1 to 95."""


def read(path: Path) -> Any:
    """The notebook, in format 4."""
    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]


def source_hash(notebook: Any) -> str:
    """SHA-256 of all code cells in their order."""
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256("\0".join(cells).encode()).hexdigest()


def execute(notebook: Any, timeout: int = 600) -> Any:
    """Runs all cells from top to bottom in a new kernel and returns the notebook with the outputs.

    Args:
        notebook: left unchanged.
        timeout: seconds for each cell.

    Raises:
        CellExecutionError: a cell raised an error.
    """
    executed = nbformat.from_dict(notebook)  # type: ignore[no-untyped-call]
    # Messages of the debugger and progress displays are no part of the tutorial.
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    NotebookClient(executed, timeout=timeout, kernel_name="python3").execute()
    for cell in executed.cells:
        cell.metadata.pop("execution", None)  # the times
    executed.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        HASH: source_hash(executed),
    }
    return executed


def with_small_figures(notebook: Any) -> Any:
    """The notebook, whose figures are stored as JPEG: maps of gradients hardly shrink as PNG."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            png = output.get("data", {}).pop("image/png", None)
            if png is not None:
                stream = io.BytesIO()
                with Image.open(io.BytesIO(base64.b64decode(png))) as figure:
                    figure.convert("RGB").save(stream, "JPEG", quality=_QUALITY, subsampling=0)
                output.data["image/jpeg"] = base64.b64encode(stream.getvalue()).decode()
    return notebook


def main(names: list[str]) -> None:
    """Executes the named notebooks, or all."""
    for path in NOTEBOOKS:
        if not names or path.stem in names:
            started = time.monotonic()
            executed = with_small_figures(execute(read(path)))
            nbformat.write(executed, path)  # type: ignore[no-untyped-call]
            size = path.stat().st_size / 1e6
            print(f"{path.name}: {time.monotonic() - started:.0f} s, {size:.2f} MB")  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
