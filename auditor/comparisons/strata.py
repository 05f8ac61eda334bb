"""Strata of samples that are alike in the confounders that the configuration declares."""

from __future__ import annotations

import numpy as np

from auditor.records import AuditData
from auditor.records.predictions import codes
from auditor.statistics import Integers


def confounders(audit: AuditData, attribute: str) -> tuple[tuple[str, ...], Integers]:
    """Declared confounders that are held fixed when the values of an attribute are compared.

    Args:
        audit: the audited data.
        attribute: it is not held fixed itself.

    Returns:
        Names of the confounders, and (n,) codes from 0 of the combinations of their values.
    """
    declared = audit.declared.with_role("confounder")
    names = tuple(one for one in audit.attributes if one in declared and one != attribute)
    strata = np.zeros(len(audit.predictions), dtype=np.int64)
    for name in names:
        strata = crossed(strata, codes(audit.predictions[name]))
    return names, strata


def crossed(one: Integers, other: Integers) -> Integers:
    """Codes from 0 of the combinations of two columns, (n,)."""
    pairs = one * (int(other.max(initial=0)) + 1) + other
    return np.asarray(np.unique(pairs, return_inverse=True)[1], dtype=np.int64)
