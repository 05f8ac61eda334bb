"""Verdict of the preflight and error of the maps for every classifier of torchvision.

    python -m benchmarks.architectures > docs/architectures.md

The weights are random; nothing is downloaded. Batch normalisation is calibrated on random images
first, so that signals neither vanish nor explode. The error is ‖map − reference‖ / ‖reference‖ against
the slow float64 rewrite of the papers' rules in ``tests/reference.py``: once with the model in float64,
which shows whether the rules are right, and once in float32, which adds rounding. Networks with random
weights can be chaotic in float32; the last column is the error of torch's own plain float32 gradient
on the same model.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models import get_model, list_models

from auditor.explainers import TargetLayer, explain, find_layer

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))
from reference import grad_cam_map, input_map

TOLERANCE = 1e-6
"""Largest error in float64 that counts as right; the maps are float32."""

_LEGEND = """\
Where guided backpropagation is `undefined`, the detail view is the signed gradient, and is labelled as
such. `partial` means that some activations are not ReLU-like and pass the plain gradient on.

In the EfficientNets, batch normalisation has the weight 0.5 instead of 1. With 1, the deep ones are
chaotic if their weights are random: the gradients of b7 and v2_l then exceed the tolerance even in
float64 (2e-3 and 5e-5), and torch's own float32 gradient differs by a factor of up to 100. Such models
can't show whether the maps are right."""

_COLUMNS = (
    "architecture",
    "target layer",
    "map",
    "ReLU-like activations",
    "other activations",
    "guided",
    "Grad-CAM error, float64",
    "float32",
    "detail view",
    "error, float64",
    "float32",
    "torch's float32 gradient",
)


@dataclass(frozen=True)
class Row:
    """One architecture in the table."""

    name: str
    layer: TargetLayer
    relu_like: int
    others: dict[str, int]
    verdict: str
    detail: str
    cam_errors: tuple[float, float]
    """In float64, in float32."""
    detail_errors: tuple[float, float]
    gradient_error: float

    @property
    def right(self) -> bool:
        """Whether both maps are within the tolerance."""
        return max(self.cam_errors[0], self.detail_errors[0]) <= TOLERANCE


def build(name: str, seed: int = 0) -> tuple[nn.Module, Tensor]:
    """A model with random weights and calibrated batch normalisation, and images for it.

    Args:
        name: of ``torchvision.models``.
        seed: of weights and images.

    Returns:
        The model in evaluation mode and (2, 3, S, S) images, as small as it accepts.
    """
    torch.manual_seed(seed)
    size = 64
    options: dict[str, int | bool] = {}
    if name in {"googlenet", "inception_v3"}:
        size, options = 96, {"init_weights": False}
    elif name.startswith("vit_"):
        patch = int(name.rsplit("_", 1)[1])
        size, options = 4 * patch, {"image_size": 4 * patch}
    elif name == "maxvit_t":
        size = 224  # its windows require it
    model: nn.Module = get_model(name, weights=None, **options)
    for module in model.modules():
        # In torchvision, the heads of transformers are zero before training.
        if isinstance(module, nn.Linear) and not bool(module.weight.any()):
            nn.init.normal_(module.weight, std=0.02)
    if name.startswith("efficientnet"):
        # With random weights, the deep ones are chaotic even in float64 (gradients grow from block
        # to block); with the weaker branches of a trained network, they are not.
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.constant_(module.weight, 0.5)
    images = torch.randn(2, 3, size, size)
    calibrate(model, torch.randn(8, 3, size, size))
    return model.eval(), images


def calibrate(model: nn.Module, images: Tensor) -> None:
    """Sets the running statistics of batch normalisation to those of ``images``."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    if not norms:
        return
    model.eval()
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    with torch.no_grad():
        model(images)
    for norm in norms:
        norm.momentum = 0.1


def measure(name: str) -> Row:
    """Explains an architecture and compares it with the slow rewrite."""
    model, images = build(name)
    layer = find_layer(model, images)
    verdict = explain(model, images, explainer="guided-backprop")
    defined = verdict.explainer == "guided-backprop"
    rule: Literal["guided", "plain"] = "guided" if defined else "plain"
    targets = verdict.targets
    small = grad_cam_map(model, images, targets, layer)
    cam = nn.functional.interpolate(
        small[:, None], images.shape[-2:], mode="bilinear", align_corners=False
    )
    plain = input_map(model, images, targets, "plain")
    detail = input_map(model, images, targets, "guided") if defined else plain
    leaf = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model(leaf).gather(1, targets[:, None]).sum(), leaf)
    errors: dict[str, list[float]] = {"grad-cam": [], "detail": []}
    for dtype in (torch.float64, torch.float32):
        model, images = model.to(dtype), images.to(dtype)
        found = explain(model, images, targets, "grad-cam", layer).maps
        errors["grad-cam"].append(relative(found, cam))
        method = "guided-backprop" if rule == "guided" else "gradient"
        errors["detail"].append(relative(explain(model, images, targets, method).maps, detail))
    return Row(
        name,
        layer,
        verdict.preflight.relu_like,
        verdict.preflight.others,
        verdict.preflight.status,
        "guided backpropagation" if defined else "gradient",
        (errors["grad-cam"][0], errors["grad-cam"][1]),
        (errors["detail"][0], errors["detail"][1]),
        relative(gradient, plain),
    )


def relative(value: Tensor, expected: Tensor) -> float:
    """‖value − expected‖ / ‖expected‖ in float64."""
    return float((value.double() - expected).norm() / expected.norm().clamp_min(1e-300))


def table(rows: list[Row]) -> str:
    """The Markdown document."""
    wrong = [row.name for row in rows if not row.right]
    lines = [
        "# Architectures",
        "",
        "Written by `python -m benchmarks.architectures`: every classifier of torchvision "
        f"{torchvision.__version__.split('+')[0]} with random weights and small images "
        f"against the slow float64 rewrite. {len(rows)} architectures, "
        f"{len(rows) - len(wrong)} right (within {TOLERANCE:g} in float64)"
        + (f"; wrong: {', '.join(wrong)}" if wrong else "")
        + ".",
        "",
        _LEGEND,
        "",
        f"| {' | '.join(_COLUMNS)} |",
        "|---" * len(_COLUMNS) + "|",
    ]
    for row in rows:
        others = ", ".join(f"{count} {name}" for name, count in row.others.items()) or "–"
        lines.append(
            f"| {row.name} | `{row.layer.name}` | {row.layer.channels} × {row.layer.height} × "
            f"{row.layer.width} {row.layer.layout} | {row.relu_like} | {others} | {row.verdict} | "
            f"{row.cam_errors[0]:.0e} | {row.cam_errors[1]:.0e} | {row.detail} | "
            f"{row.detail_errors[0]:.0e} | {row.detail_errors[1]:.0e} | {row.gradient_error:.0e} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Prints the table; exits with 1 if the error of a map exceeds the tolerance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="architectures; all of them by default")
    names = parser.parse_args().names or list_models(module=torchvision.models)
    rows = []
    for name in names:
        rows.append(measure(name))
        print(f"{name}: {rows[-1].verdict}", file=sys.stderr, flush=True)
    print(table(rows))
    return 0 if all(row.right for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
