"""The estimate of an audit counts the maps and the forward passes of the checks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from builders.coded_images import write_audit

from auditor import registry
from auditor.checks import Check
from auditor.checks.covariate_shift import CovariateShift
from auditor.checks.expected_accuracy import ExpectedAccuracy
from auditor.checks.failure_regions import FailureRegions
from auditor.checks.hidden_slices import HiddenSlices
from auditor.checks.leakage import Leakage
from auditor.checks.reference_accuracy import ReferenceAccuracy
from auditor.checks.region_reliance import RegionReliance
from auditor.config import AuditConfig
from auditor.cost_estimate import CostEstimate, TrialCost, estimate_cost
from auditor.preparation import prepare
from auditor.records import AuditSize, Passes

SIZE = AuditSize(n_samples=1000, n_failures=120, n_classes=2, n_values=3, n_reference=600)


@pytest.mark.parametrize(
    ("check", "size", "passes"),
    [
        # Three values, two sides: 42 · 12 + 4 · 100 = 904 passes each.
        (RegionReliance(), SIZE, Passes(0, 5424)),
        (RegionReliance(), replace(SIZE, n_values=0), Passes(0, 0)),
        # 60 failures a class: 85 · 12 + 14 · 48 = 1692; two classes, each with two clusters and 60 maps, and
        # the region masked in all failures. At least 46 · 12 + 2 · 48 = 648.
        (FailureRegions(), SIZE, Passes(648, 2 * (3 * (1692 + 60) + 180))),
        (FailureRegions(), replace(SIZE, n_failures=0), Passes()),
        (HiddenSlices(), SIZE, Passes(1000, 1000)),
        (HiddenSlices(), replace(SIZE, n_failures=0), Passes(0, 1000)),
        (Leakage(), SIZE, Passes(0, 0)),
        (Leakage(max_described=2000), SIZE, Passes(2600, 2600)),
        (Leakage(max_described=2000), replace(SIZE, n_reference=0), Passes(0, 0)),
        (ReferenceAccuracy(), SIZE, Passes(600, 600)),
        (CovariateShift(), SIZE, Passes(1500, 1500)),
        (CovariateShift(), replace(SIZE, n_reference=0), Passes(0, 0)),
        (ExpectedAccuracy(), SIZE, Passes(0, 0)),
        (ExpectedAccuracy(), replace(SIZE, has_expected=True), Passes(0, 3072)),
    ],
)
def test_passes_of_a_check(check: Check, size: AuditSize, passes: Passes) -> None:
    assert check.passes(size) == passes


def test_every_check_that_runs_the_model_states_its_passes() -> None:
    for name, plugin in registry.all_of("check").items():
        check = plugin()
        assert isinstance(check, Check)
        runs = "model" in check.needs and "maps" not in check.needs
        passes = check.passes(replace(SIZE, has_expected=True))
        assert (passes.most > 0) == runs, name
        assert passes.least <= passes.most


def test_maps_of_failures_contrast_and_mean_maps_are_counted(tmp_path: Path) -> None:
    prepared = prepare(AuditConfig.load(write_audit(tmp_path / "data", "good", 240)))
    explain = prepared.config.explain.model_copy(update={"mean_cells": 120, "mean_samples": 10})
    config = prepared.config.model_copy(update={"explain": explain})
    found = estimate_cost(replace(prepared, config=config), TrialCost(0.01, 0.02, 0.05, 0.1, 192))
    # 24 failures for two targets, 24 contrasts, and six cells (two sites, three classes) of ten samples,
    # of which a fifth is explained anyway.
    assert found.maps == pytest.approx(24 * 2 + 24 + 60 * 0.8)
    assert found.predictions == 240
    assert found.most_passes > found.least_passes


def test_estimate_reads_as_a_range() -> None:
    found = CostEstimate(1000, 985.2, 2600, 15240, 200, 900, 2900)
    assert str(found) == (
        "about 3 minutes to 15 minutes (1 000 predictions, 985 maps, 2 600 to 15 200 forward passes of "
        "checks; the most only if interventions have much to confirm); peak memory about 2.8 GiB"
    )


def test_limit_on_failures_limits_the_maps(tmp_path: Path) -> None:
    prepared = prepare(AuditConfig.load(write_audit(tmp_path / "data", "good", 240)))
    settings = {"mean_cells": 0, "max_failures": 10}
    explain = prepared.config.explain.model_copy(update=settings)
    config = prepared.config.model_copy(update={"explain": explain})
    found = estimate_cost(replace(prepared, config=config), TrialCost(0.01, 0.02, 0.05, 0.1, 192))
    assert found.maps == pytest.approx(10 * 2 + 10)  # two targets, and a contrast each
