"""Exported programs can run any code, so that nothing but the adapter for programs loads them."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn
from typer.testing import CliRunner

from auditor.classifiers.weight_files import read_weights
from auditor.cli import app
from auditor.errors import ModelError


class _Code:
    """An object that creates a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, (str(self.mark),)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An exported program with code in it, and the folder that this code creates."""
    folder = tmp_path_factory.mktemp("program")
    exported = torch.export.export(nn.Conv2d(3, 2, 3).eval(), (torch.zeros(1, 3, 8, 8),))
    torch.export.save(exported, folder / "good.pt2")
    code = io.BytesIO()
    torch.save({"x": _Code(folder / "owned")}, code)
    path = folder / "program.pt2"
    with zipfile.ZipFile(folder / "good.pt2") as good, zipfile.ZipFile(path, "w") as bad:
        for name in good.namelist():
            bad.writestr(name, code.getvalue() if name.endswith(".pt") else good.read(name))
    return path, folder / "owned"


def test_program_as_weights_is_refused_and_not_run(program: tuple[Path, Path]) -> None:
    path, owned = program
    with pytest.raises(ModelError):
        read_weights(path)
    assert not owned.exists()


def test_program_under_another_name_is_refused_as_weights(
    program: tuple[Path, Path], tmp_path: Path
) -> None:
    path, owned = program
    (tmp_path / "weights.safetensors").write_bytes(path.read_bytes())
    with pytest.raises(ModelError):
        read_weights(tmp_path / "weights.safetensors")
    assert not owned.exists()


@pytest.mark.parametrize("name", ["program.pt2", "weights.pt"])
def test_run_refuses_a_program_whose_adapter_is_not_named(
    name: str, program: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for label in ("cat", "dog"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "photos" / label / "a.png")
    if name == "program.pt2":
        path, owned = program
    else:  # TorchScript, whatever the suffix
        path, owned = tmp_path / name, tmp_path / "owned"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("m/constants.pkl", b"")
    done = CliRunner().invoke(app, ["run", "--model", str(path), "--data", "photos"])
    assert done.exit_code == 2
    assert "which can run any code when it is loaded" in done.output
    assert "--set model.adapter=exported" in done.output
    assert not owned.exists()
    named = ["run", "--model", str(path), "--data", "photos", "--set", "model.adapter=exported"]
    done = CliRunner().invoke(app, named)  # goes on to the next missing statement
    assert "preprocess: expected how images become the model's input" in done.output


def test_init_recognises_a_program_without_running_it(
    program: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, owned = program
    monkeypatch.chdir(tmp_path)
    CliRunner().invoke(app, ["init", str(path)])
    assert not owned.exists()
