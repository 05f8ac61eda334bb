"""Search and test have no cluster in common."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.clustered_tables import clustered_samples, tables_of

from auditor.discovery.sample_splitting import SampleSplit, half_of_clusters
from auditor.interventions.class_failures import ClassFailures
from auditor.interventions.matched_pairs import draw_pairs
from auditor.interventions.region_effects import RegionTest
from auditor.interventions.value_contrasts import ValueContrast
from auditor.records import AuditData
from auditor.statistics import Integers, sign_flip


def _audit(seed: int = 0) -> AuditData:
    tables = tables_of(clustered_samples(seed)).in_clusters("patient")
    return tables.audit_data(tables.outcomes)


def _of(audit: AuditData, *rows: Integers) -> set[int]:
    assert audit.clusters is not None
    return set(audit.clusters.of_sample[np.concatenate(rows)].tolist())


def test_half_of_clusters_is_half_of_each_value() -> None:
    generator = np.random.default_rng(0)
    cluster = np.repeat(np.arange(80), generator.integers(2, 12, 80))
    value = (cluster >= 50).astype(np.int64)
    half = half_of_clusters(cluster, value, generator)
    assert not np.intersect1d(cluster[half], cluster[~half]).size
    for one in (0, 1):
        assert 0.4 < half[value == one].mean() < 0.6


def test_sample_split_keeps_clusters_whole() -> None:
    audit = _audit()
    rows = np.arange(len(audit.predictions))
    split = SampleSplit.of(audit, rows, "label", np.random.default_rng(0))
    assert not _of(audit, rows[split.search]) & _of(audit, rows[split.test])
    assert 0.4 < split.search.mean() < 0.6
    inside = (audit.predictions["camera"] == "old").to_numpy()
    plain = replace(split, cluster=None)
    wide, narrow = (one.gap(inside, one.label).gap for one in (split, plain))
    assert wide.value[0] == pytest.approx(narrow.value[0])
    assert wide.high[0] - wide.low[0] > 1.5 * (narrow.high[0] - narrow.low[0])
    wider, narrower = (one.excess_gap(inside, one.label).gap for one in (split, plain))
    assert wider.high - wider.low > 1.2 * (narrower.high - narrower.low)


def test_draw_pairs_search_and_test_have_no_cluster_in_common() -> None:
    audit = _audit()
    contrast = ValueContrast("camera", "old", "new", np.ones(2))
    pairs = draw_pairs(audit, contrast, 30, 80)
    search, test = (
        _of(audit, one.rows, one.with_value, one.without_value)
        for one in (pairs.search, pairs.test)
    )
    assert len(pairs.search) >= 30
    assert len(pairs.test) >= 100
    assert not search & test
    assert audit.clusters is not None
    assert pairs.test.cluster is not None
    assert (pairs.test.cluster == audit.clusters.of_sample[pairs.test.rows]).all()


def test_class_failures_search_and_test_have_no_cluster_in_common() -> None:
    audit = _audit()
    failures = ClassFailures.draw(audit, 0, 12, 40)
    search, test = (
        _of(audit, one.failures, one.recipients, one.donors)
        for one in (failures.search, failures.test)
    )
    assert len(failures.search.failures) == 12
    assert len(failures.test.failures) >= 20
    assert not _of(audit, failures.search.failures) & _of(audit, failures.test.failures)
    assert not search & _of(audit, failures.test.failures)
    assert test


def test_region_test_flips_the_signs_of_whole_clusters() -> None:
    corrected = np.array([True] * 8 + [False] * 4)
    cluster = np.repeat(np.arange(6), 2)
    never = np.zeros(12, dtype=bool)
    test = RegionTest(None, corrected, never, corrected, never, np.arange(12), cluster, cluster)  # type: ignore[arg-type]
    change, p_value = test.necessity()
    expected = sign_flip(corrected.astype(float), groups=cluster)
    assert (change, p_value) == (expected.change, expected.p_value)
    # Four of six clusters change, all in one direction: 2 of 2⁴ sign patterns.
    assert p_value == 2 / 16
    assert test.sufficiency(0)[1] == 2 / 16
