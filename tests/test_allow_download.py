"""The option --allow-download, and what is said without it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import yaml
from builders.adapter_audits import image_folder
from typer.testing import CliRunner

from auditor.cli import app
from auditor.command_options import changes_of
from auditor.config import AuditConfig


def configuration(tmp_path: Path, model: dict[str, str]) -> Path:
    data = {"adapter": "folder", "path": str(image_folder(tmp_path))}
    path = tmp_path / "audit.yaml"
    path.write_text(yaml.safe_dump({"name": "x", "model": model, "data": data, "preprocess": {}}))
    return path


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize(
    "model",
    [
        {"adapter": "huggingface", "name": "owner/none"},
        {"adapter": "timm", "architecture": "hf-hub:owner/none"},
        {"adapter": "torchvision", "architecture": "squeezenet1_1", "weights": "DEFAULT"},
    ],
    ids=["huggingface", "timm", "torchvision"],
)
def test_model_that_is_not_on_disk_is_refused_without_any_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, model: dict[str, str]
) -> None:
    import torch
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))
    monkeypatch.setattr(socket, "socket", None)  # any connection would raise another error
    found = CliRunner().invoke(app, [command, str(configuration(tmp_path, model))])
    assert found.exit_code == 2
    assert "nothing is downloaded unless you allow it" in found.stderr
    assert "--allow-download" in found.stderr


def test_option_is_a_change_of_the_configuration(tmp_path: Path) -> None:
    assert changes_of(["seed=3"], allow_download=True, device="cpu") == [
        "seed=3",
        "model.allow_download=true",
        "device=cpu",
    ]
    assert changes_of(None, allow_download=False) == []
    path = configuration(tmp_path, {"adapter": "python", "factory": "mine:net"})
    config = AuditConfig.load(path, changes_of(None, allow_download=True))
    assert config.model.allow_download  # also with an adapter that downloads nothing
    path = configuration(tmp_path, {"adapter": "huggingface", "name": "a/b"})
    options = AuditConfig.load(path, changes_of(None, allow_download=True)).model.options
    assert options.model_dump()["allow_download"] is True
