"""A module that runs several times in a forward pass is explained by its last map.

Expected values come from the same network with distinct modules that hold the same weights.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from builders.audited_models import audited
from torch import Tensor, nn

from auditor.autograd.target_layer import find_layer
from auditor.explainers import explain, explain_batch

IMAGES = torch.rand(5, 3, 12, 12, generator=torch.Generator().manual_seed(1))


class Steps(nn.Module):
    """Runs named modules one after another; those listed in `after` also run on the pooled vector."""

    def __init__(self, steps: list[tuple[str, nn.Module]], after: list[str] | None = None) -> None:
        super().__init__()
        self.order = [name for name, _ in steps]
        self.after = after or []
        for name, module in steps:
            setattr(self, name, module)
        self.hidden = nn.Linear(6, 5)
        self.head = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        for name in self.order:
            x = getattr(self, name)(x)
        x = self.hidden(x.mean((2, 3)))
        for name in self.after:
            x = getattr(self, name)(x)
        logits: Tensor = self.head(x)
        return logits


def _block() -> nn.Module:
    return nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU())


@dataclass(frozen=True)
class Case:
    """Names of the modules in order; names with the same letter are one module in the network."""

    steps: Callable[[], list[tuple[str, nn.Module]]]
    layer: str
    distinct: str
    n_maps: int
    after: tuple[str, ...] = ()


def _convolution(channels: int, out: int) -> nn.Module:
    return nn.Conv2d(channels, out, 3, padding=1)


def _equal_channels() -> list[tuple[str, nn.Module]]:
    return [
        ("first", _convolution(3, 6)),
        ("relu", nn.ReLU()),
        ("second", _convolution(6, 6)),
        ("relu", nn.ReLU()),
    ]


def _unequal_channels() -> list[tuple[str, nn.Module]]:
    return [
        ("first", _convolution(3, 4)),
        ("relu", nn.ReLU(inplace=True)),
        ("pool", nn.MaxPool2d(2)),
        ("second", _convolution(4, 6)),
        ("relu", nn.ReLU(inplace=True)),
    ]


def _shared_convolution() -> list[tuple[str, nn.Module]]:
    return [
        ("first", _convolution(3, 6)),
        ("again", _convolution(6, 6)),
        ("again", _convolution(6, 6)),
        ("again", _convolution(6, 6)),
    ]


def _shared_block() -> list[tuple[str, nn.Module]]:
    return [("first", _convolution(3, 6)), ("block", _block()), ("block", _block())]


CASES = {
    "equal channels": Case(_equal_channels, "relu", "relu2", 2),
    "unequal channels, in place": Case(_unequal_channels, "relu", "relu2", 2),
    "also in the head": Case(_equal_channels, "relu", "relu2", 2, ("relu",)),
    "convolution": Case(_shared_convolution, "again", "again3", 3),
    "block": Case(_shared_block, "block", "block2", 2),
    "layer of a block": Case(_shared_block, "block.0", "block2.0", 2),
}


def _networks(case: Case) -> tuple[nn.Module, nn.Module]:
    """The network with shared modules, and a rewrite with distinct ones."""
    torch.manual_seed(0)
    shared = Steps(case.steps(), list(case.after)).eval()
    runs: dict[str, int] = {}
    steps: list[tuple[str, nn.Module]] = []
    for name in shared.order:
        runs[name] = runs.get(name, 0) + 1
        steps.append((f"{name}{runs[name]}", deepcopy(getattr(shared, name))))
    distinct = Steps(steps)
    distinct.hidden, distinct.head = shared.hidden, shared.head
    for name in case.after:
        distinct.after.append(f"{name}_of_head")
        setattr(distinct, f"{name}_of_head", deepcopy(getattr(shared, name)))
    return shared, distinct.eval()


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("named", [True, False])
def test_shared_module_is_explained_like_distinct_ones(name: str, named: bool) -> None:
    case = CASES[name]
    shared, distinct = _networks(case)
    torch.testing.assert_close(shared(IMAGES), distinct(IMAGES))
    layer = find_layer(shared, IMAGES, case.layer if named else None)
    expected = find_layer(distinct, IMAGES, case.distinct if named else None)
    assert expected.name == layer.name.replace(*_renamed(case))
    assert (layer.channels, layer.height) == (expected.channels, expected.height)
    assert f"returns {case.n_maps} maps in a forward pass" in layer.why
    # Without an activation, guided backpropagation is undefined.
    guided = () if name == "convolution" else ("guided-grad-cam",)
    for method in ("grad-cam", "hirescam", *guided):
        torch.testing.assert_close(
            explain(shared, IMAGES, 1, method, layer).maps,
            explain(distinct, IMAGES, 1, method, expected).maps,
        )
    pairs = [(k, k % 3) for k in range(5)]
    for precision in ("exact", "fast"):
        found = explain_batch(shared, IMAGES, pairs, layer, precision)
        wanted = explain_batch(distinct, IMAGES, pairs, expected, precision)
        torch.testing.assert_close(found.cams, wanted.cams)
    raw = (IMAGES * 255).to(torch.uint8)
    features, wanted_features = (
        audited(network, layer=one, batch_size=2).features(raw)
        for network, one in ((shared, layer), (distinct, expected))
    )
    assert features.shape == (5, layer.channels)
    np.testing.assert_allclose(features, wanted_features, rtol=1e-5)


def _renamed(case: Case) -> tuple[str, str]:
    return case.layer.split(".")[0], case.distinct.split(".")[0]


def test_module_with_two_names_is_found_by_both() -> None:
    network = nn.Module()
    network.relu1 = nn.ReLU()
    network.relu2 = network.relu1
    steps = [_convolution(3, 4), network.relu1, _convolution(4, 6), network.relu2]
    whole = nn.Sequential(*steps, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)).eval()
    by_name = [find_layer(whole, IMAGES, name) for name in ("1", "3")]
    assert [(one.name, one.call, one.channels) for one in by_name] == [("1", 1, 6)] * 2


def test_hooks_of_a_shared_layer_are_removed_and_counted_from_the_start() -> None:
    shared, _ = _networks(CASES["equal channels"])
    layer = find_layer(shared, IMAGES)
    first = explain(shared, IMAGES, 0, "grad-cam", layer).maps
    shared(IMAGES)
    torch.testing.assert_close(explain(shared, IMAGES, 0, "grad-cam", layer).maps, first)
    assert not any(one._forward_hooks or one._forward_pre_hooks for one in shared.modules())
