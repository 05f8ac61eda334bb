"""Audit data with a hidden group of images that shows in the features and in the pixels."""

from __future__ import annotations

import numpy as np
from builders.image_evidence import Model, audit_data
from numpy.typing import NDArray

from auditor.records import AuditData

N = 1200


def hidden_group(seed: int = 0) -> NDArray[np.bool_]:
    """A random fifth of the samples."""
    return np.random.default_rng(99 + seed).random(N) < 0.2


def with_hidden_group(
    chance: NDArray[np.float64],
    hidden: NDArray[np.bool_],
    seed: int,
    *,
    annotated: bool = False,
) -> AuditData:
    """Samples of three classes, with a bright lower right corner in the images of a group.

    Args:
        chance: (N,) probability of failure of each sample.
        hidden: (N,) members of the group.
        seed: random seed.
        annotated: whether the attribute ``group`` says who is a member; otherwise it is arbitrary.
    """
    random = np.random.default_rng(seed)
    label = np.arange(N) % 3
    fails = random.random(N) < chance
    predicted = np.where(fails, (label + 1) % 3, label)
    share = np.where(np.arange(3) == predicted[:, None], 0.9, 0.05)
    features = random.normal(0, 1, (N, 12)).astype(np.float32)
    features[:, 0] += 3 * label
    features[:, 1] += 4 * hidden
    images = random.integers(80, 120, (N, 3, 16, 16), dtype=np.uint8)
    images[hidden, :, 12:, 12:] += 100
    model = Model(images, lambda some: np.ones((len(some), 3)) / 3, features)
    group = np.where(hidden if annotated else np.arange(N) % 7 < 3, "in", "out")
    return audit_data(label, share, {"group": group}, model=model, seed=seed)
