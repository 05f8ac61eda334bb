"""Strata of samples that are alike in what a comparison holds fixed."""

from __future__ import annotations

import numpy as np

from auditor.records import AuditData, SliceKey
from auditor.records.predictions import codes
from auditor.statistics import Integers


def with_confounders(audit: AuditData, key: SliceKey) -> tuple[tuple[str, ...], Integers]:
    """The label and the declared confounders of a slice as strata.

    Args:
        audit: the audited data.
        key: the slice; its own attributes are not held fixed.

    Returns:
        Names of the confounders, and (n,) codes of the combinations of their values and the label.
    """
    declared = audit.declared.with_role("confounder")
    names = tuple(one for one in audit.attributes if one in declared and one not in key.attributes)
    strata = codes(audit.predictions["label"])
    for name in names:
        column = codes(audit.predictions[name])
        strata = np.unique(strata * (column.max(initial=0) + 1) + column, return_inverse=True)[1]
    return names, strata.astype(np.int64)
