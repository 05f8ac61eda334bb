"""The metrics that a configuration asks for."""

from __future__ import annotations

import pytest

from auditor.comparisons.chosen_metrics import choose_metrics
from auditor.config import MetricsSection
from auditor.errors import ConfigError
from auditor.records import TaskName


def test_choose_metrics_default_of_single_label_has_top_5_only_for_more_classes() -> None:
    few, many = (choose_metrics(MetricsSection(), "single-label", n) for n in (5, 6))
    assert few.primary == many.primary == ("accuracy",)
    assert few.shown == (
        "accuracy", "balanced-accuracy", "macro-f1", "calibration-error", "brier",
    )  # fmt: skip
    assert "top-5" in many.shown


def test_choose_metrics_default_of_binary_tests_sensitivity_and_specificity() -> None:
    chosen = choose_metrics(MetricsSection(), "binary", 2)
    assert chosen.primary == ("sensitivity", "specificity")
    assert chosen.shown[:2] == chosen.primary
    assert len(set(chosen.shown)) == len(chosen.shown)


def test_choose_metrics_synonyms_and_underscores_become_canonical_names() -> None:
    section = MetricsSection(primary=("recall", "error_rate"), show=("precision", "recall"))
    chosen = choose_metrics(section, "binary", 2)
    assert chosen.primary == ("sensitivity", "error-rate")
    assert chosen.shown == ("sensitivity", "error-rate", "ppv")


@pytest.mark.parametrize(
    ("section", "task", "message"),
    [
        (
            MetricsSection(primary=("sensitvity",)),
            "binary",
            (
                r"metrics\.primary: expected metrics of a binary classifier \(accuracy, .*\); "
                r"got 'sensitvity'"
            ),
        ),
        (
            MetricsSection(show=("top-5",)),
            "binary",
            r"metrics\.show: .*; got 'top-5', which does not suit this task",
        ),
        (
            MetricsSection(show=("top-7",)),
            "single-label",
            r"metrics\.show: expected top-k accuracy for k below the number of classes, 7; got 'top-7'",
        ),
    ],
)
def test_choose_metrics_unsuitable_name_is_refused(
    section: MetricsSection, task: TaskName, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        choose_metrics(section, task, 7)
