"""Clusters of an audit: who belongs together, rates and gaps, and what is said of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from builders.clustered_tables import clustered_samples, tables_of

from auditor.comparisons.clusters import cluster_record, clusters_of, inflation, widened
from auditor.judging.criteria import examine_criteria
from auditor.phrasing.clusters import clusters_text
from auditor.records import ClusterRecord, Summary
from auditor.statistics import Interval, cluster_design, clustered_wilson


def test_clusters_of_missing_groups_are_clusters_of_their_own() -> None:
    frame = pd.DataFrame({"data.group": ["b", None, "a", "b", None]})
    found = clusters_of(frame, "patient")
    assert found is not None
    assert found.of_sample.tolist() == [0, 2, 1, 0, 3]
    assert (found.name, found.number, found.n_missing) == ("patient", 4, 2)
    assert not found.independent
    assert clusters_of(pd.DataFrame({"other": [1]}), "patient") is None


def test_cluster_record_states_size_and_design_effect() -> None:
    samples = clustered_samples(0)
    clusters = clusters_of(samples, "patient")
    assert clusters is not None
    record = cluster_record(samples, clusters)
    design = cluster_design(samples["failure"], samples["data.group"], samples["label"].cat.codes)
    assert (record.n_clusters, record.largest, record.n_missing) == (60, 12, 0)
    assert record.correlation == pytest.approx(design.correlation)
    assert record.design_effect == pytest.approx(design.design_effect)


def test_widened_moves_limits_by_the_root_of_the_factor() -> None:
    wide = widened(Interval(0.5, 0.4, 0.7), 4.0)
    assert (wide.value, wide.low, wide.high) == pytest.approx((0.5, 0.3, 0.9))
    cut = widened(Interval(0.1, 0.0, 0.3), 9.0, 0.0)
    assert (cut.value, cut.low, cut.high) == pytest.approx((0.1, 0.0, 0.7))


def test_inflation_without_clusters_is_one() -> None:
    tables = tables_of(clustered_samples(0))
    audit = tables.audit_data(tables.outcomes)
    assert inflation(audit, np.zeros(720), [np.arange(10)]).tolist() == [1]


def test_criteria_accuracy_and_recall_have_the_intervals_of_clusters() -> None:
    samples = clustered_samples(1)
    plain = tables_of(samples)
    tables = plain.in_clusters("patient")
    results = [
        {
            one.name: one
            for one in examine_criteria(
                each.audit_data(each.outcomes), 0, ("baseline", "recall", "confidence"), ()
            ).results
        }
        for each in (plain, tables)
    ]
    correct, cluster = 1 - samples["failure"].astype(float), samples["data.group"]
    expected = clustered_wilson(correct, [np.arange(len(samples))], cluster)[0]
    accuracy = results[1]["accuracy above always predicting the most frequent class"].estimate
    assert accuracy is not None
    assert (accuracy.low, accuracy.high) == pytest.approx((expected.low, expected.high))
    for name, one in results[0].items():
        other = results[1][name]
        assert one.estimate is not None
        assert other.estimate is not None
        assert other.estimate.value == pytest.approx(one.estimate.value)
        assert other.estimate.high - other.estimate.low > one.estimate.high - one.estimate.low


def _summary(n: int) -> Summary:
    return Summary(
        n_samples=n, n_evaluated=n, n_unusable=0, n_failures=0, n_explained=0, accuracy=None
    )


def test_clusters_text_says_what_samples_are_worth() -> None:
    record = ClusterRecord(
        name="patient", n_clusters=100, n_missing=12, largest=20, correlation=0.2, design_effect=4.0
    )
    assert clusters_text(record, _summary(2000)) == (
        "Samples are clustered by patient: 100 clusters, design effect 4.0, so that 2 000 samples "
        "carry as much information about the error rate as 500 independent ones. The patient of 12 "
        "samples is unknown; each counts as a separate cluster."
    )
    unknown = record.model_copy(update={"design_effect": None, "n_missing": 0})
    assert clusters_text(unknown, _summary(2000)) == (
        "Samples are clustered by patient: 100 clusters, with a design effect that cannot be "
        "estimated from these samples."
    )
    single = record.model_copy(update={"largest": 1})
    assert clusters_text(single, _summary(2000)) == (
        "No two samples have the same patient, so samples count as independent."
    )
    assert not clusters_text(None, _summary(2000))


def test_clusters_text_of_decisions_names_the_samples() -> None:
    record = ClusterRecord(
        name="sample", n_clusters=200, n_missing=0, largest=3, correlation=0.1, design_effect=2.0
    )
    three = _summary(200).model_copy(update={"n_decisions": 600})
    assert clusters_text(record, three) == (
        "The decisions on one sample count as dependent: 200 samples, design effect 2.0, so that 600 "
        "decisions carry as much information about the error rate as 300 independent ones."
    )
    one = _summary(200).model_copy(update={"n_decisions": 200})
    assert clusters_text(record.model_copy(update={"largest": 1}), one) == (
        "There is one decision on each sample, and samples count as independent."
    )
