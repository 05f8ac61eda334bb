"""The estimate of wrong labels in words."""

from __future__ import annotations

from typing import get_args

import pytest

from auditor.records import (
    DataFaults,
    Estimate,
    LabelNoiseReason,
    LabelNoiseRecord,
    Summary,
)
from auditor.report.view.label_noise import label_noise_text

SUMMARY = Summary(
    n_samples=1000,
    n_evaluated=1000,
    n_unusable=0,
    n_failures=216,
    n_explained=0,
    accuracy=Estimate(value=0.784, low=0.757, high=0.809),
)


def noise(low: float) -> LabelNoiseRecord:
    return LabelNoiseRecord(
        share=Estimate(value=0.05, low=low, high=0.075),
        failures=Estimate(value=41.3, low=40 * low / 0.05, high=61.2),
        successes=Estimate(value=4.6, low=0, high=7.9),
        accuracy=Estimate(value=0.821, low=0.791, high=0.848),
    )


def test_label_noise_is_stated_for_failures_successes_and_accuracy() -> None:
    assert label_noise_text(noise(0.025), SUMMARY) == (
        "An estimated 5 % of the labels are wrong (2.5–7.5 %): those of 41 (20 to 61) of 216 failures, and "
        "those of 5 (0 to 8) of 784 successes, where the model agrees with a wrong label. Corrected for "
        "both, the accuracy is 82.1 % (79–85 %) instead of 78.4 %. This assumes that wrong labels occur at "
        "random; a slice in which the model is confidently wrong, and which no attribute describes, would "
        "look the same."
    )


def test_label_noise_interval_with_0_is_not_detected() -> None:
    assert label_noise_text(noise(0), SUMMARY) == (
        "No label noise was detected: it is estimated that at most 7.5 % of the labels are wrong. Corrected "
        "for that, the accuracy is 79–85 %."
    )


@pytest.mark.parametrize("reason", get_args(LabelNoiseReason))
def test_label_noise_withheld_gives_the_reason_and_no_number(reason: LabelNoiseReason) -> None:
    record = LabelNoiseRecord(reason=reason, associated_value="site = north")
    text = label_noise_text(record, SUMMARY)
    assert text.startswith("Label noise could not be estimated: ")
    assert text.endswith(".")
    assert "accuracy" not in text
    assert ("site = north" in text) == (reason == "associated")
    assert not record.is_detected


def test_label_noise_of_an_older_result_is_absent() -> None:
    older = DataFaults.model_validate(
        {
            "n_failures": 1,
            "by_check": {"label-errors": 1},
            "accuracy": {"value": 0.9, "low": 0.8, "high": 0.95},
            "samples": {"a": ["label-errors"]},
        }
    )
    assert older.label_noise is None
    assert label_noise_text(None, SUMMARY) == ""
