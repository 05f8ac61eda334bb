"""Contrasts of a pair of attribute values for clustered samples."""

from __future__ import annotations

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
class PairContrasts:
    """Contrasts of a pair of values.

    Attributes:
        whole: gap against all other samples of the same labels.
        against: gaps against the other samples with the first value, and with the second.
        beyond: excess over the sum of the effects of both values.
        p_value: one-sided, of "one of the last three is not positive"; NaN if there are too few
            clusters.
    """

    whole: Interval
    against: tuple[Interval, Interval]
    beyond: Interval
    p_value: float


def clustered_contrasts(
    audit: AuditData, both: Slice, first: Slice, second: Slice
) -> PairContrasts:
    """Compares a pair with its values, with tests that permute clusters.

    Args:
        audit: the audited data, with clusters.
        both: samples with both values.
        first: samples with the first value.
        second: samples with the second value.
    """
    clusters = audit.clusters
    if clusters is None:
        raise ValueError("expected samples in clusters; got independent ones: compare counts")
    failed = audit.predictions["failure"].to_numpy(dtype=np.float64)
    label, cluster = codes(audit.predictions["label"]), clusters.of_sample

    def gap(among: Integers) -> tuple[Interval, Floats]:
        inside = np.flatnonzero(np.isin(among, both.rows))
        found = clustered_gap(
            failed[among], [inside], label[among], cluster[among], seed=audit.seed
        )
        return found.gap[0], worse_p_values(found)

    whole, _ = gap(np.arange(len(failed)))
    (one, p_one), (other, p_other) = gap(first.rows), gap(second.rows)
    found = clustered_interaction(failed, [first.rows], [second.rows], label, cluster)
    p_values = np.concatenate([p_one, p_other, found.p_value])
    return PairContrasts(whole, (one, other), found.excess[0], float(p_values.max()))
