from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from builders.audited_models import audited
from torch import Tensor, nn

from auditor.autograd.target_layer import find_layer
from auditor.errors import ModelError


class Limited(nn.Module):
    """A classifier that runs out of memory above two images."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.convolution = nn.Conv2d(3, 5, 3)
        self.head = nn.Linear(5, 3)
        self.error = error
        self.sizes: list[int] = []
        self.most = 2

    def forward(self, x: Tensor) -> Tensor:
        self.sizes.append(len(x))
        maps = self.convolution(x).relu()
        if len(x) > self.most:
            raise self.error
        logits: Tensor = self.head(maps.mean((2, 3)))
        return logits


def images(n: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, 3, 8, 8), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("method", ["logits", "features", "probabilities"])
def test_any_method_without_enough_memory_halves_the_passes(method: str) -> None:
    network = Limited(torch.OutOfMemoryError("CUDA out of memory."))
    layer = find_layer(network, torch.rand(1, 3, 8, 8), "convolution")
    model = audited(network, batch_size=8, layer=layer)
    network.sizes.clear()
    run: Callable[[Tensor], np.ndarray] = getattr(model, method)
    found = run(images(7))
    assert network.sizes == [7, 3, 1, 1, 1, 1, 1, 1, 1]
    network.most = 99
    np.testing.assert_allclose(found, run(images(7)), rtol=1e-5)


def test_the_limit_is_remembered_for_the_next_call() -> None:
    network = Limited(MemoryError())
    model = audited(network, batch_size=8)
    model.logits(images(8))
    network.sizes.clear()
    model.logits(images(8))
    assert network.sizes == [2, 2, 2, 2]


def test_logits_of_no_image_are_an_empty_array() -> None:
    model = audited(Limited(MemoryError()))
    assert model.logits(torch.empty((0, 3, 0, 0), dtype=torch.uint8)).shape == (0, 3)


def test_probabilities_are_the_softmax_of_the_logits() -> None:
    model = audited(Limited(MemoryError()), batch_size=2)
    exponentials = np.exp(model.logits(images(3)))
    expected = exponentials / exponentials.sum(1, keepdims=True)
    np.testing.assert_allclose(model.probabilities(images(3)), expected, rtol=1e-12)


def test_an_error_of_the_network_is_reported_with_the_shape_of_its_input() -> None:
    network = Limited(ValueError("odd"))
    network.most = 0
    with pytest.raises(ModelError, match=r"Limited raised ValueError .* \(3, 3, 8, 8\).*: odd"):
        audited(network).logits(images(3))


def test_maps_without_enough_memory_halve_the_passes_and_remember_it() -> None:
    network = Limited(MemoryError())
    layer = find_layer(network, torch.rand(1, 3, 8, 8), "convolution")
    model = audited(network, batch_size=8, layer=layer)
    targets = np.array([0, 2, 1, 1, 0])
    network.sizes.clear()
    found = model.cams(images(5), targets)
    model.cams(images(4), targets[:4])
    assert network.sizes == [5, 2, 2, 1, 2, 2]
    network.most = 99
    other = audited(network, batch_size=8, layer=layer)
    np.testing.assert_allclose(found, other.cams(images(5), targets), rtol=1e-5)


class Head(nn.Module):
    """One product, 1 + 2^-9, which bfloat16 rounds to 1; NaN in mixed precision where it overflows."""

    def __init__(self, *, overflows: bool = False) -> None:
        super().__init__()
        self.head = nn.Linear(1, 3, bias=False)
        nn.init.constant_(self.head.weight, 1.0)
        self.overflows = overflows

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(torch.full((len(x), 1), 1 + 2.0**-9))
        return logits * torch.nan if self.overflows and logits.dtype != torch.float32 else logits


def test_logits_in_mixed_precision_are_rounded_to_bfloat16() -> None:
    # bfloat16 has 7 bits of mantissa: 1 + 2^-9 becomes 1.
    model = audited(Head())
    assert (model.logits(images(2)) == 1 + 2.0**-9).all()
    assert (replace(model, precision="amp").logits(images(2)) == 1).all()
    assert (model.logits(images(2)) == 1 + 2.0**-9).all()


def test_logits_that_are_not_finite_in_mixed_precision_are_computed_in_full_precision() -> None:
    model = replace(audited(Head(overflows=True)), precision="amp")
    assert (model.logits(images(2)) == 1 + 2.0**-9).all()
