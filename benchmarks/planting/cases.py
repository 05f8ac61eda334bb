"""One planted case: images divided, a network trained on a shortcut, the audit of it."""

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
"""Attributes that are drawn at random, with their values."""
_ADAPTER = "planted"
_AT_ONCE = 256
_BATCH, _RATE = 64, 5e-3
_EPOCHS = 8


@dataclass(frozen=True)
class Case:
    """A trained network with the images it is audited on.

    Attributes:
        pool: where the images come from.
        shortcut: what was planted.
        target: the class that it goes along with in training.
        images: (n, H, W, 3) uint8, as audited.
        label: (n,) indices.
        carries: (n,) who carries it.
        net: in eval mode.
        shares: (n, K) predicted probabilities.
        fall: accuracy on audited images of other classes without it, minus with it drawn into all
            of them: what the network makes of it.
        seed: of everything drawn.
        trained: images (m, H, W, 3) of the training.
        trained_label: (m,) labels as the training saw them.
        trained_carries: (m,).
    """

    pool: Pool
    shortcut: Shortcut
    target: int
    images: NDArray[np.uint8]
    label: NDArray[np.int64]
    carries: NDArray[np.bool_]
    net: nn.Sequential
    shares: NDArray[np.float32]
    fall: float
    seed: int
    trained: NDArray[np.uint8]
    trained_label: NDArray[np.int64]
    trained_carries: NDArray[np.bool_]

    @property
    def failure(self) -> NDArray[np.bool_]:
        """(n,) who is misclassified."""
        return np.asarray(self.shares.argmax(1) != self.label)

    @property
    def gap(self) -> float:
        """Error rate of those that carry it minus that of the others, but for the target's.

        A mark that stands for a class helps that class.
        """
        other = self.label != self.target
        inside, outside = other & self.carries, other & ~self.carries
        return float(self.failure[inside].mean() - self.failure[outside].mean())

    @property
    def slices(self) -> list[NDArray[np.bool_]]:
        """(n,) each: who is misled by it, and, for a mark, who misses it."""
        misled = self.carries & (self.label != self.target)
        if self.shortcut.kind != "mark":
            return [self.carries]
        return [misled, ~self.carries & (self.label == self.target)]

    def features(self) -> NDArray[np.float32]:
        """(n, C) what the last layer before the linear one says."""
        with torch.inference_mode():
            found: NDArray[np.float32] = self.net[:-1](_inputs(self.images)).numpy()
        return found

    def cams(self) -> NDArray[np.float32]:
        """(n, h, w) unnormalised Grad-CAMs of what each image is called."""
        layer = find_layer(self.net, _inputs(self.images[:1]))
        targets = torch.as_tensor(self.shares.argmax(1))
        parts = []
        for start in range(0, len(self.images), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            with record(self.net, _inputs(self.images[some]), layer) as recording:
                parts.append(class_evidence(recording, targets[some]).clamp(min=0).numpy())
        return np.concatenate(parts)


def planted(
    pool: Pool, shortcut: Shortcut, strength: float, seed: int, *, training: int, audited: int
) -> Case:
    """Divides the images, plants and trains.

    Args:
        pool: the images.
        shortcut: what to plant.
        strength: 0 plants nothing: who carries it is drawn as in the audited images.
        seed: of everything drawn.
        training: images to train on.
        audited: images to audit, at most; fewer where there are no more.
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
    others = pool.images[rest][pool.label[rest] != target]
    other_label = pool.label[rest][pool.label[rest] != target]
    without, with_it = (
        float((shares_of(net, seen).argmax(1) == other_label).mean())
        for seen in (others, shortcut.applied(others, np.ones(len(others), dtype=bool)))
    )
    return Case(
        pool,
        shortcut,
        target,
        images,
        pool.label[rest],
        on_rest,
        net,
        shares_of(net, images),
        without - with_it,
        seed,
        drawn,
        label,
        on_first,
    )


def audited(case: Case, folder: Path, *, annotated: bool) -> AuditResult:
    """Audits a case as a user would; see ``as_audit``."""
    run = folder / ("annotated" if annotated else "hidden")
    prepared = as_audit(case, folder, annotated=annotated)
    return runner.audit(prepared, run, overwrite=True).read_result()


def as_audit(case: Case, folder: Path, *, annotated: bool) -> Prepared:
    """A case as an audit of image files.

    Two innocent attributes are there in any case: one of two values, one of four.

    Args:
        case: what to audit.
        folder: for the images.
        annotated: whether the audit is told who carries the planted thing.
    """
    (folder / "images").mkdir(parents=True, exist_ok=True)
    names = [f"{row:05d}.png" for row in range(len(case.label))]
    for name, image in zip(names, case.images, strict=True):
        Image.fromarray(image).save(folder / "images" / name)
    # Drawn anew for each shortcut: cases of one seed would else share their chance findings.
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


def shares_of(net: nn.Module, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Softmax probabilities (n, K) for images (n, H, W, 3)."""
    with torch.inference_mode():
        found: NDArray[np.float32] = net(_inputs(images)).softmax(1).numpy()
    return found
