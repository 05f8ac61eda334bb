"""Maps of torchvision's classifiers against the slow float64 rewrite.

A few small ones always run, all of them with ``make exhaustive``.
"""

from __future__ import annotations

import pytest
import torchvision
from torchvision.models import list_models

from benchmarks.architectures import measure

FEW = (
    "mobilenet_v3_small",
    "resnet18",
    "shufflenet_v2_x0_5",
    "squeezenet1_1",
)
REST = sorted(set(list_models(module=torchvision.models)) - set(FEW))

GUIDED_IS_UNDEFINED = ("convnext", "efficientnet", "maxvit", "swin", "vit")
"""Families with only GELU or SiLU."""


@pytest.mark.parametrize(
    "name", [*FEW, *(pytest.param(name, marks=pytest.mark.exhaustive) for name in REST)]
)
def test_maps_of_an_architecture_are_right_or_reported_as_undefined(name: str) -> None:
    row = measure(name)
    assert row.right, (row.cam_errors, row.detail_errors)
    undefined = name.startswith(GUIDED_IS_UNDEFINED)
    assert (row.verdict == "undefined") == undefined
    assert row.detail == ("gradient" if undefined else "guided backpropagation")
