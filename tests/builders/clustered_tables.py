"""Tables of images that come in clusters, such as those of patients, with attributes dealt at random."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from auditor.checks import Check
from auditor.config import SliceSection
from auditor.preparation import select_checks
from auditor.selftest import Tables

CLASSES = ("healthy", "ill")


def clustered_samples(
    seed: int,
    *,
    clusters: int = 60,
    size: int = 12,
    rate: float = 0.15,
    correlation: float = 0.4,
    gap: float = 0.0,
    constant: bool = True,
) -> pd.DataFrame:
    """Draws samples as `find_failures` returns them, with the cluster in ``data.group``.

    Args:
        seed: of the draw.
        clusters: how many.
        size: images of each.
        rate: failure rate.
        correlation: intra-class correlation of failures (beta-binomial).
        gap: failure rate with ``site = A`` less that of the others.
        constant: whether the attributes are constant in a cluster, or dealt to single images.
    """
    generator = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(clusters), size)
    n = len(cluster)
    of_unit = cluster if constant else np.arange(n)
    units = int(of_unit.max()) + 1
    site = generator.choice(["A", "B", "C"], units, p=[0.3, 0.4, 0.3])[of_unit]
    camera = generator.choice(["old", "new"], units)[of_unit]
    scale = 1 / correlation - 1
    risk = generator.beta(rate * scale, (1 - rate) * scale, clusters)[cluster]
    failure = generator.random(n) < np.minimum(risk + gap * (site == "A"), 1)
    label = generator.integers(0, 2, n)
    predicted = np.where(failure, 1 - label, label)
    confidence = np.where(failure, generator.beta(6, 3, n), generator.beta(12, 2, n))
    confidence = np.clip(confidence, 0.51, 0.999)
    own = np.where(failure, 1 - confidence, confidence)
    return pd.DataFrame(
        {
            "sample": [f"s{k:04d}" for k in range(n)],
            "path": [f"s{k:04d}.png" for k in range(n)],
            "label": pd.Categorical.from_codes(label, pd.Index(CLASSES)),
            "predicted": pd.Categorical.from_codes(predicted, pd.Index(CLASSES)),
            "confidence": confidence,
            "loss": -np.log(own),
            "failure": failure,
            "data.group": [f"patient {k}" for k in cluster],
            "site": site,
            "camera": camera,
        }
    )


def tables_of(samples: pd.DataFrame, checks: Mapping[str, Check] | None = None) -> Tables:
    """The samples, sliced; they count as independent until ``in_clusters``."""
    if checks is None:
        checks, _ = select_checks({})
    label = samples["label"].cat.codes.to_numpy()
    confidence = samples["confidence"].to_numpy(dtype=np.float32)
    predicted = samples["predicted"].cat.codes.to_numpy()
    assert set(np.unique(label)) <= {0, 1}
    shares = np.stack([np.where(predicted == k, confidence, 1 - confidence) for k in (0, 1)], 1)
    return Tables.of(
        samples, CLASSES, ("site", "camera"), checks, SliceSection(), probabilities=shares
    )
