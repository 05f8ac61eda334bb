"""Guided Grad-CAM against captum, pytorch-grad-cam and the floor, side by side in one run.

    python -m benchmarks.explain [--models resnet18 vgg16 …] [--batch 32] [--rounds 3] [--minutes 6]
        [--threads 1 --clock cpu] [--mallopt] [--no-memory]

Random weights, 224 pixels, float32. In every round all sides run once, in alternating order; the
table has medians over the rounds of captum's time divided by that of each side in the same round.
Each model gets its share of the minutes and as many rounds as fit, one at least. Where others work
on the same machine, ``--threads 1 --clock cpu`` counts processor time instead of waiting time.
``--mallopt`` lets glibc keep freed memory, for every side. Peak memory is measured in a fresh process
a side (highest resident size less that before the call).

Sides: ``exact``, ``fast`` and ``bf16`` are ``auditor.explain`` in these precisions (the copies are
made once, before the clock runs); ``two targets`` is ``explain_batch`` for two classes an image (its
ratio is to captum called once); ``forward`` and ``forward + gradient`` are torch alone, as a user
calls it; ``one by one`` is pytorch-grad-cam as its README uses it, GradCAM and
GuidedBackpropReLUModel image by image, timed on four images and scaled to the batch.
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
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import get_model

from auditor.allocator import keep_freed_memory
from auditor.explainers import (
    Accelerated,
    TargetLayer,
    accelerate,
    explain,
    explain_batch,
    find_layer,
)
from benchmarks.architectures import calibrate

MODELS = ("resnet18", "resnet50", "vgg16", "mobilenet_v2", "densenet121")
SINGLES = 4
"""Images on which the one-by-one way is timed."""
TARGETS: dict[str, tuple[float, float | None]] = {
    "exact": (2.4, 3.5),
    "fast": (3.0, 5.0),
    "bf16": (4.5, None),
}
"""Throughput aimed at on the geometric mean: against captum, and against one by one."""


@dataclass(frozen=True)
class Case:
    """One model with its images and targets."""

    model: nn.Module
    images: Tensor
    targets: Tensor
    layer: TargetLayer

    @cached_property
    def fast(self) -> Accelerated:
        """The folded copy."""
        return accelerate(self.model, self.images, "fast", self.layer)

    @cached_property
    def bf16(self) -> Accelerated:
        """The copy in bfloat16, where it is right."""
        return accelerate(self.model, self.images, "bf16", self.layer)

    def explained(self, model: nn.Module) -> None:
        """One target an image."""
        explain(model, self.images, self.targets, "guided-grad-cam", self.layer)

    def two_targets(self) -> None:
        """Two targets an image from one forward."""
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
        """pytorch-grad-cam, image by image; on a copy, since it leaves the model patched."""
        from pytorch_grad_cam import GradCAM, GuidedBackpropReLUModel
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

        model = deepcopy(self.model)
        layers = [model.get_submodule(self.layer.name)]
        guided = GuidedBackpropReLUModel(model=deepcopy(self.model), device=torch.device("cpu"))
        with GradCAM(model=model, target_layers=layers) as cam:
            for image, target in zip(self.images[:SINGLES], self.targets.tolist(), strict=False):
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
    "exact": lambda of: of.explained(of.model),
    "fast": lambda of: of.explained(of.fast.module),
    "bf16": lambda of: of.explained(of.bf16.module),
    "two targets": Case.two_targets,
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


def speeds(
    of: Case, rounds: int, seconds: float, clock: Callable[[], float]
) -> list[dict[str, float]]:
    """Captum's time divided by each side's, round by round, for about so many seconds."""
    small = Case(of.model, of.images[:2], of.targets[:2], of.layer)
    for run in SIDES.values():
        run(small)  # loads code
    of.fast, of.bf16  # noqa: B018  # makes the copies
    found: list[dict[str, float]] = []
    began = time.perf_counter()
    while len(found) < rounds:
        took = {}
        for side in list(SIDES) if len(found) % 2 else reversed(SIDES):
            start = clock()
            SIDES[side](of)
            took[side] = clock() - start
        took["one by one"] *= len(of.images) / min(SINGLES, len(of.images))
        found.append({side: took["captum"] / own for side, own in took.items()})
        spent = time.perf_counter() - began
        if spent * (len(found) + 1) / len(found) > seconds:
            break
    return found


def peak(name: str, side: str, options: argparse.Namespace) -> int:
    """Peak memory of one side in a process of its own, in bytes."""
    command = [sys.executable, "-m", "benchmarks.explain", "--peak", side, "--models", name]
    command += ["--batch", str(options.batch), "--threads", str(options.threads)]
    command += ["--mallopt"] if options.mallopt else []
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    return int(done.stdout)


def _resident(field: str) -> int:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    found = re.search(rf"{field}:\s+(\d+)", status)
    assert found is not None, "the peak is read from Linux's /proc"
    return int(found[1]) * 1024


def table(options: argparse.Namespace) -> None:
    """Measures and prints."""
    print(
        f"Captum's time divided by that of each side ({options.clock} clock), batch "
        f"{options.batch}, 224 pixels, {options.threads} threads, torch {torch.__version__}, "
        f"mallopt {'for all sides' if options.mallopt else 'for none'}\n"
    )
    header = [*list(SIDES)[1:], "exact / one by one", "fast / one by one", "exact / forward"]
    header += ["exact / forward + gradient", "fast / forward + gradient"]
    header += [] if options.no_memory else ["memory: exact / captum"]
    names = ["model", *header, "cosine: fast", "cosine: bf16", "rounds"]
    print("| " + " | ".join(names) + " |\n" + "|---" * len(names) + "|", flush=True)
    columns: dict[str, list[float]] = {name: [] for name in header}
    clock = time.process_time if options.clock == "cpu" else time.perf_counter
    for name in options.models:
        of = case(name, options.batch)
        rounds = speeds(of, options.rounds, 60 * options.minutes / len(options.models), clock)
        for one in rounds:
            for ratio in header:
                over, _, under = ratio.partition(" / ")
                if under and not ratio.startswith("memory"):
                    one[ratio] = one[over] / one[under]
        row = {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
        if not options.no_memory:
            ours, other = (peak(name, side, options) for side in ("exact", "captum"))
            row["memory: exact / captum"] = ours / other
        for key, column in columns.items():
            column.append(row[key])
        cells = [f"{row[key]:.2f}" for key in header]
        cells += [f"{of.fast.cosine:.4f} {of.fast.precision}"]
        cells += [f"{of.bf16.cosine:.4f} {of.bf16.precision}"]
        print(f"| {name} | " + " | ".join([*cells, str(len(rounds))]) + " |", flush=True)
    means = {key: statistics.geometric_mean(column) for key, column in columns.items()}
    cells = [f"{value:.2f}" for value in means.values()]
    print("| geometric mean | " + " | ".join([*cells, "", "", ""]) + " |\n")
    for side, (against_captum, against_singles) in TARGETS.items():
        parts = [f"{means[side]:.2f} × captum (target {against_captum})"]
        if against_singles:
            against = means[f"{side} / one by one"]
            parts.append(f"{against:.2f} × one by one (target {against_singles})")
        print(f"- {side}: " + ", ".join(parts))


def main() -> None:
    """Prints the table, or with ``--peak`` one number for the process that asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=6, help="for all rounds together")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    parser.add_argument("--mallopt", action="store_true")
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--peak", choices=list(SIDES), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.filterwarnings("ignore", module="captum")
    if options.mallopt and not keep_freed_memory():
        raise SystemExit("expected glibc for --mallopt; this is another C library: leave it out")
    if not options.peak:
        table(options)
        return
    of = case(options.models[0], options.batch)
    before = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak starts anew
    SIDES[options.peak](of)
    print(_resident("VmHWM") - before)


if __name__ == "__main__":
    main()
