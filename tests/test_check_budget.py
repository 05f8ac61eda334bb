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
    predict_by_band_or_mark,
    turns,
    with_mark,
)

from auditor.checks import Check
from auditor.checks.failure_regions import FailureRegions
from auditor.checks.region_reliance import RegionReliance
from auditor.config import AuditConfig, json_schema
from auditor.config.budget import CheckBudget, forward_limit
from auditor.errors import ConfigError
from auditor.records import AuditData, AuditSize, Examination, Passes, Skipped
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
    unlimited = audit_with_marks(None)
    RegionReliance(max_comparisons=1).examine(unlimited)
    # What the first value takes, and less than any further step.
    audit = audit_with_marks(unlimited.budget.used + 3)
    found = RegionReliance().examine(audit)
    (claim,) = found.claims
    assert claim.slice.attributes == {"mark": "yes"}
    (reason,) = (one.reason for one in found.skipped if "checks.budget.forwards" in one.reason)
    assert reason.startswith("not tested: series")
    assert f"and 3 of {audit.budget.limit:,} are left" in reason


def test_without_a_budget_every_value_is_tested() -> None:
    found = RegionReliance().examine(audit_with_marks(None))
    assert len(found.claims) == 2
    assert not [one for one in found.skipped if "budget" in one.reason]


def test_exhausted_budget_lists_the_predicted_classes() -> None:
    audit = audit_with_marks(100)
    found = FailureRegions().examine(audit)
    assert not found.claims
    assert "not tested: failures predicted as a;" in found.skipped[0].reason
    assert audit.budget.used <= 100


def test_what_was_tested_before_the_budget_is_exhausted_is_kept() -> None:
    unlimited = audit_with_marks(None)
    (of_class,) = FailureRegions(max_clusters=0).examine(unlimited).claims
    audit = audit_with_marks(unlimited.budget.used)
    found = FailureRegions().examine(audit)
    assert found.claims == (of_class,)
    assert "not tested: clusters of failures predicted as a;" in found.skipped[0].reason


class _Asking(Check):
    """Runs all images once."""

    def passes(self, size: AuditSize) -> Passes:
        return Passes(size.n_samples, size.n_samples)

    def examine(self, audit: AuditData) -> Examination:
        model = audit.model
        assert model is not None
        model.predict(model.images(np.arange(len(audit.predictions))))
        return Examination(skipped=(Skipped(check="asking", reason="done"),))


def test_check_that_exceeds_the_budget_is_listed_and_later_ones_run() -> None:
    audit = audit_with_marks(1100)  # 360 for each of the two, and 380 for the first
    checks: dict[str, Check] = {"regions": FailureRegions(), "a": _Asking(), "b": _Asking()}
    skipped = judge(checks, audit).skipped
    (reason,) = (one.reason for one in skipped if one.check == "failure-regions")
    assert "of 1,100 are left for it" in reason
    assert audit.budget.used - 2 * 360 <= 380
    assert [one.reason for one in skipped].count("done") == 2


def test_check_that_does_not_expect_the_limit_is_listed_as_not_tested() -> None:
    skipped = judge({"asking": _Asking()}, audit_with_marks(100)).skipped
    (reason,) = (one.reason for one in skipped if one.check == "asking")
    assert reason.startswith("not tested: the next step takes 360 forward passes, and 100 of 100")


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


def test_default_limit_is_the_reference_and_at_least_640_million_pixels() -> None:
    assert forward_limit({}, 50_000, 128 * 128) == 50_000
    assert forward_limit({}, 100, 128 * 128) == 640_000_000 // 16_384
