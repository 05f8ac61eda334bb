"""Label pairs: errors on one label that depend on the presence of another."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.stats import fisher_exact

from auditor.checks.label_pairs import LabelPairs
from auditor.comparisons.clusters import clusters_of
from auditor.records import AuditData, Claim
from auditor.records.decision_table import decision_table
from auditor.records.decisions import DecisionRule

LABELS = ("cat", "dog", "eel")


def audit_of(
    truth: NDArray[np.bool_], called: NDArray[np.bool_], groups: list[str] | None = None
) -> AuditData:
    """An audit of a model that calls labels with probability 0.9, or 0.1 where it does not."""
    rule = DecisionRule.multi_label(LABELS, [0.5] * 3)
    names = np.array(LABELS, dtype=object)
    samples = pd.DataFrame(
        {
            "sample": [f"s{k}" for k in range(len(truth))],
            "path": "",
            "label": [json.dumps(list(names[row])) for row in truth],
            "predicted": [json.dumps(list(names[row])) for row in called],
            "confidence": 0.9,
            "loss": 0.1,
        }
    )
    if groups is not None:
        samples["data.group"] = groups
    table, decisions = decision_table(samples, np.where(called, 0.9, 0.1).astype(np.float32), rule)
    for column in ("label", "predicted"):
        table[column] = pd.Categorical(table[column], categories=list(rule.classes))
    table["failure"] = table["label"].astype(str) != table["predicted"].astype(str)
    return AuditData(
        predictions=table,
        classes=rule.classes,
        attributes=(),
        slices=(),
        reference=None,
        alpha=0.05,
        min_support=30,
        seed=0,
        clusters=clusters_of(table, "sample" if groups is None else "patient"),
        task="multi-label",
        decisions=decisions,
    )


def labels(n: int, seed: int = 0) -> NDArray[np.bool_]:
    return np.random.default_rng(seed).random((n, 3)) < 0.5


def claim_on_cats_called_with_a_dog(audit: AuditData) -> Claim:
    (claim,) = [
        one
        for one in LabelPairs().examine(audit)
        if (one.slice.attributes, one.slice.label) == ({"dog": "present"}, "not cat")
    ]
    return claim


def test_shortcut_between_two_labels_has_its_fisher_test() -> None:
    truth = labels(400)
    called = truth.copy()
    # Half of the samples with a dog and no cat are called cat.
    shortcut = truth[:, 1] & ~truth[:, 0] & (np.arange(400) % 2 == 0)
    called[shortcut, 0] = True
    found = LabelPairs().examine(audit_of(truth, called)).claims
    worst = min(found, key=lambda one: one.p_value or 0.0)
    assert worst.slice.attributes == {"dog": "present"}
    assert worst.slice.label == "not cat"
    inside, outside = truth[:, 1] & ~truth[:, 0], ~truth[:, 1] & ~truth[:, 0]
    table = [[shortcut.sum(), inside.sum() - shortcut.sum()], [0, outside.sum()]]
    # mid-p: half of the probability of the table itself less than Fisher's one-sided p-value, which is
    # that probability alone here, because no failure is left for the rest.
    assert worst.p_value == pytest.approx(fisher_exact(table, alternative="greater").pvalue / 2)
    assert worst.effect is not None
    assert worst.effect.value == pytest.approx(shortcut.sum() / inside.sum())
    assert all(one in {f"s{k} · cat" for k in np.flatnonzero(shortcut)} for one in worst.samples)


def test_missed_label_without_its_companion_is_found_among_samples_that_have_it() -> None:
    truth = labels(400)
    called = truth.copy()
    alone = truth[:, 0] & ~truth[:, 1]
    called[alone & (np.arange(400) % 2 == 0), 0] = False
    audit = audit_of(truth, called)
    worst = min(LabelPairs().examine(audit), key=lambda one: one.p_value or 0.0)
    assert (worst.slice.attributes, worst.slice.label) == ({"dog": "absent"}, "cat")


def test_independent_errors_are_rarely_significant() -> None:
    """400 sets of samples with random errors: at most about 5 % of the p-values are below 0.05."""
    p_values: list[float] = []
    for seed in range(40):
        truth = labels(300, seed)
        errors = np.random.default_rng(1000 + seed).random(truth.shape) < 0.1
        found = LabelPairs().examine(audit_of(truth, truth ^ errors))
        p_values += [one.p_value for one in found if one.p_value is not None]
    # 24 comparisons in each audit; those with the presence and the absence of a label are opposite.
    assert len(p_values) == 40 * 24
    share = float(np.mean(np.array(p_values) < 0.05))
    assert share < 0.05 + 3 * np.sqrt(0.05 * 0.95 / (len(p_values) / 2))


def test_images_of_a_patient_are_clusters() -> None:
    truth = np.repeat(labels(40), 10, axis=0)
    called = truth.copy()
    called[truth[:, 1] & ~truth[:, 0] & (np.arange(400) % 2 == 0), 0] = True
    groups = [f"p{k // 10}" for k in range(400)]
    alone = claim_on_cats_called_with_a_dog(audit_of(truth, called))
    grouped = claim_on_cats_called_with_a_dog(audit_of(truth, called, groups))
    assert alone.p_value is not None
    assert grouped.p_value is not None
    assert grouped.p_value > 100 * alone.p_value


def test_small_slices_are_not_tested() -> None:
    truth = labels(60)
    assert not LabelPairs().examine(audit_of(truth, truth)).claims
