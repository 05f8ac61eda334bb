"""Failure map: the failures on a plane, by the features that the network has of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import svd

from auditor.comparisons.finding_slices import finding_slices, rows_of_slice
from auditor.evaluated_samples import EvaluatedSamples
from auditor.records import AuditData, EmbeddedFailure, FailureMap, Finding
from auditor.records.predictions import SAMPLE
from auditor.statistics import Floats, Integers

MIN_FAILURES = 20
"""With fewer failures, there is nothing to see."""
_MOST = 400
"""Failures on the map; of more, a random sample."""
_SLICES = 4
"""Slices on the map, those of the most severe findings."""


def failure_map(
    samples: EvaluatedSamples, audit: AuditData, failures: Integers, findings: Sequence[Finding]
) -> FailureMap | None:
    """Projects the features of the failures on their first two principal components.

    The features are the target layer's maps averaged over their places, each divided by its standard
    deviation among the failures.

    Args:
        samples: the evaluated samples.
        audit: the same as the checks see them, with the seed of the sample of the failures.
        failures: (n,) positions of the failures among them.
        findings: the most severe first; each failure is assigned to the first slice that holds it.

    Returns:
        The map; None with too few failures, or where all have the same features.
    """
    if len(failures) < MIN_FAILURES or audit.task == "multi-label":
        return None
    rows = np.sort(np.random.default_rng(audit.seed).permutation(failures)[:_MOST])
    plane = principal_plane(samples.features(rows).astype(np.float64))
    if plane is None:
        return None
    slices = finding_slices(findings)[:_SLICES]
    of_slice = np.full(len(audit.predictions), -1)
    for place, key in reversed(list(enumerate(slices))):
        of_slice[rows_of_slice(audit, key)] = place
    points, explained = plane
    ids = audit.predictions[SAMPLE].iloc[rows]
    return FailureMap(
        method="pca",
        n_failures=len(failures),
        explained=explained,
        slices=slices,
        points=[
            EmbeddedFailure(
                sample=str(sample),
                x=round(float(x), 4),
                y=round(float(y), 4),
                slice=None if place < 0 else int(place),
            )
            for sample, (x, y), place in zip(ids, points, of_slice[rows], strict=True)
        ],
    )


def principal_plane(features: NDArray[np.float64]) -> tuple[Floats, float] | None:
    """The first two principal components of standardised features.

    Args:
        features: (n, C); columns without variation or with values that are not finite are ignored.

    Returns:
        (n, 2), each with the sign that makes its largest value positive, and the share of the variance
        that they explain; None if no column varies.
    """
    finite = features[:, np.isfinite(features).all(0)]
    deviation = finite.std(0)
    varying = finite[:, deviation > 1e-9]
    if varying.shape[1] < 2:
        return None
    scaled = (varying - varying.mean(0)) / varying.std(0)
    left, sizes, _ = svd(scaled, full_matrices=False, lapack_driver="gesvd")
    plane = left[:, :2] * sizes[:2]
    largest = plane[np.abs(plane).argmax(0), [0, 1]]
    return plane * np.where(largest < 0, -1.0, 1.0), float(
        (sizes[:2] ** 2).sum() / (sizes**2).sum()
    )
