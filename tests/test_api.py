from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import auditor
from auditor.errors import DataError


def test_audit_writes_the_run_and_leaves_the_model_unchanged(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3),
        torch.nn.ReLU(inplace=True),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(4, 2),
    )
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = np.random.default_rng(0)
    images = [
        (random.integers(0, 255, (16, 16, 3), np.uint8), ["cat", "dog"][k % 2]) for k in range(80)
    ]
    result = auditor.audit(
        model,
        images,
        classes=["cat", "dog"],
        attributes=pd.DataFrame({"site": ["a", "b", "a", "a"] * 20}),
        out=tmp_path / "run",
        name="from Python",
    )
    assert result.summary.n_evaluated == 80
    assert (tmp_path / "run" / "report.html").is_file()
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(not part._forward_hooks and not part._backward_hooks for part in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("name", ["label", "loss", "phash", "image.hue", "p:cat"])
def test_audit_with_an_attribute_named_like_a_column_raises(tmp_path: Path, name: str) -> None:
    images = [(np.zeros((8, 8, 3), np.uint8), "cat")] * 2
    with pytest.raises(DataError, match=f"attributes: attribute '{name}': the audit writes"):
        auditor.audit(
            torch.nn.Flatten(),
            images,
            classes=["cat", "dog"],
            attributes=pd.DataFrame({name: ["a", "b"]}),
            out=tmp_path / "run",
        )
    assert not (tmp_path / "run").exists()
