"""The published accuracy: odd values are refused, and a dry run compares what its images can support."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from builders.coded_images import write_audit
from torch import nn

import auditor
from auditor.config import AuditConfig
from auditor.dry_run import dry_run
from auditor.errors import ConfigError, DataError


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        ({"accuracy": 91.8}, r"up to 1, such as 0\.918 for 91\.8 %; got 91\.8"),
        ({"accuracy": 0}, "above 0 and up to 1; got 0"),
        ({"accuracy": -0.5}, "above 0"),
        ({"accuracy": 300}, r"up to 1; got 300$"),
        ({"accuracy": "high"}, "number"),
        ({"accuracy": float("nan")}, "finite number; got nan"),
        ({"acuracy": 0.9}, "acuracy"),
    ],
)
def test_odd_published_accuracies_are_refused(
    expected: dict[str, Any], message: str, tmp_path: Path
) -> None:
    raw = {
        "name": "x",
        "model": {"adapter": "python", "factory": "a:b", "classes": ["a"], "expected": expected},
        "data": {"adapter": "folder", "path": "."},
    }
    with pytest.raises(ConfigError, match=message) as raised:
        AuditConfig.parse(raw)
    assert "expected" in str(raised.value)
    images = [(np.zeros((8, 8, 3), np.uint8), "a")]
    with pytest.raises(ConfigError, match=message):
        auditor.audit(
            nn.Conv2d(3, 1, 1),
            images,
            classes=["a"],
            preprocess={},
            expected=expected,
            out=tmp_path / "run",
        )


@pytest.mark.parametrize(
    ("n", "expected", "warned"),
    [
        (240, 0.999, True),  # about 95 % right
        (240, 0.95, False),
        (240, 0.6, False),
        (8, 0.999, False),  # all of 8 right
        (240, None, False),
    ],
)
def test_dry_run_compares_with_the_published_accuracy(
    n: int, expected: float | None, warned: bool, tmp_path: Path
) -> None:
    path = write_audit(tmp_path / "data", "good", n)
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    raw["model"]["expected"] = {"accuracy": expected}
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    found = [one for one in dry_run(AuditConfig.load(path)).warnings if "published" in one]
    assert bool(found) == warned
    if warned:
        assert "the published accuracy (model.expected) is 99.9 %" in found[0]


@pytest.mark.parametrize(
    ("reference", "attributes", "message"),
    [
        (3, None, "reference_images: expected one image per row of the reference, 3; got 2"),
        (None, "site", "reference: expected a table with the label and the attributes site"),
    ],
)
def test_reference_images_that_do_not_fit_are_refused(
    reference: int | None, attributes: str | None, message: str, tmp_path: Path
) -> None:
    images = [(np.zeros((8, 8, 3), np.uint8), "a")] * 2
    with pytest.raises(DataError, match=message):
        auditor.audit(
            nn.Conv2d(3, 1, 1),
            images,
            classes=["a"],
            preprocess={},
            attributes=None if attributes is None else pd.DataFrame({attributes: ["x", "y"]}),
            reference=None if reference is None else pd.DataFrame({"label": ["a"] * reference}),
            reference_images=images,
            out=tmp_path / "run",
        )
