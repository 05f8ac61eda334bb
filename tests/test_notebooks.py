"""The Python interface in a notebook with a real kernel, with workers that are forked and spawned."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
CELLS = (
    """
import numpy as np, pandas as pd, torch
import auditor
from auditor import registry

class Squares:
    '''Defined in the notebook: a spawned process does not know it.'''
    def __len__(self):
        return 80
    def __getitem__(self, k):
        return np.random.default_rng(k).integers(0, 120 + 100 * (k % 2), (16, 16, 3), np.uint8), k % 2

torch.manual_seed(0)
model = torch.nn.Sequential(
    torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1),
    torch.nn.Flatten(), torch.nn.Linear(4, 2),
)
options = dict(
    classes=["dark", "light"], preprocess={}, attributes=pd.DataFrame({"site": ["a", "b"] * 40}),
    checks={name: name == "performance-gap" for name in registry.all_of("check")},
    report={"formats": []}, explain={"trust_samples": 0, "units": 0}, workers=2,
)
""",
    "auditor.audit(model, Squares(), out='forked', **options)",
    "import multiprocessing; multiprocessing.set_start_method('spawn', force=True)",
    "auditor.audit(model, Squares(), out='own', progress=False, **options).predictions.status.value_counts()",
    "images = [Squares()[k] for k in range(80)]",
    "auditor.audit(model, images, out='spawned', **options | {'workers': 1}).save('copy')",
    "found = auditor.explain(model.eval(), Squares()[0][0], preprocess={}, classes=['dark', 'light'])",
    "found",
    "found.show()",
)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> list[list[Any]]:
    """The outputs of each cell."""
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in CELLS])
    folder: Path = tmp_path_factory.mktemp("notebook")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the notebook's client
        client = nbclient.NotebookClient(
            notebook, timeout=120, resources={"metadata": {"path": str(folder)}}
        )
        client.execute()
    return [cell.outputs for cell in notebook.cells]


def text_of(output: Any) -> str:
    return str(output.data["text/plain"])


def test_notebook_shows_the_result_below_one_line_of_progress(outputs: list[list[Any]]) -> None:
    progress, result = outputs[1]
    assert (progress.output_type, result.output_type) == ("display_data", "execute_result")
    assert text_of(progress).splitlines()[-1].startswith("report: ")
    assert "auditor-result" in result.data["text/html"]


def test_notebook_with_spawned_workers_audits_all_samples(outputs: list[list[Any]]) -> None:
    (counted,) = outputs[3]
    assert "ok    80" in text_of(counted)
    progress, copied = outputs[5]
    assert progress.output_type == "display_data"
    assert "copy" in text_of(copied)


def test_notebook_without_progress_shows_only_the_result(outputs: list[list[Any]]) -> None:
    assert len(outputs[3]) == 1


def test_notebook_draws_an_explanation_as_value_and_by_show(outputs: list[list[Any]]) -> None:
    (value,), (shown,) = outputs[7], outputs[8]
    assert set(value.data) == {"image/png", "text/plain"}
    assert "image/png" in shown.data


def test_notebook_writes_nothing_to_the_error_stream(outputs: list[list[Any]]) -> None:
    streams = [one for cell in outputs for one in cell if one.output_type == "stream"]
    assert not streams
