"""Associations of chosen samples with attribute values."""

from __future__ import annotations

import numpy as np
from builders.image_evidence import audit_data
from numpy.typing import NDArray

from auditor.comparisons.value_associations import associated_value
from auditor.records import AuditData


def audited(label: NDArray[np.int64], attributes: dict[str, NDArray[np.str_]]) -> AuditData:
    return audit_data(label, np.eye(2)[label], attributes)


def test_association_within_labels_is_found() -> None:
    label = np.resize([0, 1], 400)
    site = np.repeat(["north", "south"], 200)
    chosen = np.arange(400) % 10 == 0
    chosen[200:] = False  # 20 of 200 in the north, none in the south
    assert associated_value(audited(label, {"site": site}), chosen) in {
        "site = north",
        "site = south",
    }


def test_association_through_the_label_alone_is_none() -> None:
    label = np.repeat([0, 1], 200)
    site = np.where(np.arange(400) % 10 == 0, "other", np.where(label == 0, "north", "south"))
    # A fifth of label 0 at every site; most of label 0 is in the north.
    chosen = (label == 0) & (np.arange(400) // 10 % 5 == 0)
    assert associated_value(audited(label, {"site": site}), chosen) is None


def test_association_without_attributes_is_none() -> None:
    label = np.resize([0, 1], 100)
    assert associated_value(audited(label, {}), np.arange(100) < 10) is None
    assert associated_value(audited(label, {"site": np.full(100, "x")}), label == 0) is None
