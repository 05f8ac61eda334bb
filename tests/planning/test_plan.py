"""Plans: samples per slice from assumptions, with and without data, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from builders.configurations import MINIMAL, write_config
from typer.testing import CliRunner

from auditor.cli import app
from auditor.config import AuditConfig
from auditor.errors import ConfigError
from auditor.planning import Plan, plan_of
from auditor.statistics.sample_size import (
    clusters_for,
    samples_for_auroc,
    samples_for_gap,
    samples_for_mean,
    samples_for_share,
)

Raw = dict[str, Any]
EVERY = {"metric": "sensitivity", "at_least": 0.9, "slices": "every"}
VALUES = ("sex=f,m", "site=A,B,C")


def config(*criteria: Raw, **sections: Any) -> AuditConfig:
    data = {**MINIMAL["data"], "attributes": ["sex", "site"]}  # type: ignore[dict-item]
    raw = MINIMAL | {"task": "binary", "data": data, "criteria": list(criteria)} | sections
    return AuditConfig.parse(raw)


def planned(criterion: Raw, *assume: str, **sections: Any) -> Plan:
    return plan_of(config(criterion, **sections), assume, VALUES)


def test_share_of_all_samples_needs_the_binomial_number() -> None:
    (row,) = planned({"metric": "accuracy", "at_least": 0.9}, "accuracy=0.95").rows
    number = samples_for_share(0.95, 0.9)
    assert (row.samples, row.counted, row.alone, row.total) == (number,) * 4
    assert (row.n_questions, row.clusters, row.note) == (1, None, "")


def test_assumed_accuracy_is_one_minus_the_error_rate() -> None:
    (row,) = planned({"metric": "accuracy", "at_least": 0.9}, "error_rate=0.05").rows
    assert row.samples == samples_for_share(0.95, 0.9)


def test_sensitivity_in_every_slice_counts_positives_and_divides_the_error() -> None:
    (row,) = planned(EVERY, "sensitivity=0.95", "prevalence=0.25").rows
    # Two values of sex and three of site: each is met with a probability of 1 - 0.2 / 5.
    number = samples_for_share(0.95, 0.9, 0.95, 0.96)
    assert number is not None
    assert (row.n_questions, row.counted, row.what) == (5, number, "positive")
    assert row.samples == 4 * number
    assert row.total == 12 * number  # three sites
    alone = samples_for_share(0.95, 0.9)
    assert alone is not None
    assert row.alone == 4 * alone


def test_predictive_value_counts_the_samples_called_positive() -> None:
    criterion = {"metric": "ppv", "at_least": 0.8}
    (row,) = planned(criterion, "ppv=0.9", "sensitivity=0.9", "prevalence=0.2").rows
    number = samples_for_share(0.9, 0.8)
    assert number is not None
    # 0.2 · 0.9 of the samples are true positives, 90 % of those called positive: 20 % are called.
    assert row.samples == pytest.approx(number / 0.2, abs=1)


def test_f1_is_planned_by_the_share_of_hits() -> None:
    criterion = {"metric": "f1", "at_least": 0.8}
    (row,) = planned(criterion, "f1=0.9", "sensitivity=0.9", "prevalence=0.5").rows
    # J = F / (2 - F): 0.9 / 1.1 against 0.8 / 1.2.
    assert row.counted == samples_for_share(0.9 / 1.1, 0.8 / 1.2)


def test_gap_is_planned_for_the_rest_of_the_attribute_with_fewest_values() -> None:
    gap = {"metric": "error_rate_gap", "at_most": 0.1, "attributes": ["site"]}
    (row,) = planned(gap, "error-rate=0.1").rows
    assert row.n_questions == 3
    assert row.samples == samples_for_gap((0.1, 0.1), 0.1, 2.0, 0.95, 1 - 0.2 / 3)
    (biased,) = planned(gap, "error-rate=0.1", "error_rate_gap=0.05").rows
    assert biased.samples is not None
    assert row.samples is not None
    assert biased.samples > row.samples


def test_gap_of_two_values_is_one_question() -> None:
    gap = {"metric": "error_rate_gap", "at_most": 0.1, "attributes": ["sex"]}
    (row,) = planned(gap, "error-rate=0.1").rows
    assert (row.n_questions, row.total) == (1, 2 * (row.samples or 0))


def test_auroc_and_metrics_with_a_deviation_are_planned() -> None:
    (auroc,) = planned({"metric": "auroc", "at_least": 0.85}, "auroc=0.9", "prevalence=0.3").rows
    assert auroc.samples == samples_for_auroc(0.9, 0.85, 0.3)
    error = {"metric": "calibration_error", "at_most": 0.05}
    (row,) = planned(error, "calibration_error=0.02", "calibration_error_sd=0.3").rows
    assert row.samples == samples_for_mean(0.03, 0.3)


def test_clusters_are_planned_with_their_correlation() -> None:
    accuracy = {"metric": "accuracy", "at_least": 0.9}
    assume = ("accuracy=0.95", "per-cluster=10", "correlation=0.2")
    (row,) = planned(accuracy, *assume).rows
    number = samples_for_share(0.95, 0.9)
    assert number is not None
    assert row.clusters == clusters_for(number, 10, 0.2)
    assert row.samples == 10 * row.clusters


def test_assumed_value_beyond_the_limit_has_a_note_instead_of_a_number() -> None:
    found = planned({"metric": "accuracy", "at_least": 0.9}, "accuracy=0.85")
    assert found.rows[0].samples is None
    assert any("the assumed value does not meet the criterion" in one for one in found.sentences)


def test_plan_section_is_used_and_options_override_it() -> None:
    section = {
        "assume": {"sensitivity": 0.95, "prevalence": 0.5},
        "values": {"sex": ["f", "m"], "site": ["A", "B"]},
        "power": 0.9,
    }
    settings = config(EVERY, plan=section)
    (row,) = plan_of(settings).rows
    assert row.counted == samples_for_share(0.95, 0.9, 0.95, 1 - 0.1 / 4)
    (other,) = plan_of(settings, ["sensitivity=0.97"], ["site=A,B,C"], 0.8).rows
    assert other.counted == samples_for_share(0.97, 0.9, 0.95, 1 - 0.2 / 5)


def test_edges_of_a_numeric_attribute_are_its_values() -> None:
    settings = config(
        {**EVERY, "attributes": ["age"]},
        data={**MINIMAL["data"], "attributes": ["age"]},  # type: ignore[dict-item]
        slices={"edges": {"age": [18, 65]}},
    )
    (row,) = plan_of(settings, ["sensitivity=0.95", "prevalence=0.5"]).rows
    assert row.n_questions == 3


def test_values_and_clusters_come_from_the_data_if_it_exists(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "file": [f"{k}.png" for k in range(120)],
            "label": ["a", "b"] * 60,
            "site": ["A"] * 80 + ["B"] * 40,
            "patient": np.repeat(np.arange(40), 3),
        }
    )
    table.to_csv(tmp_path / "test.csv", index=False)
    data = {
        "adapter": "manifest",
        "path": "test.csv",
        "attributes": ["site"],
        "group": "patient",
    }
    path = write_config(tmp_path, {"task": "binary", "data": data, "criteria": [EVERY]})
    (row,) = plan_of(
        AuditConfig.load(path), ["sensitivity=0.95", "prevalence=0.5", "correlation=0.1"]
    ).rows
    number = samples_for_share(0.95, 0.9, 0.95, 0.9)
    assert number is not None
    assert (row.n_questions, row.smallest) == (2, 40)
    assert row.clusters == 2 * clusters_for(number, 3, 0.1, 0.95, 0.9)


def test_each_class_is_planned_for_the_labels_of_the_data(tmp_path: Path) -> None:
    labels = ["cat hat", "cat", "hat dog", ""] * 30
    table = pd.DataFrame({"file": [f"{k}.png" for k in range(120)], "label": labels})
    table.to_csv(tmp_path / "test.csv", index=False)
    criterion = {"metric": "sensitivity", "class": "each", "at_least": 0.9}
    data = {"adapter": "manifest", "path": "test.csv", "separator": " "}
    model = {"adapter": "python", "factory": "a:b"}
    path = write_config(
        tmp_path, {"task": "multi-label", "data": data, "model": model, "criteria": [criterion]}
    )
    (row,) = plan_of(AuditConfig.load(path), ["sensitivity=0.95", "prevalence=0.3"]).rows
    assert row.n_questions == 3


def test_each_class_without_known_classes_is_refused() -> None:
    raw = MINIMAL | {
        "model": {"adapter": "python", "factory": "a:b"},
        "criteria": [{"metric": "sensitivity", "class": "each", "at_least": 0.9}],
    }
    with pytest.raises(ConfigError, match=r"state `model\.classes`"):
        plan_of(AuditConfig.parse(raw), ["sensitivity=0.95", "prevalence=0.3"])


@pytest.mark.parametrize(
    ("assume", "values", "text"),
    [
        ([], VALUES, "missing: sensitivity .*--assume sensitivity=…"),
        (["sensitivity=0.95"], VALUES, "missing: prevalence"),
        (["sensitivity"], VALUES, "a name and a number, such as sensitivity=0.95"),
        (["sensitivity=high"], VALUES, "a name and a number"),
        (["sensitivty=0.95"], VALUES, "did you mean 'sensitivity'"),
        (["sensitivity=95"], VALUES, "a share from 0 to 1, such as 0.95; got 95"),
        (["sensitivity=nan"], VALUES, "a share from 0 to 1"),
        (["prevalence=0"], VALUES, "a share between 0 and 1"),
        (["correlation=2"], VALUES, "a correlation from 0 to 1"),
        (["per-cluster=0"], VALUES, "at least 1 sample per cluster"),
        (["brier-sd=0"], VALUES, "a standard deviation above 0"),
        ([], ["sex=f,m"], "expected the values of site; the data could not be read"),
        ([], ["sex=f,m", "site"], "an attribute and values, such as site=A,B"),
        ([], ["sex=f,m", "site=A"], "at least two different values"),
        ([], ["sex=f,m", "site=A,A"], "at least two different values"),
        ([], [*VALUES, "age=1,2"], "expected attributes of the data, out of sex and site"),
    ],
)
def test_missing_or_impossible_assumption_is_refused(
    assume: list[str], values: list[str], text: str
) -> None:
    with pytest.raises(ConfigError, match=text):
        plan_of(config(EVERY), assume, values)


def test_plan_without_criteria_or_with_an_impossible_power_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected acceptance criteria"):
        plan_of(config())
    with pytest.raises(ConfigError, match="--power"):
        plan_of(config(EVERY), [], VALUES, 80)


def test_plan_of_a_metric_that_the_task_lacks_is_refused() -> None:
    with pytest.raises(ConfigError, match="a metric of the task binary"):
        planned({"metric": "top-5", "at_least": 0.9}, "top-5=0.95")


def test_command_prints_a_table_without_data_and_model(tmp_path: Path) -> None:
    data = {"adapter": "manifest", "path": "missing.csv", "attributes": ["site"]}
    path = write_config(tmp_path, {"task": "binary", "data": data, "criteria": [EVERY]})
    options = ["--assume", "sensitivity=0.95", "--assume", "prevalence=0.5"]
    found = CliRunner().invoke(app, ["plan", str(path), *options, "--values", "site=A,B"])
    assert found.exit_code == 0
    number = samples_for_share(0.95, 0.9, 0.95, 0.9)
    assert number is not None
    assert str(2 * number) in found.output
    assert "missing.csv" in found.output
    refused = CliRunner().invoke(app, ["plan", str(path)])
    assert refused.exit_code == 2
