from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.table_evidence import MakeEvidence

from auditor.comparisons.pooled_rates import pooled_rates
from auditor.comparisons.slice_counts import slice_identity
from auditor.records import AuditData, Clusters, SliceKey
from auditor.statistics import partially_pooled


@pytest.fixture
def audit(make_evidence: MakeEvidence) -> AuditData:
    """Sites A, B and C with 100, 97 and 3 samples; 10, 10 and 2 fail. Cameras have two values."""
    site = ["A"] * 100 + ["B"] * 97 + ["C"] * 3
    failed = [k < 10 or 100 <= k < 110 or 197 <= k < 199 for k in range(200)]
    return make_evidence(
        ["x", "y"] * 100,
        [("y" if k % 2 == 0 else "x") if one else "xy"[k % 2] for k, one in enumerate(failed)],
        {"site": site, "camera": ["old", "new"] * 100},
        classes=("x", "y"),
    )


def test_pooled_rates_are_those_of_attributes_with_three_values(audit: AuditData) -> None:
    found = pooled_rates(audit)
    expected = partially_pooled([10, 10, 2], [100, 97, 3])
    keys = [slice_identity(SliceKey(attributes={"site": value})) for value in "ABC"]
    assert list(found) == keys
    assert [found[key].value for key in keys] == pytest.approx(list(expected.value))


def test_pooled_rates_of_clusters_are_shrunk_more(audit: AuditData) -> None:
    key = slice_identity(SliceKey(attributes={"site": "C"}))
    clusters = Clusters("patient", np.arange(200) // 10)
    pooled = pooled_rates(replace(audit, clusters=clusters))[key]
    assert pooled.value < pooled_rates(audit)[key].value
