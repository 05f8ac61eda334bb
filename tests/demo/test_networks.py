from collections.abc import Callable

import pytest
import torch
from torch import nn

from auditor.demo.networks import digits_net, solar_net

_KNOWN = (
    nn.Conv2d,
    nn.BatchNorm2d,
    nn.ReLU,
    nn.MaxPool2d,
    nn.AdaptiveAvgPool2d,
    nn.Flatten,
    nn.Linear,
)


@pytest.mark.parametrize(
    ("factory", "side", "classes", "map_side"), [(solar_net, 128, 2, 16), (digits_net, 32, 10, 8)]
)
def test_networks_are_small_and_valid_for_guided_backpropagation(
    factory: Callable[[], nn.Module], side: int, classes: int, map_side: int
) -> None:
    net = factory().eval()
    parts = [module for module in net.modules() if module is not net]

    assert {type(module) for module in parts} == set(_KNOWN)
    assert not any(module.inplace for module in parts if isinstance(module, nn.ReLU))
    assert sum(parameter.numel() for parameter in net.parameters()) < 100_000

    shapes = []
    last = [module for module in parts if isinstance(module, nn.ReLU)][-1]
    with last.register_forward_hook(lambda *call: shapes.append(call[2].shape)):
        logits = net(torch.zeros(2, 3, side, side))
    assert logits.shape == (2, classes)
    assert shapes[0][2:] == (map_side, map_side)
