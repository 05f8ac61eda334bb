"""Rules, target layer and model state of random networks, against slow float64 rewrites."""

from __future__ import annotations

from typing import Literal

import torch
from builders.networks import RELUS, learn, random_images
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import grad_cam_map, input_map
from torch import Tensor, nn

from auditor.autograd.preflight import preflight
from auditor.autograd.recording import record
from auditor.autograd.target_layer import find_layer
from auditor.explainers.grad_cam import class_evidence

Step = tuple[str, str]
SHAPES = ("plain", "grouped", "dilated", "strided", "residual", "kept", "concatenated", "pooled")


class Drawn(nn.Module):
    """A stack of steps, each a convolution with one of the notations of ReLU."""

    def __init__(self, steps: list[Step], reused: str) -> None:
        super().__init__()
        self.steps = [(shape, RELUS[written]) for shape, written in steps]
        self.reused = RELUS[reused]
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.convolutions = nn.ModuleList(self._convolution(shape) for shape, _ in steps)
        self.norms = nn.ModuleList(nn.BatchNorm2d(4) for _ in steps)
        self.head = nn.Linear(4, 3)

    @staticmethod
    def _convolution(shape: str) -> nn.Module:
        if shape == "grouped":
            return nn.Conv2d(4, 4, 3, padding=1, groups=2)
        if shape == "dilated":
            return nn.Conv2d(4, 4, 3, padding=2, dilation=2)
        if shape == "strided":
            return nn.Conv2d(4, 4, 3, stride=2, padding=1)
        return nn.Conv2d(8 if shape == "concatenated" else 4, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.reused(self.stem(x))
        for (shape, relu), layer, norm in zip(
            self.steps, self.convolutions, self.norms, strict=True
        ):
            if shape == "residual":
                x = relu(norm(layer(x)) + x)
            elif shape == "kept":
                h = norm(layer(x))
                x = h + relu(h.clone())
            elif shape == "concatenated":
                x = self.reused(layer(torch.cat([relu(norm(x)), x], 1)))
            elif shape == "pooled" and x.shape[-1] > 4:
                x = nn.functional.max_pool2d(relu(norm(layer(x))), 2)
            else:
                x = relu(norm(layer(x)))
        logits: Tensor = self.head(x.mean((2, 3)))
        return logits


steps = st.lists(
    st.tuples(st.sampled_from(SHAPES), st.sampled_from(sorted(RELUS))), min_size=1, max_size=4
)


@settings(max_examples=60, derandomize=True)
@given(
    steps=steps,
    reused=st.sampled_from(sorted(RELUS)),
    rule=st.sampled_from(["plain", "guided", "deconvnet"]),
    seed=st.integers(0, 10_000),
)
def test_rules_of_a_random_relu_network_equal_the_papers(
    steps: list[Step], reused: str, rule: Literal["plain", "guided", "deconvnet"], seed: int
) -> None:
    torch.manual_seed(seed)
    model = Drawn(steps, reused).double().train()
    for norm in model.norms:
        assert isinstance(norm, nn.BatchNorm2d)
        learn(norm)
    images, targets = random_images(2, 10, seed).double(), torch.tensor([2, 0])
    before = {name: value.clone() for name, value in model.state_dict().items()}
    layer = find_layer(model, images)
    with record(model, images, layer) as recording:
        verdict = preflight(recording, "guided")
        found = recording.input_gradient(targets, rule)
        cam = class_evidence(recording, targets).clamp(min=0)
    assert verdict.status == "valid"
    extra = sum(shape == "concatenated" for shape, _ in steps)
    assert verdict.relu_like == 1 + len(steps) + extra
    expected = input_map(model, images, targets, rule)
    expected_cam = grad_cam_map(model, images, targets, layer)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(cam, expected_cam, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
    assert all(module.training for module in model.modules())
