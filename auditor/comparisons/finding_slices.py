"""The slices that findings are about, and their samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from auditor.comparisons.slice_counts import SliceIdentity, slice_identity
from auditor.records import AuditData, Finding, SliceKey
from auditor.records.predictions import LABEL, PREDICTED
from auditor.statistics import Integers


def finding_slices(findings: Iterable[Finding]) -> list[SliceKey]:
    """The slices of findings, each once, in the order of the findings.

    Findings about the data are left out, and so are those about all samples.
    """
    found = {
        slice_identity(one.slice): one.slice
        for one in reversed(list(findings))
        if one.kind != "data" and (one.slice.attributes or one.slice.label or one.slice.predicted)
    }
    return list(reversed(found.values()))


def rows_of_slice(audit: AuditData, key: SliceKey) -> Integers:
    """The samples of a slice, as ascending positions in ``AuditData.predictions``.

    Args:
        audit: the audited data.
        key: the slice, also one that is no slice of the audit, such as the samples with a prediction.
    """
    table = audit.predictions
    inside = np.ones(len(table), dtype=np.bool_)
    known = _rows(audit).get(slice_identity(key.model_copy(update={"predicted": None})))
    if known is not None:
        inside = np.isin(np.arange(len(table)), known)
    else:
        wanted = [*key.attributes.items(), *([] if key.label is None else [(LABEL, key.label)])]
        for name, value in wanted:
            inside &= (table[name].astype(str) == value).to_numpy() if name in table else False
    if key.predicted is not None:
        inside &= (table[PREDICTED].astype(str) == key.predicted).to_numpy()
    return np.flatnonzero(inside)


def _rows(audit: AuditData) -> Mapping[SliceIdentity, Integers]:
    return {slice_identity(one.key): one.rows for one in (*audit.slices, *audit.computed_slices)}
