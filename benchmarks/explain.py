"""Speed of Guided Grad-CAM against captum, pytorch-grad-cam and bare torch, in one run.

    python -m benchmarks.explain [--models resnet18 vgg16 …] [--batch 32] [--rounds 3] [--minutes 6]
        [--threads 1 --clock cpu] [--mallopt] [--no-memory]

Random weights, 224 pixels, float32. In every round, each contender runs once, in alternating order.
The table shows captum's time divided by that of each contender in the same round, as a median over
the rounds. Each model has its share of the minutes, and at least one round. On a busy machine,
``--threads 1 --clock cpu`` measures processor time instead of wall time. With ``--mallopt``, glibc keeps
freed memory, for all contenders. Peak memory is measured in a new process per contender (the highest
resident size minus that before the call).

Contenders: ``exact``, ``fast`` and ``bf16`` are ``auditor.explain`` in these precisions (the copies are
made before the measurement); ``two targets`` is ``explain_batch`` for two classes per image (compared
with one call of captum); ``forward`` and ``forward + gradient`` are bare torch; ``one by one`` is
pytorch-grad-cam as in its README, GradCAM and GuidedBackpropReLUModel image by image, timed on four
images and scaled to the batch.
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
"""Images on which ``one by one`` is timed."""
TARGETS: dict[str, tuple[float, float | None]] = {
    "exact": (2.4, 3.5),
    "fast": (3.0, 5.0),
    "bf16": (4.5, None),
}
"""Target of the geometric mean of the speed-ups: over captum, and over ``one by one``."""


@dataclass(frozen=True)
class Case:
    """A model with images and targets."""

    model: nn.Module
    images: Tensor
    targets: Tensor
    layer: TargetLayer

    @cached_property
    def fast(self) -> Accelerated:
        """The copy with folded batch normalisation."""
        return accelerate(self.model, self.images, "fast", self.layer)

    @cached_property
    def bf16(self) -> Accelerated:
        """The copy in bfloat16, if it is accurate enough."""
        return accelerate(self.model, self.images, "bf16", self.layer)

    def explained(self, model: nn.Module) -> None:
        """Explains one target per image."""
        explain(model, self.images, self.targets, "guided-grad-cam", self.layer)

    def two_targets(self) -> None:
        """Explains two targets per image from one forward pass."""
        rows = range(len(self.images))
        pairs = [(row, target) for row in rows for target in (row, row + 1)]
        explain_batch(self.model, self.images, pairs, self.layer)

    def captum(self) -> None:
        """Captum's Guided Grad-CAM on the same layer, with the same upsampling."""
        from captum.attr import GuidedGradCam

        GuidedGradCam(self.model, self.model.get_submodule(self.layer.name)).attribute(
            self.images, target=self.targets, interpolate_mode="bilinear"
        )

    def one_by_one(self) -> None:
        """pytorch-grad-cam, image by image; on a copy, because it patches the model."""
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
        """A forward pass."""
        with torch.no_grad():
            self.model(self.images)

    def gradient(self) -> None:
        """A forward pass and a plain gradient, the minimum of any gradient method."""
        leaf = self.images.clone().requires_grad_()
        scores = self.model(leaf).gather(1, self.targets[:, None])
        torch.autograd.grad(scores.sum(), leaf)


CONTENDERS: dict[str, Callable[[Case], None]] = {
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
    """Captum's time divided by that of each contender, for each round."""
    small = Case(of.model, of.images[:2], of.targets[:2], of.layer)
    for run in CONTENDERS.values():
        run(small)  # warm-up
    of.fast, of.bf16  # noqa: B018  # made before the measurement
    found: list[dict[str, float]] = []
    began = time.perf_counter()
    while len(found) < rounds:
        took = {}
        for contender in list(CONTENDERS) if len(found) % 2 else reversed(CONTENDERS):
            start = clock()
            CONTENDERS[contender](of)
            took[contender] = clock() - start
        took["one by one"] *= len(of.images) / min(SINGLES, len(of.images))
        found.append({name: took["captum"] / own for name, own in took.items()})
        spent = time.perf_counter() - began
        if spent * (len(found) + 1) / len(found) > seconds:
            break
    return found


def peak(name: str, contender: str, options: argparse.Namespace) -> int:
    """Peak memory of one contender in its own process, in bytes."""
    command = [sys.executable, "-m", "benchmarks.explain", "--peak", contender, "--models", name]
    command += ["--batch", str(options.batch), "--threads", str(options.threads)]
    command += ["--mallopt"] if options.mallopt else []
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    return int(done.stdout)


def _resident(field: str) -> int:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    found = re.search(rf"{field}:\s+(\d+)", status)
    assert found is not None, "peak memory can only be measured on Linux"
    return int(found[1]) * 1024


def table(options: argparse.Namespace) -> None:
    """Measures, and prints the table."""
    print(
        f"Captum's time divided by that of each contender ({options.clock} clock), batch "
        f"{options.batch}, 224 pixels, {options.threads} threads, torch {torch.__version__}, "
        f"mallopt {'for all' if options.mallopt else 'for none'}\n"
    )
    header = [*list(CONTENDERS)[1:], "exact / one by one", "fast / one by one", "exact / forward"]
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
            ours, other = (peak(name, one, options) for one in ("exact", "captum"))
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
    for precision, (over_captum, over_singles) in TARGETS.items():
        parts = [f"{means[precision]:.2f} × captum (target {over_captum})"]
        if over_singles:
            reached = means[f"{precision} / one by one"]
            parts.append(f"{reached:.2f} × one by one (target {over_singles})")
        print(f"- {precision}: " + ", ".join(parts))


def main() -> None:
    """Prints the table, or with ``--peak`` a single number for the parent process."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=6, help="for all rounds together")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    parser.add_argument("--mallopt", action="store_true")
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--peak", choices=list(CONTENDERS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.filterwarnings("ignore", module="captum")
    if options.mallopt and not keep_freed_memory():
        raise SystemExit(
            "--mallopt: expected glibc; this system has another C library: omit the option"
        )
    if not options.peak:
        table(options)
        return
    of = case(options.models[0], options.batch)
    before = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # resets the peak
    CONTENDERS[options.peak](of)
    print(_resident("VmHWM") - before)


if __name__ == "__main__":
    main()
