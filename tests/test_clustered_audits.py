"""Whole audits of images that come in clusters: nobody is accused by chance, and true gaps are found."""

from __future__ import annotations

import numpy as np
import pytest
from builders.clustered_tables import clustered_samples, tables_of

from auditor.checks import Check
from auditor.records import AuditData, Examination
from auditor.selftest import accusations, independent
from auditor.selftest.gaps import donors_of
from auditor.statistics import cluster_design, clustered_gap, clustered_wilson

SEEDS = range(4)


def accused(seed: int, group: str | None, **world: float) -> list[str]:
    """The attributes that an audit accuses."""
    tables = tables_of(clustered_samples(seed, **world)).in_clusters(group)  # type: ignore[arg-type]
    found = accusations(tables.judgement(tables.outcomes).findings)
    return sorted({f"{name} = {value}" for one in found for name, value in one.attributes.items()})


@pytest.mark.slow
def test_audit_innocent_attributes_of_patients_are_accused_without_a_group_only() -> None:
    plain = [accused(seed, None) for seed in SEEDS]
    grouped = [accused(seed, "patient") for seed in SEEDS]
    assert sum(map(bool, plain)) >= 2
    assert not any(grouped)


def test_audit_with_a_group_finds_a_gap_of_a_site() -> None:
    assert accused(0, "patient", gap=0.35, correlation=0.1) == ["site = A"]


def test_audit_with_a_group_finds_a_gap_that_varies_inside_clusters() -> None:
    assert "site = A" in accused(0, "patient", gap=0.25, constant=False)


def test_audit_clusters_of_one_sample_change_nothing() -> None:
    samples = clustered_samples(1)
    alone = samples.assign(**{"data.group": samples["sample"]})
    tables = tables_of(alone)
    assert tables.in_clusters("patient") is tables


def test_audit_slices_have_clustered_gaps_and_rates() -> None:
    samples = clustered_samples(2)
    tables = tables_of(samples).in_clusters("patient")
    judged = tables.judgement(tables.outcomes)
    (record,) = [
        one for one in judged.slices if one.attributes == {"camera": "old"} and not one.label
    ]
    failure = samples["failure"].to_numpy(dtype=float)
    cluster = samples["data.group"].to_numpy()
    rows = [np.flatnonzero(samples["camera"] == "old")]
    gaps = clustered_gap(failure, rows, samples["label"].cat.codes, cluster)
    rate = clustered_wilson(failure, rows, cluster)[0]
    assert record.gap is not None
    assert (record.gap.low, record.gap.high) == pytest.approx((gaps.gap.low[0], gaps.gap.high[0]))
    assert record.error_rate is not None
    assert (record.error_rate.low, record.error_rate.high) == pytest.approx((rate.low, rate.high))


def test_audit_slice_from_few_clusters_is_not_tested() -> None:
    samples = clustered_samples(3)
    few = samples["data.group"].isin(["patient 0", "patient 1", "patient 2"])
    tables = tables_of(samples.assign(site=np.where(few, "A", "B"))).in_clusters("patient")
    judged = tables.judgement(tables.outcomes)
    (record,) = [one for one in judged.slices if one.attributes == {"site": "A"} and not one.label]
    assert record.gap is None
    reasons = [one.reason for one in judged.skipped if one.check == "performance-gap"]
    assert any("come from 3 of the 5 clusters by patient that are needed" in one for one in reasons)


class _Plugin(Check):
    """A check that knows nothing of clusters."""

    def examine(self, audit: AuditData) -> Examination:
        """Must not be asked where samples come in clusters."""
        assert audit.clusters is None
        return Examination()


def test_judge_check_without_a_version_for_clusters_is_skipped() -> None:
    tables = tables_of(clustered_samples(0), {"plugin": _Plugin()})
    assert not tables.judgement(tables.outcomes).skipped
    tables = tables.in_clusters("patient")
    (skipped,) = tables.judgement(tables.outcomes).skipped
    assert skipped.check == "plugin"
    assert skipped.reason == (
        "not tested: images of one patient are not independent, and this test does not support clusters"
    )


def test_independent_keeps_failures_as_alike_in_clusters_as_they_were() -> None:
    samples = clustered_samples(4, clusters=200)
    cluster, label = samples["data.group"].to_numpy(), samples["label"].cat.codes.to_numpy()
    before = cluster_design(samples["failure"], cluster, label).correlation
    plain = tables_of(samples)
    after = [
        cluster_design(
            independent(tables, np.random.default_rng(0)).predicted != label, cluster, label
        ).correlation
        for tables in (plain, plain.in_clusters("patient"))
    ]
    assert after[0] == pytest.approx(0, abs=0.03)
    assert after[1] == pytest.approx(before, abs=0.06)


def test_donors_have_the_label_and_come_from_one_cluster() -> None:
    generator = np.random.default_rng(0)
    cluster = np.repeat(np.arange(30), 8)
    label = generator.integers(0, 3, len(cluster))
    donors = donors_of(label, cluster, np.random.default_rng(1))
    assert (label[donors] == label).all()
    for one in range(30):
        for code in range(3):
            chosen = (cluster == one) & (label == code)
            assert len(np.unique(cluster[donors[chosen]])) <= 1
    # Even clusters of one label exchange all of their outcomes: a permutation.
    exchanged = donors_of(np.zeros_like(label), cluster, np.random.default_rng(1))
    assert sorted(exchanged.tolist()) == list(range(len(cluster)))


def test_tables_without_group_column_cannot_be_clustered() -> None:
    tables = tables_of(clustered_samples(0).drop(columns="data.group"))
    assert tables.in_clusters("patient") is tables
