"""Guided Grad-CAM against captum, pytorch-grad-cam and the floor, side by side in one run.

    python -m benchmarks.explain [--models resnet18 vgg16 …] [--batch 32] [--rounds 3] [--no-singles]

Random weights, 224 pixels, float32. In every round all sides run once, in alternating order; the
table has medians over the rounds of throughput as a ratio to captum's in the same round. Peak memory
is measured in a fresh process a side (highest resident size less that before the call).

Sides: ``ours`` is ``auditor.explain``; ``ours, two targets`` is ``explain_batch`` for the predicted
and another class (its ratio is to captum called once); ``forward`` and ``forward + gradient`` are
torch alone; ``one by one`` is pytorch-grad-cam as its README uses it: GradCAM and
GuidedBackpropReLUModel for each picture.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import get_model

from auditor.explainers import TargetLayer, explain, explain_batch, find_layer
from benchmarks.architectures import calibrate

MODELS = ("resnet18", "resnet50", "vgg16", "mobilenet_v2", "densenet121")


@dataclass(frozen=True)
class Case:
    """One model with its pictures and targets."""

    model: nn.Module
    images: Tensor
    targets: Tensor
    layer: TargetLayer

    def ours(self) -> None:
        """One target a picture."""
        explain(self.model, self.images, self.targets, "guided-grad-cam", self.layer)

    def ours_twice(self) -> None:
        """Two targets a picture from one forward."""
        rows = range(len(self.images))
        pairs = [(row, target) for row in rows for target in (row, row + 1)]
        explain_batch(self.model, self.images, pairs, self.layer)

    def captum(self) -> None:
        """Captum's Guided Grad-CAM; on the same layer, upsampled alike."""
        from captum.attr import GuidedGradCam

        GuidedGradCam(self.model, self.model.get_submodule(self.layer.name)).attribute(
            self.images, target=self.targets, interpolate_mode="bilinear"
        )

    def one_by_one(self) -> None:
        """pytorch-grad-cam, picture by picture; on a copy, since it leaves the model patched."""
        from pytorch_grad_cam import GradCAM, GuidedBackpropReLUModel
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

        model = deepcopy(self.model)
        layers = [model.get_submodule(self.layer.name)]
        guided = GuidedBackpropReLUModel(model=deepcopy(self.model), device=torch.device("cpu"))
        with GradCAM(model=model, target_layers=layers) as cam:
            for image, target in zip(self.images, self.targets.tolist(), strict=True):
                cam(input_tensor=image[None], targets=[ClassifierOutputTarget(target)])
                guided(image[None], target_category=target)

    def forward(self) -> None:
        """What a prediction costs."""
        with torch.no_grad():
            self.model(self.images)

    def gradient(self) -> None:
        """What any gradient method costs at least."""
        leaf = self.images.clone().requires_grad_()
        scores = self.model(leaf).gather(1, self.targets[:, None])
        torch.autograd.grad(scores.sum(), leaf)


SIDES: dict[str, Callable[[Case], None]] = {
    "captum": Case.captum,
    "ours": Case.ours,
    "ours, two targets": Case.ours_twice,
    "forward": Case.forward,
    "forward + gradient": Case.gradient,
    "one by one": Case.one_by_one,
}


def case(name: str, batch: int) -> Case:
    """A model with random weights, calibrated batch normalisation, and a batch of noise."""
    torch.manual_seed(0)
    model = get_model(name, weights=None).eval()
    calibrate(model, torch.randn(4, 3, 224, 224))
    images = torch.randn(batch, 3, 224, 224)
    return Case(model.eval(), images, torch.arange(batch), find_layer(model, images))


def speeds(of: Case, sides: list[str], rounds: int) -> dict[str, float]:
    """Median over the rounds of captum's seconds divided by each side's."""
    ratios: dict[str, list[float]] = {side: [] for side in sides}
    for number in range(rounds + 1):
        seconds = {}
        for side in sides if number % 2 else reversed(sides):
            start = time.perf_counter()
            SIDES[side](of)
            seconds[side] = time.perf_counter() - start
        if number:  # the first round warms up
            for side in sides:
                ratios[side].append(seconds["captum"] / seconds[side])
    return {side: statistics.median(values) for side, values in ratios.items()}


def peak(name: str, batch: int, side: str) -> int:
    """Peak memory of one side in a process of its own, in bytes."""
    command = [sys.executable, "-m", "benchmarks.explain", "--peak", side, "--models", name]
    command += ["--batch", str(batch), "--threads", str(torch.get_num_threads())]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    return int(done.stdout)


def _resident(field: str) -> int:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    found = re.search(rf"{field}:\s+(\d+)", status)
    assert found is not None, "the peak is read from Linux's /proc"
    return int(found[1]) * 1024


def geometric_mean(values: list[float]) -> float:
    """Of positive numbers."""
    return statistics.geometric_mean(values)


def main() -> None:
    """Prints the table, or with ``--peak`` one number for the process that asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--no-singles", action="store_true", help="without pytorch-grad-cam")
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--peak", choices=list(SIDES), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.filterwarnings("ignore", module="captum")
    if options.peak:
        of = case(options.models[0], options.batch)
        before = _resident("VmRSS")
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak starts anew
        SIDES[options.peak](of)
        print(_resident("VmHWM") - before)
        return
    sides = [side for side in SIDES if side != "one by one" or not options.no_singles]
    header = ["model", *sides[1:]] + ([] if options.no_memory else ["peak memory of captum's"])
    print(
        f"Throughput as a ratio to captum's, batch {options.batch}, 224 pixels, "
        f"{options.threads} threads, torch {torch.__version__}, median of {options.rounds} rounds\n"
    )
    print("| " + " | ".join(header) + " |\n" + "|---" * len(header) + "|")
    columns: dict[str, list[float]] = {name: [] for name in header[1:]}
    for name in options.models:
        found = speeds(case(name, options.batch), sides, options.rounds)
        row = [found[side] for side in sides[1:]]
        if not options.no_memory:
            row.append(peak(name, options.batch, "ours") / peak(name, options.batch, "captum"))
        for column, value in zip(columns.values(), row, strict=True):
            column.append(value)
        print(f"| {name} | " + " | ".join(f"{value:.2f}" for value in row) + " |", flush=True)
    means = [f"{geometric_mean(values):.2f}" for values in columns.values()]
    print("| geometric mean | " + " | ".join(means) + " |")


if __name__ == "__main__":
    main()
