"""``checks.budget``: a limit on forward passes; what does not fit is listed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.image_evidence import ImageArray, Model, Probabilities, audit_data
from builders.marked_images import (
    banded_images,
    bright_places,
    labels,
    marked_audit,
    model_of,
    predict_by_band_or_mark,
    turns,
    with_mark,
)

from auditor.checks import Check
from auditor.checks.failure_regions import FailureRegions
from auditor.checks.hidden_slices import HiddenSlices
from auditor.checks.region_reliance import RegionReliance
from auditor.config import AuditConfig, json_schema
from auditor.config.budget import CheckBudget, forward_limit
from auditor.errors import ConfigError
from auditor.records import AuditData
from auditor.records.forward_budget import ForwardBudget
from auditor.stages.judge import judge

RAW = {
    "name": "x",
    "model": {"adapter": "python", "factory": "m:f"},
    "data": {"adapter": "folder", "path": "x"},
}


def audit_with_marks(limit: int | None) -> AuditData:
    """A third of the images has a mark that makes the model fail, a sixth has a second one."""
    mark = turns(360, 3) == 0
    images = with_mark(banded_images(360, 0), mark)
    budget = ForwardBudget(limit)

    def counted(some: ImageArray) -> Probabilities:
        budget.spend(len(some))
        return predict_by_band_or_mark(some)

    model = Model(images, counted, cams_with=bright_places)
    attributes = {
        "mark": np.where(mark, "yes", "no"),
        "series": np.where(
            mark | (turns(360, 6) == 1), "new", "old"
        ),  # weaker: half of it is marked
    }
    audit = audit_data(labels(360), predict_by_band_or_mark(images), attributes, model=model)
    return replace(audit, budget=budget)


def test_exhausted_budget_lists_the_values_with_the_smaller_gaps() -> None:
    # Each value takes at most 42 per search image and 4 per test image: 42 * 24 + 4 * 200 = 1808.
    found = RegionReliance().examine(audit_with_marks(1850))
    (claim,) = found.claims
    assert claim.slice.attributes == {"mark": "yes"}
    (reason,) = (one.reason for one in found.skipped if "checks.budget.forwards" in one.reason)
    assert reason.startswith("not tested: series")


def test_without_a_budget_every_value_is_tested() -> None:
    found = RegionReliance().examine(audit_with_marks(None))
    assert len(found.claims) == 2
    assert not [one for one in found.skipped if "budget" in one.reason]


def test_exhausted_budget_lists_the_predicted_classes() -> None:
    audit = replace(marked_audit(), budget=ForwardBudget(100))
    found = FailureRegions().examine(audit)
    assert not found.claims
    assert "not tested: failures predicted as a;" in found.skipped[0].reason
    assert model_of(audit).n_predicted == 0


def test_check_that_takes_more_than_the_budget_is_not_examined() -> None:
    audit = replace(marked_audit(), budget=ForwardBudget(100))
    skipped = judge({"hidden-slices": HiddenSlices()}, audit).skipped
    assert skipped[0].check == "hidden-slices"
    assert "up to 360 forward passes, and 100 of 100 are left" in skipped[0].reason


def test_checks_that_wait_get_equal_parts_of_the_budget() -> None:
    audit = audit_with_marks(1000)
    checks: dict[str, Check] = {"a": RegionReliance(), "b": RegionReliance()}
    (one, other) = (part.reason for part in judge(checks, audit).skipped if "budget" in part.reason)
    assert "500 of 1,000 are left" in one
    assert "1,000 of 1,000 are left" in other


def test_stated_limit_is_read_and_validated() -> None:
    config = AuditConfig.parse({**RAW, "checks": {"budget": {"forwards": 5000}}})
    assert config.checks["budget"] == CheckBudget(forwards=5000)
    assert forward_limit(config.checks, 1e9, 1) == 5000
    assert config.effective()["checks"]["budget"] == {"forwards": 5000}
    assert AuditConfig.parse(RAW).effective()["checks"]["budget"] == {"forwards": None}


@pytest.mark.parametrize("budget", [{"forwards": -1}, {"passes": 3}, False, 5000])
def test_other_budgets_are_refused(budget: object) -> None:
    with pytest.raises(ConfigError, match=r"checks\.budget"):
        AuditConfig.parse({**RAW, "checks": {"budget": budget}})


def test_schema_describes_the_budget() -> None:
    schema = json_schema()["properties"]["checks"]["properties"]["budget"]
    assert "forwards" in schema["properties"]


def test_default_limit_is_the_reference_and_at_least_160_million_pixels() -> None:
    assert forward_limit({}, 50_000, 128 * 128) == 50_000
    assert forward_limit({}, 100, 128 * 128) == 160_000_000 // 16_384
