"""Predictions that are not a function of the image: found by ``check`` and ``run``, and said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from builders.odd_networks import with_head
from torch import Tensor, nn

import auditor
from auditor.batch_dependence import compare

HEAD = [[1.0, -2.0, 1.0, 0.5], [-1.0, 2.0, 0.5, 1.0]]
IMAGES = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Wrapped(nn.Module):
    """A network whose logits are changed by a function."""

    def __init__(self, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.inner = with_head(HEAD, [0.0, 0.1], nn.Identity())
        self.change = change

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.change(self.inner(images))
        return logits


class HalfInside(Wrapped):
    """Computes its convolution in bfloat16 and returns float32."""

    def forward(self, images: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            logits: Tensor = self.inner(images)
        return logits.float()


def _needs_two(logits: Tensor) -> Tensor:
    if len(logits) == 1:
        raise ValueError("more than 1 value per channel")
    return logits


@dataclass(frozen=True)
class Case:
    """A network, and words of the message; None where its predictions depend on the image alone."""

    build: Callable[[], nn.Module]
    words: tuple[str, ...] | None


CASES = {
    "no statistics": Case(
        lambda: with_head(HEAD, [0, 0], nn.BatchNorm2d(4, track_running_stats=False)),
        ("with other images in the batch", "batch normalisation '1'", "track_running_stats=True"),
    ),
    "mean of the batch": Case(
        lambda: Wrapped(lambda logits: logits - logits.mean(0)), ("mixes the images of a batch",)
    ),
    "softmax over the batch": Case(
        lambda: Wrapped(lambda logits: logits.softmax(0)), ("mixes the images of a batch",)
    ),
    "size of the batch": Case(
        lambda: Wrapped(lambda logits: logits / len(logits)), ("between alone and in a batch",)
    ),
    "raises on one image": Case(
        lambda: Wrapped(_needs_two), ("where the network raises", "more than 1 value per channel")
    ),
    "random": Case(
        lambda: Wrapped(lambda logits: nn.functional.dropout(logits, 0.5, training=True)),
        ("between two runs of the same batch", "dropout"),
    ),
    "running statistics": Case(lambda: with_head(HEAD, [0, 0], nn.BatchNorm2d(4)), None),
    "instance normalisation": Case(lambda: with_head(HEAD, [0, 0], nn.InstanceNorm2d(4)), None),
    "bfloat16 inside": Case(lambda: HalfInside(lambda logits: logits), None),
    "not finite": Case(lambda: Wrapped(lambda logits: logits * float("nan")), None),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("n", [1, 4])
def test_dependence_on_the_batch_is_found_from_one_image_on(name: str, n: int) -> None:
    torch.manual_seed(0)
    found = compare(CASES[name].build().eval(), IMAGES[:n], 1 - IMAGES[:n])
    words = CASES[name].words
    if words is None:
        assert found is None
        return
    assert found is not None
    assert "of the largest logit" in found.problem
    assert "rounding in float32 explains up to 0.03" in found.problem
    if n > 1 or "with other images" not in words[0]:
        assert all(one in found.problem for one in words)


@pytest.mark.slow
def test_audit_of_a_network_that_depends_on_the_batch_cannot_be_judged(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    images = [(random.integers(0, 255, (8, 8, 3), np.uint8), "ab"[k % 2]) for k in range(24)]
    network = CASES["no statistics"].build()
    result = auditor.audit(network, images, classes=["a", "b"], preprocess={}, out=tmp_path / "run")
    reasons = [one for one in result.outcome.reasons if "not a function of the image" in one.text]
    assert [(one.kind, one.state) for one in reasons] == [("evaluation", "undecided")]
    assert result.outcome.state != "passes"
    assert any("batch normalisation '1'" in one.reason for one in result.skipped)
