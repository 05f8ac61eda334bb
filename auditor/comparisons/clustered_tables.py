"""Association of an attribute with the label for clustered samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from auditor.comparisons.clusters import clusters_of, widened
from auditor.comparisons.contingency import ContingencyTable
from auditor.records import MISSING, AuditData, Clusters
from auditor.records.predictions import codes
from auditor.statistics import (
    Association,
    association,
    clustered_dependence,
    inflation_of_rates,
)


def _frame(audit: AuditData, table: ContingencyTable) -> pd.DataFrame:
    """The samples behind a table."""
    frame = audit.predictions if table.source == "audited" else audit.reference
    assert frame is not None
    return frame[(frame[table.attribute] != MISSING).to_numpy(dtype=bool)]


def clusters_of_table(audit: AuditData, table: ContingencyTable) -> Clusters | None:
    """The clusters of the samples behind a table; None if they are unknown or not needed."""
    if audit.clusters is None:
        return None
    return clusters_of(_frame(audit, table), audit.clusters.name)


def association_of(
    audit: AuditData, table: ContingencyTable, n_permutations: int, clusters: Clusters | None
) -> Association:
    """The association of attribute and label with its interval and test.

    Args:
        audit: the audited data.
        table: its counts, or those of the training data.
        n_permutations: maximum number of permutations.
        clusters: of the samples behind the table, or None.

    Returns:
        The association; its p-value is NaN if there are too few clusters.
    """
    found = association(table.counts, n_permutations=n_permutations, seed=audit.seed)
    if clusters is None or clusters.independent:
        return found
    frame, cluster = _frame(audit, table), clusters.of_sample
    value, label = codes(frame[table.attribute]), codes(frame["label"])
    tested = clustered_dependence(
        value, label, np.zeros(len(value)), cluster, n_permutations, audit.seed
    )
    # Each value has its own design effect; the largest one is used.
    every = [np.arange(len(value))]
    shares = [value == code for code in np.unique(value)]
    worth = max(float(inflation_of_rates(one, every, cluster)[0]) for one in shares)
    return replace(found, strength=widened(found.strength, worth, 0.0), p_value=tested.p_value)
