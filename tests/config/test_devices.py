from __future__ import annotations

from pathlib import Path

import pytest
import torch
from builders.configurations import write_config

from auditor.config import AuditConfig
from auditor.errors import ConfigError, ModelError
from auditor.preparation import choose_device


@pytest.mark.parametrize("name", ["auto", "cpu", "cuda", "cuda:1", "cuda:15", "mps"])
def test_device_is_accepted(tmp_path: Path, name: str) -> None:
    config = AuditConfig.load(write_config(tmp_path, {"device": name}))
    assert config.device == name


@pytest.mark.parametrize(
    "name", ["gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0", "cuda:1 ", "cuda:٣"]
)
def test_other_device_is_refused_with_the_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"device: expected auto, cpu, cuda, .* such as cuda:1"):
        AuditConfig.load(write_config(tmp_path, {"device": name}))


@pytest.mark.parametrize(("name", "available"), [("cuda:1", True), ("cuda:2", False)])
def test_number_of_a_gpu_must_be_there(
    monkeypatch: pytest.MonkeyPatch, name: str, available: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    if available:
        assert choose_device(name) == torch.device("cuda", 1)
    else:
        with pytest.raises(ModelError, match="cuda:0, cuda:1 on this machine; got 'cuda:2'"):
            choose_device(name)
