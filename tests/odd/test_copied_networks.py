"""Networks that keep a tensor of their last forward pass: they are copied and measured like others."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from auditor.autograd.model_state import copy_of
from auditor.autograd.precision import accelerate
from auditor.autograd.target_layer import find_layer
from auditor.explainers import explain
from auditor.map_metrics.randomization import randomized_copy


class Keeping(nn.Module):
    """A network that keeps its maps in some container."""

    def __init__(self, keep: Callable[[Tensor], Any]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.maps = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
        self.keep = keep
        self.kept: Any = None

    def forward(self, images: Tensor) -> Tensor:
        maps = self.maps(images)
        self.kept = self.keep(maps)
        logits: Tensor = self.head(maps)
        return logits


class Holder:
    """An object of the user that holds a tensor."""

    def __init__(self, maps: Tensor) -> None:
        self.maps = maps


CONTAINERS: dict[str, Callable[[Tensor], Any]] = {
    "tensor": lambda maps: maps,
    "list": lambda maps: [maps, maps.sum()],
    "dict of tuples": lambda maps: {"last": (maps, 1)},
    "object": Holder,
    "view": lambda maps: maps[:, :1],
}
IMAGES = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("keep", CONTAINERS.values(), ids=CONTAINERS.keys())
def test_network_that_keeps_a_tensor_is_copied_and_explained(keep: Callable[[Tensor], Any]) -> None:
    network = Keeping(keep).eval()
    network(IMAGES)
    faster = accelerate(network, IMAGES, "fast")
    assert faster.precision == "fast"
    exact, fast = (explain(network, IMAGES, 0, precision=one).maps for one in ("exact", "fast"))
    torch.testing.assert_close(fast, exact, rtol=1e-3, atol=1e-6)
    layer = find_layer(network, IMAGES)
    copied = randomized_copy(network, IMAGES)
    assert not torch.equal(explain(copied, IMAGES, 0, target_layer=layer).maps, exact)


def test_copy_of_a_network_shares_no_tensor_and_keeps_identities() -> None:
    network = Keeping(lambda maps: [maps, maps])
    network(IMAGES)
    copied = copy_of(network)
    assert isinstance(copied, Keeping)
    first, second = copied.kept
    assert first is second
    assert torch.equal(first, network.kept[0])
    assert first.grad_fn is None
    assert network.kept[0].grad_fn is not None
    own = {tensor.data_ptr() for tensor in (*network.parameters(), network.kept[0])}
    assert not own & {tensor.data_ptr() for tensor in (*copied.parameters(), first)}
    assert isinstance(copied.maps[0].weight, nn.Parameter)


def test_network_that_cannot_be_copied_is_explained_in_exact_precision() -> None:
    network = Keeping(lambda _: threading.Lock()).eval()
    network(IMAGES)
    found = accelerate(network, IMAGES, "fast")
    assert found.precision == "exact"
    assert "can't be copied (TypeError: " in found.reason
