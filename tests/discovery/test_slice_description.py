"""Slice description: distinctive values by hand, and when an attribute explains a slice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.image_evidence import audit_data
from numpy.typing import NDArray

from auditor.discovery.sample_splitting import SampleSplit
from auditor.discovery.slice_description import (
    describe,
    distinctive_values,
    in_affected_strata,
    named,
)
from auditor.records import AuditData, SampleGroups, Table

N = 400


def split_samples(
    attribute: NDArray[np.str_], failure: NDArray[np.bool_]
) -> tuple[AuditData, SampleSplit]:
    """Samples of two classes, all in the test half."""
    label = np.arange(N) % 2
    predicted = np.where(failure, 1 - label, label)
    share = np.where(np.arange(2) == predicted[:, None], 0.9, 0.1)
    audit = audit_data(label, share, {"site": attribute})
    split = SampleSplit(
        rows=np.arange(N),
        label=label,
        predicted=predicted,
        failure=failure,
        excess=failure - np.full(N, 0.1),
        search=np.zeros(N, dtype=bool),
    )
    return audit, split


def test_value_is_listed_with_its_shares_in_the_slice_and_in_the_rest() -> None:
    inside = np.arange(N) < 100
    # By hand: north in 80 of the 100 samples inside, and in 100 of the 300 others.
    site = np.where((np.arange(N) < 80) | (np.arange(N) >= 300), "north", "south")
    audit, split = split_samples(site, failure=inside & (np.arange(N) % 4 < 2))
    (found,) = distinctive_values(audit, split, inside)
    assert (found.name, found.value) == ("site", "north")
    assert (found.inside, found.outside) == pytest.approx((0.8, 1 / 3))
    assert str(found) == "site = north in 80 % instead of 33 %"


def test_value_with_a_gap_of_its_own_explains_the_slice() -> None:
    inside = np.arange(N) < 100
    random = np.random.default_rng(0)
    failure = inside & (random.random(N) < 0.5)
    same = distinctive_values(*split_samples(np.where(inside, "north", "south"), failure), inside)
    assert [one.explains for one in same] == [True]
    # As frequent inside as outside: it is not listed.
    assert not distinctive_values(
        *split_samples(np.where(np.arange(N) // 2 % 2, "north", "south"), failure), inside
    )


def test_strata_with_less_than_a_tenth_of_the_failures_are_not_affected() -> None:
    strata = np.repeat([0, 1, 2], 20)
    failures = np.zeros(60, dtype=bool)
    failures[[*range(17), 20, 40, 41]] = True  # 17, 1 and 2 of 20
    assert in_affected_strata(strata, failures).tolist() == [True] * 20 + [False] * 20 + [True] * 20


def test_description_has_a_table_only_if_there_are_distinctive_values() -> None:
    inside = np.arange(N) < 100
    failure = inside & (np.arange(N) % 4 < 2)
    audit, split = split_samples(np.where(inside, "north", "south"), failure)
    values = distinctive_values(audit, split, inside)
    table, typical = describe(values, audit.predictions.head(2))
    assert isinstance(table, Table)
    assert table.rows == (("site", "north", 1.0, 0.0),)
    assert isinstance(typical, SampleGroups)
    assert [one.sample for one in typical.groups[0].members] == ["s0000", "s0001"]
    assert describe([], audit.predictions.head(2)) == (typical,)


def test_value_of_a_sensitive_attribute_is_not_named_beside_images() -> None:
    inside = np.arange(N) < 100
    site = np.where(inside, "north", "south")
    audit, split = split_samples(site, failure=inside & (np.arange(N) % 2 == 0))
    marked = replace(audit, declared=replace(audit.declared, sensitive=("site",)))
    (found,) = distinctive_values(marked, split, inside)
    assert (found.name, found.explains, found.sensitive) == ("site", True, True)
    assert named([found]) == []
    parts = describe([found], audit.predictions.head(2))
    assert [type(part) for part in parts] == [SampleGroups]
