"""Audits from Python that stop before the model predicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn
from unittest import mock

import numpy as np
import pytest
import torch
from torch import nn

from auditor import api, runner
from auditor.errors import UsageError
from auditor.preparation import Prepared
from auditor.progress import Progress, Silent
from auditor.stages.choose_thresholds import open_with_thresholds

PIXELS = np.random.default_rng(0).integers(0, 255, (8, 10, 3), np.uint8)
"""One image."""


class _Stopped(Exception):  # noqa: N818 - no error: everything before predicting is done
    """Carries what the audit would run on."""

    def __init__(self, prepared: Prepared) -> None:
        super().__init__()
        self.prepared = prepared


def _stop(
    prepared: Prepared, _out: Path, *, overwrite: bool, resume: bool, progress: Progress
) -> NoReturn:
    assert not overwrite
    assert isinstance(progress, Silent)
    raise _Stopped(open_with_thresholds(prepared)[0])


def network() -> nn.Sequential:
    """A small network with two outputs."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )


def pairs(image: Any = PIXELS, labels: Any = (0, 1, 0, 1)) -> list[Any]:
    """A data set of one image with several labels."""
    return [(image, label) for label in labels]


def prepare(**options: Any) -> Prepared:
    """What an audit would run on, after everything that comes before predicting."""
    with pytest.raises(_Stopped) as caught:
        _audit(options)
    return caught.value.prepared


def refused(**options: Any) -> str:
    """The message of the usage error, which comes before predicting."""
    with pytest.raises(UsageError) as caught:
        _audit(options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def _audit(options: dict[str, Any]) -> None:
    given: dict[str, Any] = {
        "model": network(),
        "dataset": pairs(),
        "classes": ["cat", "dog"],
        "preprocess": {},
    }
    with mock.patch.object(runner, "audit", _stop):
        api.audit(**(given | options))
