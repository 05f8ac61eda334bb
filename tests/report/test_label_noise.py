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


def noise(low: float, *cleared: str) -> LabelNoiseRecord:
    return LabelNoiseRecord(
        share=Estimate(value=0.05, low=low, high=0.075),
        failures=Estimate(value=41.3, low=40 * low / 0.05, high=61.2),
        cleared=cleared,
    )


def test_contradicted_labels_are_stated_without_blame_or_correction() -> None:
    assert label_noise_text(noise(0.025), SUMMARY) == (
        "The model contradicts an estimated 5 % of the labels (2.5–7.5 %) more confidently than its other "
        "errors explain: those of 41 (20 to 61) of 216 failures. Either these labels are wrong, or the model "
        "uses a shortcut; its predictions alone cannot tell which. No label is blamed, all of these count as "
        "failures, and the accuracy is not corrected."
    )


def test_labels_with_another_explanation_are_listed_up_to_three() -> None:
    text = label_noise_text(noise(0.025, "one", "two", "three", "four", "five"), SUMMARY)
    assert text.endswith(
        "Contradicted labels with another explanation: one; two; three; and 2 more."
    )


def test_corrected_accuracy_of_an_earlier_result_is_not_shown() -> None:
    earlier = noise(0.025).model_copy(
        update={
            "successes": Estimate(value=4.6, low=0, high=7.9),
            "accuracy": Estimate(value=0.821, low=0.791, high=0.848),
        }
    )
    assert label_noise_text(earlier, SUMMARY) == label_noise_text(noise(0.025), SUMMARY)


def test_label_noise_interval_with_0_is_not_detected() -> None:
    assert label_noise_text(noise(0), SUMMARY) == (
        "No label noise was detected: if labels are wrong at random, at most 7.5 % of them are."
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
