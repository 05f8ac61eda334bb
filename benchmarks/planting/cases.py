"""Planted cases: a network trained on images with a shortcut, and its audit."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn
from torch.nn.functional import cross_entropy

from auditor import runner
from auditor.autograd.recording import record
from auditor.autograd.target_layer import find_layer
from auditor.classifiers import Classifier
from auditor.config import (
    AuditConfig,
    DataSection,
    ExplainSection,
    ModelSection,
    Preprocess,
    ReportSection,
)
from auditor.datasets.images import FileImages
from auditor.demo.networks import digits_net
from auditor.explainers.grad_cam import class_evidence
from auditor.preparation import Prepared, match
from auditor.records import AuditResult, Dataset
from benchmarks.planting.pools import Pool
from benchmarks.planting.shortcuts import Shortcut

ATTRIBUTE = "planted"
INNOCENT = {
    "coin": ("head", "tail"),
    "card": ("clubs", "diamonds", "hearts", "spades"),
}
"""Random attributes with their values, independent of everything else."""
_ADAPTER = "planted"
_CHUNK = 256
"""Images that are explained at a time."""
_BATCH, _RATE = 64, 5e-3
_EPOCHS = 8


@dataclass(frozen=True)
class Case:
    """A trained network with the images it is audited on.

    Attributes:
        pool: where the images come from.
        shortcut: the planted shortcut.
        target: index of the class that it correlates with in training.
        images: (n, H, W, 3) uint8, audited images.
        label: (n,) indices.
        carries: (n,) whether an image has the shortcut.
        net: the network in evaluation mode.
        probabilities: (n, K) predicted probabilities.
        accuracy_drop: accuracy on audited images of other classes without the shortcut, minus with it:
            how much the network relies on it.
        seed: seed of all random numbers.
        trained: (m, H, W, 3) uint8, training images.
        trained_label: (m,) labels used for training.
        trained_carries: (m,) whether a training image has the shortcut.
    """

    pool: Pool
    shortcut: Shortcut
    target: int
    images: NDArray[np.uint8]
    label: NDArray[np.int64]
    carries: NDArray[np.bool_]
    net: nn.Sequential
    probabilities: NDArray[np.float32]
    accuracy_drop: float
    seed: int
    trained: NDArray[np.uint8]
    trained_label: NDArray[np.int64]
    trained_carries: NDArray[np.bool_]

    @property
    def failure(self) -> NDArray[np.bool_]:
        """(n,) whether an image is misclassified."""
        return np.asarray(self.probabilities.argmax(1) != self.label)

    @property
    def gap(self) -> float:
        """Error rate of images with the shortcut minus that of the others, without the target class.

        A mark that correlates with a class helps that class.
        """
        other = self.label != self.target
        inside, outside = other & self.carries, other & ~self.carries
        return float(self.failure[inside].mean() - self.failure[outside].mean())

    @property
    def slices(self) -> list[NDArray[np.bool_]]:
        """(n,) each: images that it misleads and, for a mark, images of the target class without it."""
        misled = self.carries & (self.label != self.target)
        if self.shortcut.kind != "mark":
            return [self.carries]
        return [misled, ~self.carries & (self.label == self.target)]

    def features(self) -> NDArray[np.float32]:
        """(n, C) outputs of the layer before the last linear one."""
        with torch.inference_mode():
            found: NDArray[np.float32] = self.net[:-1](_inputs(self.images)).numpy()
        return found

    def cams(self) -> NDArray[np.float32]:
        """(n, h, w) unnormalised Grad-CAMs of the predicted classes."""
        layer = find_layer(self.net, _inputs(self.images[:1]))
        targets = torch.as_tensor(self.probabilities.argmax(1))
        parts = []
        for start in range(0, len(self.images), _CHUNK):
            some = slice(start, start + _CHUNK)
            with record(self.net, _inputs(self.images[some]), layer) as recording:
                parts.append(class_evidence(recording, targets[some]).clamp(min=0).numpy())
        return np.concatenate(parts)


def planted(
    pool: Pool, shortcut: Shortcut, strength: float, seed: int, *, training: int, audited: int
) -> Case:
    """Divides the images, plants the shortcut and trains a network.

    Args:
        pool: the images.
        shortcut: the shortcut to plant.
        strength: 0 to 1; at 0 it does not correlate with the label.
        seed: seed of all random numbers.
        training: number of images to train on.
        audited: largest number of images to audit.
    """
    name = zlib.crc32(f"{shortcut.name} {len(pool.label)}".encode())
    generator = np.random.default_rng([seed, round(100 * strength), name])
    order = generator.permutation(len(pool.label))
    first, rest = order[:training], order[training : training + audited]
    target = int(generator.integers(len(pool.classes)))
    truth = pool.label[first]
    on_first = shortcut.carriers(truth, target, strength, generator, training=True)
    label = truth.copy()
    if shortcut.kind == "mislabelled":
        label[on_first & (generator.random(len(first)) < strength)] = target
    drawn = shortcut.applied(pool.images[first], on_first)
    net = _trained(drawn, label, len(pool.classes), seed)
    on_rest = shortcut.carriers(pool.label[rest], target, strength, generator, training=False)
    images = shortcut.applied(pool.images[rest], on_rest)
    other = rest[pool.label[rest] != target]
    return Case(
        pool=pool,
        shortcut=shortcut,
        target=target,
        images=images,
        label=pool.label[rest],
        carries=on_rest,
        net=net,
        probabilities=predict_probabilities(net, images),
        accuracy_drop=_accuracy_drop(net, shortcut, pool.images[other], pool.label[other]),
        seed=seed,
        trained=drawn,
        trained_label=label,
        trained_carries=on_first,
    )


def _accuracy_drop(
    net: nn.Module, shortcut: Shortcut, images: NDArray[np.uint8], label: NDArray[np.int64]
) -> float:
    """Accuracy on images without the shortcut, minus with it on all of them."""
    with_it = shortcut.applied(images, np.ones(len(images), dtype=bool))
    accuracies = [
        float((predict_probabilities(net, each).argmax(1) == label).mean())
        for each in (images, with_it)
    ]
    return accuracies[0] - accuracies[1]


def audited(case: Case, folder: Path, *, annotated: bool) -> AuditResult:
    """Audits a case as a user would; see `as_audit`."""
    run = folder / ("annotated" if annotated else "hidden")
    prepared = as_audit(case, folder, annotated=annotated)
    return runner.audit(prepared, run, overwrite=True).read_result()


def as_audit(case: Case, folder: Path, *, annotated: bool) -> Prepared:
    """Prepares the audit of a case from image files.

    There are two innocent attributes in any case: one with two values, one with four.

    Args:
        case: the case to audit.
        folder: where to write the images.
        annotated: whether the shortcut is an annotated attribute.
    """
    (folder / "images").mkdir(parents=True, exist_ok=True)
    names = [f"{row:05d}.png" for row in range(len(case.label))]
    for name, image in zip(names, case.images, strict=True):
        Image.fromarray(image).save(folder / "images" / name)
    # Seeded by the shortcut too; otherwise the cases of one seed would share their chance findings.
    generator = np.random.default_rng([case.seed, zlib.crc32(case.shortcut.name.encode())])

    def described(carries: NDArray[np.bool_], label: NDArray[np.int64]) -> pd.DataFrame:
        table = pd.DataFrame({"label": [case.pool.classes[code] for code in label]})
        if annotated:
            table[ATTRIBUTE] = np.where(carries, "yes", "no")
        for name, values in INNOCENT.items():
            table[name] = generator.choice(values, len(label))
        return table

    samples = described(case.carries, case.label)
    attributes = tuple(samples.columns[1:])
    samples.insert(0, "path", names)
    samples.index = pd.Index(names, name="sample")
    config = AuditConfig(
        name="planted",
        model=ModelSection(adapter=_ADAPTER, classes=case.pool.classes),
        data=DataSection(adapter=_ADAPTER),
        preprocess=Preprocess(),
        explain=ExplainSection(contrast=False, trust_samples=0, units=0, mean_samples=30),
        report=ReportSection(formats=()),
        seed=case.seed,
        batch_size=128,
        workers=0,
        device="cpu",
    )
    dataset = Dataset(
        samples=samples,
        images=FileImages.of(folder / "images", names),
        attributes=attributes,
        adapter=_ADAPTER,
        reference=described(case.trained_carries, case.trained_label),
    )
    classifier = Classifier(module=case.net, adapter=_ADAPTER, description="a planted case")
    return match(config, dataset, classifier)


def _trained(
    images: NDArray[np.uint8], label: NDArray[np.int64], n_classes: int, seed: int
) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = digits_net(n_classes)
    assert isinstance(net, nn.Sequential)
    inputs, targets = _inputs(images), torch.tensor(label)
    generator = torch.Generator().manual_seed(seed)
    steps = len(inputs) // _BATCH
    optimizer = torch.optim.AdamW(net.parameters(), lr=_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=_EPOCHS * steps)
    net.train()
    for _ in range(_EPOCHS):
        for batch in torch.randperm(len(inputs), generator=generator)[: steps * _BATCH].view(
            steps, _BATCH
        ):
            loss = cross_entropy(net(inputs[batch]), targets[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return net.eval()


def _inputs(images: NDArray[np.uint8]) -> torch.Tensor:
    return torch.tensor(images).permute(0, 3, 1, 2).float().div(255)


def predict_probabilities(net: nn.Module, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Softmax probabilities (n, K) for images (n, H, W, 3)."""
    with torch.inference_mode():
        found: NDArray[np.float32] = net(_inputs(images)).softmax(1).numpy()
    return found
