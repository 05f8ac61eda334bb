"""Contrasts of an intersection of attribute values for clustered samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from auditor.records import AuditData, Slice
from auditor.records.predictions import codes
from auditor.statistics import (
    Floats,
    Integers,
    Interval,
    clustered_gap,
    clustered_interaction,
    worse_p_values,
)


@dataclass(frozen=True)
class CrossedContrasts:
    """Contrasts of an intersection of values.

    Attributes:
        whole: gap against all other samples of the same labels.
        against: gap against the other samples with all but one of the values, leaving out the last value
            first.
        beyond: excess over the sum of the effects of the values, and of the pairs in a triple.
        p_value: one-sided, of "one of `against` and `beyond` is not positive"; NaN if there are too few
            clusters.
    """

    whole: Interval
    against: tuple[Interval, ...]
    beyond: Interval
    p_value: float


def clustered_contrasts(
    audit: AuditData, one: Slice, parents: Sequence[Slice], values: Sequence[Slice]
) -> CrossedContrasts:
    """Compares an intersection with what contains it, with tests that permute clusters.

    Args:
        audit: the audited data, with clusters.
        one: samples with all values.
        parents: samples with all but one of the values.
        values: samples with each value.
    """
    clusters = audit.clusters
    if clusters is None:
        raise ValueError("expected samples in clusters; got independent ones: compare counts")
    failed = audit.predictions["failure"].to_numpy(dtype=np.float64)
    label, cluster = codes(audit.predictions["label"]), clusters.of_sample

    def gap(among: Integers) -> tuple[Interval, Floats]:
        inside = np.flatnonzero(np.isin(among, one.rows))
        found = clustered_gap(
            failed[among], [inside], label[among], cluster[among], seed=audit.seed
        )
        return found.gap[0], worse_p_values(found)

    whole, _ = gap(np.arange(len(failed)))
    gaps = [gap(parent.rows) for parent in parents]
    found = clustered_interaction(failed, [[value.rows] for value in values], label, cluster)
    p_values = np.concatenate([*(p_value for _, p_value in gaps), found.p_value])
    return CrossedContrasts(
        whole, tuple(interval for interval, _ in gaps), found.excess[0], float(p_values.max())
    )
