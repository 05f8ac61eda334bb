"""Speed on one GPU: predictions, maps, decoding, and the batch that fits into memory.

    python -m benchmarks.gpu [--out gpu.txt] [--models resnet18 resnet50 mobilenet_v2] [--seconds 130]

Random weights with calibrated batch normalisation, 224 pixels. Each measurement runs for at least three
repetitions after two warm-ups; the median is printed. ``predict`` is ``AuditedModel.logits`` on decoded
uint8 images in page-locked memory, with the copy to the GPU and back. ``explain`` is Guided Grad-CAM for
two classes of each image, as the explain stage computes it for failures; captum computes one class per
call. Where captum is not installed, two plain passes with hooks stand in for it. The rest of the time is
for a data set of JPEGs: decoding alone, and the predict stage.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from auditor.audited_model import AuditedModel
from auditor.autograd.arithmetic import arithmetic
from auditor.autograd.device_memory import to_cpu
from auditor.autograd.recording import record
from auditor.autograd.target_layer import find_layer
from auditor.config import Arithmetic, AuditConfig, Preprocess
from auditor.explainers import explain_batch
from auditor.explainers.grad_cam import class_evidence
from auditor.imaging import prepare as resize
from auditor.imaging.properties import measure
from auditor.input_pipeline import batches
from auditor.model_opening import open_model
from auditor.preparation import Prepared, prepare
from auditor.records.decisions import DecisionRule
from auditor.stages.predict import predict
from benchmarks.drawing import draw_maps
from benchmarks.generated_images import calibrated, write_audit

SIDE = 224
CLASSES = 1000
KINDS: tuple[Arithmetic, ...] = ("exact", "tf32", "amp")
PREDICT_BATCHES = (64, 256)
EXPLAIN_BATCH = 64
STAGE_BATCH = 64
Peer = Callable[[Tensor, Tensor], Tensor]


class Report:
    """Lines that are printed and kept."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, line: str) -> None:
        """Prints a line."""
        print(line, flush=True)
        self.lines.append(line)


def main() -> None:
    """Prints the tables and writes them to a file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--models", nargs="+", default=["resnet18", "resnet50", "mobilenet_v2"])
    parser.add_argument("--images", type=int, default=6000, help="of the data set of JPEGs")
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=130, help="after which nothing is begun")
    options = parser.parse_args()
    device, report = torch.device(options.device), Report()
    until = time.perf_counter() + options.seconds
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    report.add(f"{name}, torch {torch.__version__}, {SIDE} pixels, images/s (median)")
    try:
        for architecture in options.models:
            if time.perf_counter() < until:
                _model(architecture, device, report)
        if device.type == "cuda" and time.perf_counter() < until:
            _halving(device, report)
        if time.perf_counter() < until:
            _stage(options, device, report)
    finally:
        if options.out is not None:
            options.out.write_text("\n".join(report.lines) + "\n", encoding="utf-8")


def _model(architecture: str, device: torch.device, report: Report) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (max(PREDICT_BATCHES), 3, SIDE, SIDE), generator=generator)
    pixels = images.to(torch.uint8)
    network = calibrated(architecture, pixels[:16].float() / 255, CLASSES).to(device)
    pixels = pixels.pin_memory() if device.type == "cuda" else pixels
    model = _audited(network, device)
    report.add(f"\n{architecture}")
    for size in PREDICT_BATCHES:
        for kind in KINDS:
            own = replace(model, precision=kind, batch_size=size)
            speed = _speed(partial(own.logits, pixels[:size]), size, device)
            report.add(f"  predict, {kind:5}, batch {size:3}: {speed:8.0f}")
    exact = model.probabilities(pixels)
    for kind in KINDS[1:]:
        difference = np.abs(replace(model, precision=kind).probabilities(pixels) - exact).max()
        report.add(f"  largest difference of a probability, {kind}: {difference:.2g}")
    inputs = model.inputs(pixels[: PREDICT_BATCHES[1]])
    for name, settings in _layouts(network, inputs, device).items():
        report.add(f"  bare forward, {name:22}: {_speed(settings, len(inputs), device):8.0f}")
    _explain(model, pixels[:EXPLAIN_BATCH], report)


def _audited(network: nn.Module, device: torch.device, batch_size: int = 256) -> AuditedModel:
    return AuditedModel(
        module=network,
        rule=DecisionRule.single_label([str(k) for k in range(CLASSES)]),
        layer=find_layer(network, torch.rand(1, 3, SIDE, SIDE, device=device)),
        preprocess=Preprocess(),
        device=device,
        batch_size=batch_size,
        workers=0,
    )


def _layouts(
    network: nn.Module, inputs: Tensor, device: torch.device
) -> dict[str, Callable[[], object]]:
    """Plain forward passes in both layouts and each arithmetic."""

    def forward(layout: torch.memory_format, kind: Arithmetic) -> object:
        with torch.inference_mode(), arithmetic(device, kind):
            return network(inputs.contiguous(memory_format=layout))

    layouts = {"NCHW": torch.contiguous_format, "channels-last": torch.channels_last}
    return {
        f"{kind}, {name}": partial(forward, layout, kind)
        for kind in KINDS
        for name, layout in layouts.items()
    }


def _explain(model: AuditedModel, pixels: Tensor, report: Report) -> None:
    inputs, module, device = model.inputs(pixels), model.module, model.device
    n = len(inputs)
    targets = torch.arange(n, device=device) % CLASSES
    pairs = [(row, target % CLASSES) for row in range(n) for target in (row, row + 7)]
    ours = _speed(lambda: explain_batch(module, inputs, pairs, model.layer), 2 * n, device)
    report.add(f"  Guided Grad-CAM, batch {n}, maps/s: {ours:.0f}, on the CPU in the end")
    _breakdown(model, inputs, targets, report)
    for name, peer in _peers(module, module.get_submodule(model.layer.name)).items():
        for kind in KINDS[:2]:
            for copied in (False, True):

                def other(
                    peer: Peer = peer, kind: Arithmetic = kind, *, copied: bool = copied
                ) -> object:
                    with arithmetic(device, kind):
                        maps = peer(inputs, targets)
                        return maps.cpu() if copied else maps

                theirs, where = _speed(other, n, device), "CPU" if copied else "GPU"
                report.add(f"    {name}, {kind:5}, on the {where} in the end: {theirs:.0f}")
    found = explain_batch(module, inputs, pairs, model.layer)
    views = pixels.permute(0, 2, 3, 1).numpy()
    drawing = 2 * _speed(partial(draw_maps, views, found), n, torch.device("cpu"))
    report.add(f"  drawing them, maps/s: {drawing:.0f}")


def _breakdown(model: AuditedModel, inputs: Tensor, targets: Tensor, report: Report) -> None:
    """Time of each step of explaining one target per image."""
    steps = ["forward", "Grad-CAM", "guided gradient", "copy"]
    found: list[NDArray[np.float64]] = []
    for _ in range(7):
        at = [time.perf_counter()]

        def done(at: list[float] = at) -> None:
            if model.device.type == "cuda":
                torch.cuda.synchronize()
            at.append(time.perf_counter())

        with record(model.module, inputs, model.layer) as recording:
            done()
            class_evidence(recording, targets)
            done()
            gradient = recording.input_gradient(targets, "guided")
            done()
            to_cpu(gradient)
            done()
        found.append(np.diff(at) * 1000)
    took = np.median(found[2:], axis=0)
    named = ", ".join(f"{name} {one:.1f}" for name, one in zip(steps, took, strict=True))
    report.add(f"    of one target per image, ms: {named}")


def _peers(module: nn.Module, layer: nn.Module) -> dict[str, Peer]:
    """Other implementations of Guided Grad-CAM: one target per image."""
    peers: dict[str, Peer] = {"two plain passes with hooks": partial(_with_hooks, module, layer)}
    if find_spec("captum"):
        from captum.attr import GuidedGradCam

        captum = GuidedGradCam(module, layer)
        peers["captum"] = lambda inputs, targets: captum.attribute(
            inputs, target=targets, interpolate_mode="bilinear"
        )
    return peers


def _with_hooks(module: nn.Module, layer: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    """Grad-CAM in one pass and guided backpropagation in another."""
    kept: list[Tensor] = []
    handle = layer.register_forward_hook(lambda _, __, output: kept.append(output))
    scores = module(inputs).gather(1, targets[:, None]).sum()
    handle.remove()
    (gradient,) = torch.autograd.grad(scores, kept[0])
    cam = (gradient.mean((2, 3), keepdim=True) * kept[0]).sum(1, keepdim=True).relu()

    def guided(_: nn.Module, signals: tuple[Tensor, ...], __: object) -> tuple[Tensor, ...]:
        return (signals[0].clamp(min=0),)

    relus = [one for one in module.modules() if isinstance(one, nn.ReLU | nn.ReLU6)]
    places = [one.inplace for one in relus]
    for one in relus:
        one.inplace = False
    handles = [one.register_full_backward_hook(guided) for one in relus]
    leaf = inputs.clone().requires_grad_()
    (detail,) = torch.autograd.grad(module(leaf).gather(1, targets[:, None]).sum(), leaf)
    for own in handles:
        own.remove()
    for one, place in zip(relus, places, strict=True):
        one.inplace = place
    large = nn.functional.interpolate(cam, inputs.shape[-2:], mode="bilinear")
    return (detail * large).detach()


def _speed(run: Callable[[], object], images: int, device: torch.device) -> float:
    """Images per second: the median of at least three repetitions, for about half a second."""

    def timed() -> float:
        start = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    timed(), timed()  # warm-up
    took = [timed() for _ in range(3)]
    while sum(took) < 0.5:
        took.append(timed())
    return images / statistics.median(took)


def _halving(device: torch.device, report: Report) -> None:
    """The batch that is found where 4 GB of memory are allowed."""
    total = torch.cuda.get_device_properties(0).total_memory
    network = calibrated("resnet50", torch.rand(8, 3, SIDE, SIDE), CLASSES).to(device)
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(4e9 / total)
    model = _audited(network, device, 2048)
    pixels = torch.zeros((2048, 3, SIDE, SIDE), dtype=torch.uint8)
    start = time.perf_counter()
    model.logits(pixels)
    model.cams(pixels[:512], np.zeros(512, np.int64))
    report.add(
        f"\nresnet50 with 4 GB, from a batch of 2048: {model._forward_passes.most} images in a "  # noqa: SLF001
        f"forward pass and {model._gradient_passes.most} with gradient, after "  # noqa: SLF001
        f"{time.perf_counter() - start:.1f} s"
    )
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


def _stage(options: argparse.Namespace, device: torch.device, report: Report) -> None:
    """Decoding alone, and the predict stage, on JPEGs of about 500 × 375 pixels."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_audit(Path(folder), options.images, 0.2, "resnet18", SIDE)
        config = AuditConfig.load(
            path,
            [f"device={device.type}", f"batch_size={STAGE_BATCH}", f"workers={options.workers}"],
        )
        prepared = prepare(config)
        model = open_model(prepared).model
        rows = np.arange(len(prepared.dataset), dtype=np.int64)
        report.add(
            f"\n{options.images} JPEGs, {options.workers} workers, batches of {STAGE_BATCH}, resnet18"
        )
        for measured in (False, True):
            start = time.perf_counter()
            first = 0.0
            for _ in batches(
                prepared.dataset,
                rows,
                prepared.preprocess,
                batch_size=STAGE_BATCH,
                workers=options.workers,
                pinned=device.type == "cuda",
                measured=measured,
            ):
                first = first or time.perf_counter() - start
            took = time.perf_counter() - start
            what = "decoding and measuring" if measured else "decoding"
            report.add(
                f"  {what}: {len(rows) / took:8.0f}; after the first batch ({first:.2f} s): "
                f"{(len(rows) - STAGE_BATCH) / (took - first):.0f}"
            )
        report.add(f"  one thread, ms per image: {_one_thread(prepared, rows[:64])}")
        for kind in (KINDS[0], KINDS[2]):
            own = replace(model, precision=kind)
            start = time.perf_counter()
            with tempfile.TemporaryDirectory() as shards:
                predict(own, prepared.dataset, prepared.codes, Path(shards), lambda _: None)
            speed = options.images / (time.perf_counter() - start)
            report.add(f"  predict stage, {kind:5}: {speed:8.0f}")


def _one_thread(prepared: Prepared, rows: NDArray[np.int64]) -> str:
    """Time of each part of decoding in this process, while the other cores are idle."""
    images, wanted = prepared.dataset.images, prepared.preprocess
    start = time.perf_counter()
    decoded = [images[int(row)] for row in rows]
    opened = time.perf_counter()
    for one in decoded:
        resize(one.image, wanted.resize, wanted.crop, wanted.interpolation)
    resized = time.perf_counter()
    for one in decoded:
        measure(one.image, one.stored)
    ends = np.diff([start, opened, resized, time.perf_counter()]) * 1000 / len(rows)
    return "decode {:.2f}, resize and crop {:.2f}, measure {:.2f}".format(*ends)


if __name__ == "__main__":
    main()
