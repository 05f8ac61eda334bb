"""False alarms and power of `covariate-shift`, on drawn shapes.

    python benchmarks/shift.py [AUDITS [KIND…]]

Prints the share of audits in which each test is reported, with its 95 % interval:

- ``new``: reference and audited images of one distribution; the network has seen neither.
- ``trained``: the same; the network was trained on the reference until it knows it by heart.
- ``clusters``: as ``new``, eight images of one background a cluster.
- ``brighter``: the audited images are brighter by a tenth.
- ``backgrounds``: the audited images have other backgrounds; the network was trained on the reference.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from auditor.checks.covariate_shift import CovariateShift
from auditor.records import AuditData, Clusters, DecodedImage, Images
from auditor.records.predictions import GROUP
from auditor.records.small_copies import Detail, KeptCopies
from auditor.statistics import proportion

Pixels = NDArray[np.uint8]
CLASSES = ("square", "disc", "cross")
SIDE = 24


def shapes(
    rng: np.random.Generator, label: NDArray[np.int64], background: NDArray[np.float64]
) -> Pixels:
    """Shapes (n, 24, 24, 3) on backgrounds of some brightness (n,), with noise."""
    y, x = np.mgrid[:SIDE, :SIDE]
    images = np.empty((len(label), SIDE, SIDE, 3))
    for k, (one, level) in enumerate(zip(label, background, strict=True)):
        dx, dy = x - rng.integers(9, 15), y - rng.integers(9, 15)
        size = rng.integers(4, 7)
        inside = (
            (np.abs(dx) <= size) & (np.abs(dy) <= size),
            dx**2 + dy**2 <= size**2,
            ((np.abs(dx) <= 1) | (np.abs(dy) <= 1)) & (np.maximum(np.abs(dx), np.abs(dy)) <= size),
        )[one]
        images[k] = np.where(inside[..., None], 255 - level, level)
    return np.clip(images + rng.normal(0, 40, images.shape), 0, 255).astype(np.uint8)


class Network(nn.Module):
    """Two convolutions and a head; `features` pools the maps of the last one."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Sequential(
            nn.Conv2d(3, 16, 5, 2, 2), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU()
        )
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(32 * (SIDE // 4) ** 2, len(CLASSES)))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (N, K)."""
        logits: torch.Tensor = self.head(self.maps(images))
        return logits


def trained(images: Pixels, label: NDArray[np.int64], steps: int) -> Network:
    """A network that was trained on images."""
    network = Network()
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    inputs, targets = _inputs(images), torch.from_numpy(label)
    for _ in range(steps):
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(inputs), targets).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return network.eval()


def _inputs(images: Pixels) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255 - 0.5


@dataclass(frozen=True)
class Stack:
    """Images in memory."""

    pixels: Pixels

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> DecodedImage:
        pixels = self.pixels[index]
        return DecodedImage(Image.fromarray(pixels), hashlib.sha256(pixels.tobytes()).hexdigest())


@dataclass(frozen=True)
class Access:
    """What the check asks of the model."""

    network: Network
    audited: Pixels

    def features(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Features of audited images."""
        return self._features(self.audited[rows])

    def features_of(self, images: Images, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Features of other images."""
        return self._features(np.stack([np.asarray(images[int(row)].image) for row in rows]))

    def probabilities_of(self, images: Images, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Probabilities of other images."""
        pixels = np.stack([np.asarray(images[int(row)].image) for row in rows])
        return predicted(self.network, pixels)

    def read_reference(self, rows: NDArray[np.int64], copies: KeptCopies, detail: Detail) -> None:
        """Reads nothing ahead."""

    def decide(self, probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
        """Predicted classes."""
        return np.asarray(probabilities.argmax(1), dtype=np.int64)

    def _features(self, pixels: Pixels) -> NDArray[np.float32]:
        with torch.no_grad():
            return np.asarray(self.network.maps(_inputs(pixels)).mean((2, 3)).numpy())


def predicted(network: Network, pixels: Pixels) -> NDArray[np.float64]:
    """Probabilities (n, K)."""
    with torch.no_grad():
        return np.asarray(network(_inputs(pixels)).softmax(1).double().numpy())


def audit(
    network: Network,
    reference: tuple[Pixels, NDArray[np.int64]],
    audited: tuple[Pixels, NDArray[np.int64]],
    seed: int,
    groups: Sequence[NDArray[np.int64]] | None = None,
) -> AuditData:
    """Audit data with reference images; groups of the reference and of the audited images."""
    pixels, label = audited
    choice = predicted(network, pixels).argmax(1)
    names = np.array(CLASSES)
    frame = pd.DataFrame(
        {
            "sample": [f"s{k}" for k in range(len(label))],
            "label": pd.Categorical(names[label], categories=list(CLASSES)),
            "predicted": pd.Categorical(names[choice], categories=list(CLASSES)),
            "confidence": 1.0,
            "loss": 0.0,
            "failure": choice != label,
        }
    )
    clusters = None
    if groups is not None:
        frame[GROUP] = [f"a{k}" for k in groups[1]]
        clusters = Clusters("background", groups[1])
    return AuditData(
        predictions=frame,
        classes=CLASSES,
        attributes=(),
        slices=(),
        reference=pd.DataFrame({"label": names[reference[1]]}),
        alpha=0.05,
        min_support=30,
        seed=seed,
        model=Access(network, pixels),  # type: ignore[arg-type]
        images=Stack(pixels),
        reference_images=Stack(reference[0]),
        reference_labels=tuple(names[reference[1]]),
        reference_groups=None if groups is None else tuple(f"r{k}" for k in groups[0]),
        clusters=clusters,
    )


def one_audit(kind: str, seed: int, n: int = 240) -> tuple[float, float, float, float]:
    """P-values and areas under the ROC curve of images and features in one simulated audit."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    group = np.arange(n) // 8 if kind == "clusters" else np.arange(n)
    labels = [rng.permutation(np.arange(n) % 3) for _ in range(2)]
    levels = [rng.uniform(40, 110, n)[group] for _ in range(2)]
    if kind == "brighter":
        levels[1] = levels[1] * 1.1
    if kind == "backgrounds":
        levels[1] = rng.uniform(90, 160, n)
    sides = [(shapes(rng, one, level), one) for one, level in zip(labels, levels, strict=True)]
    source = sides[0]
    if kind not in {"trained", "backgrounds"}:
        other = rng.permutation(np.arange(n) % 3)
        source = shapes(rng, other, rng.uniform(40, 110, n)), other
    network = trained(*source, steps=300 if kind == "trained" else 40)
    data = audit(network, sides[0], sides[1], seed, [group, group] if kind == "clusters" else None)
    images, features = CovariateShift().examine(data).claims
    assert images.effect is not None
    assert features.effect is not None
    return (
        images.p_value if images.p_value is not None else 1.0,
        features.p_value if features.p_value is not None else 1.0,
        images.effect.value,
        features.effect.value,
    )


KINDS = ("new", "trained", "clusters", "brighter", "backgrounds")


def main(audits: int, kinds: Sequence[str]) -> None:
    """Simulates audits of each kind and prints how often a shift is reported."""
    torch.set_num_threads(1)
    check = CovariateShift()
    for kind in kinds:
        found = np.array([one_audit(kind, seed) for seed in range(audits)])
        significant = found[:, :2] <= 0.025  # both tests share the level of 5 %
        reported = significant & (found[:, 2:] > (check.max_auroc, check.max_feature_auroc))
        for name, hits in (
            ("images, significant", significant[:, 0]),
            ("images, reported", reported[:, 0]),
            ("features, significant", significant[:, 1]),
            ("features, reported", reported[:, 1]),
            ("either, reported", reported.any(1)),
        ):
            share = proportion(int(hits.sum()), audits)[()]
            print(f"{kind}, {name}: {share.value:.3f} ({share.low:.3f}-{share.high:.3f})")
        means = found[:, 2:].mean(0)
        print(f"{kind}: mean area {means[0]:.2f} of images, {means[1]:.2f} of features", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400, sys.argv[2:] or KINDS)
