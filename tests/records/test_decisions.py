"""Decision rules: probabilities from logits, and decisions from probabilities."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest

from auditor.records.decision_table import decision_table
from auditor.records.decisions import DecisionRule


def test_single_label_rule_predicts_the_most_probable_class() -> None:
    rule = DecisionRule.single_label(["a", "b", "c"])
    shares = np.exp(rule.log_probabilities(np.log([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]])))
    assert shares == pytest.approx(np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]]))
    assert rule.decide(shares).tolist() == [[1], [0]]


def test_log_probabilities_of_outputs_that_are_not_finite_are_nan_without_a_warning() -> None:
    rule = DecisionRule.single_label(("a", "b"))
    found = rule.log_probabilities(np.array([[np.nan, 0.0], [np.inf, np.inf], [0.0, 0.0]]))
    assert np.isnan(found).all(1).tolist() == [True, True, False]
    assert rule.log_probabilities(np.empty((0, 2))).shape == (0, 2)


def test_log_probabilities_of_large_logits_stay_finite() -> None:
    rule = DecisionRule.single_label(["a", "b"])
    assert rule.log_probabilities(np.array([[2000.0, 0.0]])).tolist() == [[0.0, -2000.0]]


@pytest.mark.parametrize(("positive", "column"), [("sick", 1), ("healthy", 0)])
def test_binary_rule_predicts_the_positive_class_from_its_threshold_on(
    positive: str, column: int
) -> None:
    rule = DecisionRule.binary(["healthy", "sick"], positive, 0.25)
    shares = np.array([0.2, 0.25, 0.6])
    both = np.stack([1 - shares, shares], 1)[:, :: 1 if column == 1 else -1]
    assert rule.decide(both)[:, 0].tolist() == [1 - column, column, column]


def test_multi_label_rule_decides_each_label_at_its_threshold() -> None:
    rule = DecisionRule.multi_label(["cat", "dog"], [0.5, 0.9])
    assert rule.classes == ("cat", "not cat", "dog", "not dog")
    # The columns of a label are z / 2 and -z / 2: their softmax is the sigmoid of z.
    z = np.array([1.0, 2.0])
    logits = np.array([[z[0] / 2, -z[0] / 2, z[1] / 2, -z[1] / 2]])
    shares = np.exp(rule.log_probabilities(logits))
    sigmoid = [1 / (1 + math.exp(-one)) for one in z]
    assert shares[0, ::2] == pytest.approx(sigmoid)
    assert shares[0, 1::2] == pytest.approx([1 - one for one in sigmoid])
    # 0.73 reaches 0.5, and 0.88 does not reach 0.9.
    assert [rule.classes[k] for k in rule.decide(shares)[0]] == ["cat", "not dog"]


def test_rule_survives_its_record() -> None:
    rule = DecisionRule.multi_label(["cat", "dog"], [0.5, 0.9])
    again = DecisionRule.of(rule.record(), rule.classes)
    assert (again.labels, again.thresholds.tolist()) == (rule.labels, [0.5, 0.9])


def test_decision_table_has_one_row_for_each_sample_and_label() -> None:
    rule = DecisionRule.multi_label(["cat", "dog"], [0.5, 0.5])
    samples = pd.DataFrame(
        {
            "sample": ["s", "t"],
            "path": ["s.png", "t.png"],
            "label": [json.dumps(["cat"]), json.dumps([])],
            "predicted": [json.dumps(["dog"]), json.dumps([])],
            "confidence": [0.3, 0.8],
            "loss": [1.0, 0.1],
            "site": ["A", "B"],
        }
    )
    scores = np.array([[0.4, 0.7], [0.1, 0.2]], dtype=np.float32)
    table, decisions = decision_table(samples, scores, rule)
    assert table["sample"].tolist() == ["s · cat", "s · dog", "t · cat", "t · dog"]
    assert table["label"].tolist() == ["cat", "not dog", "not cat", "not dog"]
    assert table["predicted"].tolist() == ["not cat", "dog", "not cat", "not dog"]
    assert table["site"].tolist() == ["A", "A", "B", "B"]
    # Without a group in the data, the decisions of a sample are a cluster.
    assert table["data.group"].tolist() == ["s", "s", "t", "t"]
    assert table["confidence"].tolist() == pytest.approx([0.6, 0.7, 0.9, 0.8])
    right = [0.4, 0.3, 0.9, 0.8]
    assert table["loss"].tolist() == pytest.approx([-math.log(one) for one in right])
    assert decisions.truth.tolist() == [True, False, False, False]
    assert decisions.called.tolist() == [False, True, False, False]
    assert decisions.of_sample is not None
    assert decisions.of_sample.tolist() == [0, 0, 1, 1]


def test_decision_table_keeps_the_group_of_the_data() -> None:
    rule = DecisionRule.multi_label(["cat", "dog"], [0.5, 0.5])
    samples = pd.DataFrame(
        {
            "sample": ["s", "t"],
            "path": ["s.png", "t.png"],
            "label": ["[]", "[]"],
            "predicted": ["[]", "[]"],
            "confidence": [1.0, 1.0],
            "loss": [0.0, 0.0],
            "data.group": ["patient 1", None],
        }
    )
    table, _ = decision_table(samples, np.zeros((2, 2), np.float32), rule)
    # The decisions on a sample without a group still belong together.
    assert table["data.group"].tolist() == ["patient 1", "patient 1", "t", "t"]
