from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.table_evidence import MakeEvidence

from auditor.comparisons.population import population_record
from auditor.phrasing.population import population_text
from auditor.records import AuditData, Clusters, Estimate, Summary
from auditor.records.predictions import WEIGHT


@pytest.fixture
def audit(make_evidence: MakeEvidence) -> AuditData:
    """80 women, 20 % of whom fail, and 20 men, 50 % of whom fail; all of the same age but ten women."""
    failed = [k < 16 for k in range(80)] + [k < 10 for k in range(20)]
    return make_evidence(
        ["a"] * 100,
        ["b" if one else "a" for one in failed],
        {"sex": ["female"] * 80 + ["male"] * 20, "age": ["old"] * 10 + ["young"] * 90},
        classes=("a", "b"),
    )


def weighted(audit: AuditData, weights: list[float]) -> AuditData:
    return replace(audit, predictions=audit.predictions.assign(**{WEIGHT: weights}))


def test_population_record_without_a_population_is_none(audit: AuditData) -> None:
    assert population_record(audit, None, {}) is None
    assert population_text(None, _summary()) == ""


def test_population_record_shares_weight_the_strata(audit: AuditData) -> None:
    record = population_record(audit, None, {"sex": {"female": 0.5, "male": 0.5}})
    assert record is not None
    assert record.accuracy is not None
    assert record.accuracy.value == pytest.approx(0.5 * 0.8 + 0.5 * 0.5)
    # Kish: 1 / (80 · (0.5 / 80)² + 20 · (0.5 / 20)²) = 64
    assert record.effective_size == pytest.approx(64)
    assert [(one.value, one.n_samples) for one in record.values] == [("female", 80), ("male", 20)]


def test_population_record_rounded_shares_are_rescaled(audit: AuditData) -> None:
    record = population_record(audit, None, {"sex": {"female": 0.495, "male": 0.495}})
    assert record is not None
    assert [one.share for one in record.values] == [0.5, 0.5]


def test_population_record_weights_of_the_data(audit: AuditData) -> None:
    found = population_record(weighted(audit, [1.0] * 80 + [4.0] * 20), "w", {})
    assert found is not None
    assert found.accuracy is not None
    assert found.accuracy.value == pytest.approx((0.8 * 80 + 0.5 * 80) / 160)
    assert (found.source, found.names, found.n_left_out) == ("weights", ["w"], 0)


def test_population_record_clusters_widen_the_interval(audit: AuditData) -> None:
    audit = weighted(audit, [1.0] * 100)
    clustered = replace(audit, clusters=Clusters("patient", np.arange(100) // 5))
    plain, wide = (population_record(one, "w", {}) for one in (audit, clustered))
    assert plain is not None
    assert plain.accuracy is not None
    assert wide is not None
    assert wide.accuracy is not None
    assert wide.accuracy.value == plain.accuracy.value
    assert wide.accuracy.low < plain.accuracy.low - 0.05


def test_population_record_value_without_samples_is_not_estimated(audit: AuditData) -> None:
    shares = {"sex": {"female": 0.5, "male": 0.4, "other": 0.1}}
    record = population_record(audit, None, shares)
    assert record is not None
    assert record.accuracy is None
    assert population_text(record, _summary()) == (
        "The accuracy in the target population cannot be estimated: no evaluated sample has sex = other, "
        "which the population has."
    )


def test_population_record_contradictory_shares_are_not_estimated(audit: AuditData) -> None:
    # No man is old, so that the old cannot be more than the women.
    shares = {"sex": {"female": 0.3, "male": 0.7}, "age": {"old": 0.6, "young": 0.4}}
    record = population_record(audit, None, shares)
    assert record is not None
    assert record.accuracy is None
    assert "combinations of values do not occur" in str(record.not_estimated)


def test_population_record_without_a_positive_weight_is_not_estimated(audit: AuditData) -> None:
    record = population_record(weighted(audit, [0.0] * 100), "w", {})
    assert record is not None
    assert record.not_estimated == "no evaluated sample has a positive weight"


def test_population_text_names_the_weights_and_what_does_not_count(audit: AuditData) -> None:
    record = population_record(audit, None, {"sex": {"female": 1.0}})
    assert record is not None
    text = population_text(record, _summary())
    assert text.startswith("The accuracy in the target population is 80.0 %")
    assert "unweighted: 74.0 %" in text
    assert "20 samples have no weight in the target population and were left out of it" in text
    assert text.endswith("All tests compare slices without weights.")


def _summary() -> Summary:
    return Summary(
        n_samples=100,
        n_evaluated=100,
        n_unusable=0,
        n_failures=26,
        n_explained=0,
        accuracy=Estimate(value=0.74, low=0.65, high=0.82),
    )
