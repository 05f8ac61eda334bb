"""Dependent samples: series of file names and near-duplicates whose failures go together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from builders.clustered_tables import clustered_samples, tables_of

from auditor.checks.dependent_samples import DependentSamples
from auditor.records import AuditData, Claim
from auditor.statistics import cluster_design


def audit_of(samples: pd.DataFrame, **columns: list[str]) -> AuditData:
    """Samples without a group column."""
    tables = tables_of(samples.drop(columns="data.group").assign(**columns))
    return tables.audit_data(tables.outcomes)


def series_names(samples: pd.DataFrame) -> list[str]:
    numbers = samples["data.group"].str.removeprefix("patient ")
    return [f"scans/p{number}_{k}.png" for k, number in enumerate(numbers)]


def examined(audit: AuditData) -> tuple[Claim, ...]:
    return DependentSamples().examine(audit).claims


def test_dependent_samples_series_of_alike_failures_are_a_warning() -> None:
    samples = clustered_samples(0)
    (claim,) = examined(audit_of(samples, path=series_names(samples)))
    design = cluster_design(samples["failure"], samples["data.group"], samples["label"].cat.codes)
    assert claim.effect is not None
    assert claim.effect.value == pytest.approx(design.design_effect)
    assert claim.effect.low > claim.limit == 1.2
    assert claim.p_value is not None
    assert claim.p_value < 0.001
    assert claim.ceiling == "warning"
    assert "60 groups of images have names that begin alike, such as scans/p0" in claim.statement[0]
    assert "data.group" in claim.action


def test_dependent_samples_independent_failures_of_series_are_no_finding() -> None:
    samples = clustered_samples(0, correlation=1e-6)
    (claim,) = examined(audit_of(samples, path=series_names(samples)))
    assert claim.p_value is not None
    assert claim.p_value > 0.05


def test_dependent_samples_names_without_series_make_no_claim() -> None:
    assert examined(audit_of(clustered_samples(0))) == ()


def test_dependent_samples_stated_group_is_not_questioned() -> None:
    samples = clustered_samples(0)
    tables = tables_of(samples.assign(path=series_names(samples)))
    assert examined(tables.audit_data(tables.outcomes)) == ()


def test_dependent_samples_near_duplicates_are_groups() -> None:
    samples = clustered_samples(0)
    number = np.unique(samples["data.group"], return_inverse=True)[1]
    # Of one patient, images differ in one bit; 16 bits set the patients apart.
    generator = np.random.default_rng(0)
    code = generator.integers(0, 2**62, number.max() + 1, dtype=np.int64)[number]
    bits = generator.integers(0, 2, len(samples))
    phash = [f"{one ^ bit:016x}" for one, bit in zip(code.tolist(), bits.tolist(), strict=True)]
    sha256 = [f"{k:064x}" for k in range(len(samples))]
    (claim,) = examined(audit_of(samples, phash=phash, sha256=sha256))
    assert "near-duplicates" in claim.title
    assert claim.support == len(samples)
    assert claim.p_value is not None
    assert claim.p_value < 0.001
