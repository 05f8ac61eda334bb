from __future__ import annotations

import pytest
import torch
from torch import nn

from auditor.autograd.target_layer import find_layer
from auditor.errors import ModelError
from auditor.map_metrics.units import unit_detail, unit_evidence, unit_maps


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 5, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(5, 4),
    )


def test_unit_evidence_with_a_pooled_linear_head_sums_to_the_logit() -> None:
    # Zhou et al. 2016, equation 1: the logit is Σ_k w_k mean(A^k) + b; Grad-CAM's α_k is w_k / Z.
    model, images = network(), torch.randn(3, 3, 8, 8)
    targets = torch.tensor([0, 3, 1])
    layer = find_layer(model, images)
    evidence = unit_evidence(model, images, targets, layer)
    head = model[-1]
    assert isinstance(head, nn.Linear)
    with torch.no_grad():
        pooled = model[:-1](images)
        logits = model(images)
    torch.testing.assert_close(evidence, pooled * head.weight[targets])
    torch.testing.assert_close(evidence.sum(1), logits[range(3), targets] - head.bias[targets])


def test_unit_maps_are_the_activations_of_the_layer() -> None:
    model, images = network(), torch.randn(2, 3, 8, 8)
    layer = find_layer(model, images)
    with torch.no_grad():
        expected = model[:2](images)
    torch.testing.assert_close(unit_maps(model, images, layer), expected)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_unit_detail_below_one_relu_is_the_filter_at_the_strongest_unit() -> None:
    # With one ReLU, the guided gradient is the filter itself at the place of the strongest unit,
    # cropped at the border of the image.
    model, images = network(), torch.randn(2, 3, 8, 8)
    layer = find_layer(model, images)
    detail = unit_detail(model, images, layer, 2)
    convolution = model[0]
    assert isinstance(convolution, nn.Conv2d)
    with torch.no_grad():
        activations = model[:2](images)[:, 2]
    for k in range(2):
        y, x = divmod(int(activations[k].argmax()), 8)
        expected = torch.zeros(3, 10, 10)
        expected[:, y : y + 3, x : x + 3] = convolution.weight[2].detach()
        torch.testing.assert_close(detail[k], expected[:, 1:-1, 1:-1])


def test_unit_detail_of_a_network_without_relu_raises() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 2, 3), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2)
    )
    images = torch.randn(1, 3, 8, 8)
    with pytest.raises(ModelError, match="expected a network with ReLU-like activations"):
        unit_detail(model, images, find_layer(model, images), 0)
