from __future__ import annotations

from pathlib import Path

import pytest
from builders.small_runs import predictions, small_run
from scipy.stats import binom, norm

from auditor.phrasing import count
from auditor.records import (
    AuditResult,
    CriterionResult,
    Estimate,
    GatePower,
    SliceRecord,
    Unit,
)
from auditor.report.view.sample_sizes import SampleSizes, sample_sizes


def slice_of(
    value: str, support: int, excluded: float | None, label: str | None = None
) -> SliceRecord:
    return SliceRecord(
        attributes={"site": value},
        label=label,
        support=support,
        n_failures=support // 10,
        error_rate=None,
        gap=Estimate(value=0.01, low=-0.1, high=0.2),
        p_value=0.5,
        q_value=0.9,
        detectable_gap=0.123,
        excluded_gap=excluded,
        gate_power=GatePower(gap=0.1, blocked=0.5, not_passed=0.9),
    )


def criterion(support: int, bound: str, threshold: float, unit: Unit = "share") -> CriterionResult:
    return CriterionResult.model_validate(
        {
            "id": "C1",
            "name": "sensitivity",
            "metric": "sensitivity",
            "bound": bound,
            "threshold": threshold,
            "unit": unit,
            "estimate": {"value": 0.93, "low": 0.88, "high": 0.96},
            "support": support,
            "state": "undecided",
            "configured": True,
            "statement": "",
            "missing_samples": 250,
        }
    )


@pytest.fixture
def result(tmp_path: Path) -> AuditResult:
    """An audit of 2000 samples, 200 of them misclassified."""
    return small_run(tmp_path / "run", predictions(2000, range(200)), images=1).read_result()


def sizes(result: AuditResult, *parts: SliceRecord | CriterionResult) -> SampleSizes:
    changes = {
        "slices": [one for one in parts if isinstance(one, SliceRecord)],
        "criteria": [one for one in parts if isinstance(one, CriterionResult)],
    }
    found = sample_sizes(result.model_copy(update=changes))
    assert found is not None
    return found


def test_audit_without_slices_and_criteria_has_no_justification(result: AuditResult) -> None:
    assert sample_sizes(result) is None


def test_smallest_slice_comes_first_and_says_how_many_samples_are_missing(
    result: AuditResult,
) -> None:
    found = sizes(
        result, slice_of("A", 900, 0.05), slice_of("B", 40, 0.2), slice_of("C", 9, 0.1, "x")
    )
    assert [one.name for one in found.slices] == ["site B", "site A"]
    small, large = found.slices
    assert (small.samples, small.detectable, small.excluded) == (
        "40",
        "12 points",
        "over 20 points",
    )
    assert (small.enough, large.enough) == (False, True)
    # Normal approximation of two one-sided tests with 2.5 % each, both missed in 10 %: the standard error
    # sqrt(p q (1 + 1/20) / n) has to be 0.1 / (1.960 + 1.282), for p = 0.1 and a rest of 20 to 1.
    approximate = 0.09 * 1.05 * ((norm.ppf(0.975) + norm.ppf(0.9)) / 0.1) ** 2
    assert approximate == pytest.approx(99.3, abs=0.1)
    needed = int(small.needed)
    assert needed == pytest.approx(approximate, rel=0.25)
    assert found.smallest == (
        "The smallest slice is site B, with 40 samples. To exclude a gap of 10 points with a power of "
        f"80 %, {needed} are needed: {needed - 40} more."
    )
    assert "if the true error rate of the slice is that of all samples (10 %)" in found.text


def test_small_slice_whose_gap_is_excluded_anyway_is_not_called_too_small(
    result: AuditResult,
) -> None:
    found = sizes(result, slice_of("B", 40, 0.09))
    assert found.slices[0].enough is True
    assert found.smallest.endswith("it measured a gap of +1 points.")


def test_slice_without_a_limit_has_no_needed_number(result: AuditResult) -> None:
    one = slice_of("B", 40, 0.2).model_copy(update={"gate_power": None})
    found = sizes(result.model_copy(update={"max_gap": None}), one)
    assert (found.limit, found.slices[0].needed, found.smallest) == ("", "–", "")


def lowest_shown(number: int, limit: float) -> float:
    """The lowest rate, in steps of 0.001, that is shown to be above the limit in 80 % of audits.

    Both one-sided tests with 2.5 %, the score test and the mid-p test, have to reject the limit.
    """
    z = norm.ppf(0.975)
    enough = next(
        hits
        for hits in range(number + 1)
        if (hits / number - limit) > z * (limit * (1 - limit) / number) ** 0.5
        and binom.sf(hits, number, limit) + binom.pmf(hits, number, limit) / 2 < 0.025
    )
    rates = [k / 1000 for k in range(1001)]
    return next(rate for rate in rates if binom.sf(enough - 1, number, rate) >= 0.8)


@pytest.mark.parametrize(("number", "limit"), [(200, 0.9), (50, 0.6), (1000, 0.95)])
def test_criterion_says_from_which_value_on_it_is_met_in_four_of_five_audits(
    result: AuditResult, number: int, limit: float
) -> None:
    expected = 100 * lowest_shown(number, limit)
    least, most = sizes(
        result, criterion(number, "at least", limit), criterion(number, "at most", 1 - limit)
    ).criteria
    assert least.shown == f"at least {expected:.1f} %"
    assert most.shown == f"at most {100 - expected:.1f} %"
    assert (least.samples, least.measured, least.missing) == (
        count(number),
        "93 % (88–96 %)",
        "250",
    )


@pytest.mark.parametrize(
    ("one", "shown"),
    [
        (criterion(5, "at least", 0.9), "no value"),
        (criterion(200, "at least", 0.9, "points"), "–"),
        (criterion(200, "above", 0.9), "–"),
        (criterion(200, "at least", 1.0), "–"),
        (criterion(0, "at least", 0.9), "no value"),
    ],
)
def test_criterion_that_no_value_can_meet_or_that_is_no_share_says_so(
    one: CriterionResult, shown: str, result: AuditResult
) -> None:
    assert sizes(result, one).criteria[0].shown == shown
