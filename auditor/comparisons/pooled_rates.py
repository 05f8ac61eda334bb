"""Partially pooled error rates of the values of each attribute."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from auditor.comparisons.clusters import inflation
from auditor.comparisons.slice_counts import SliceIdentity, slice_identity
from auditor.records import AuditData, Slice
from auditor.statistics import Interval, partially_pooled

_LEAST_VALUES = 3
"""With two values, nothing can be learnt of how much values differ."""


def pooled_rates(audit: AuditData) -> Mapping[SliceIdentity, Interval]:
    """The partially pooled error rate of each value of an annotated attribute with three or more values.

    Clustered samples have their effective counts. The ends of ordered attributes are left out, because
    they overlap the values.
    """
    by_attribute: dict[str, list[Slice]] = {}
    for one in audit.slices:
        if len(one.key.attributes) == 1 and one.key.label is None and not one.tail:
            (name,) = one.key.attributes
            by_attribute.setdefault(name, []).append(one)
    failure = audit.predictions["failure"].to_numpy(dtype=np.float64)
    found: dict[SliceIdentity, Interval] = {}
    for slices in by_attribute.values():
        if len(slices) < _LEAST_VALUES:
            continue
        rows = [one.rows for one in slices]
        worth = inflation(audit, failure, rows)
        counts = np.array([failure[own].sum() for own in rows]) / worth
        totals = np.array([len(own) for own in rows]) / worth
        for one, rate in zip(slices, partially_pooled(counts, totals), strict=True):
            found[slice_identity(one.key)] = rate
    return found
