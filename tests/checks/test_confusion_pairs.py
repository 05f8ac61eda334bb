"""Confusions: described if more frequent than usual, and tested for attributes they depend on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from scipy.stats import hypergeom

from auditor.checks.confusion_pairs import ConfusionPairs
from auditor.checks.performance_gap import PerformanceGap
from auditor.records import AuditData, Quantities
from auditor.stages.judge import judge

MakeEvidence = Callable[..., AuditData]
CLASSES = ("cat", "dog", "eel")


def test_confusion_pairs_pair_is_described_and_its_attribute_tested(
    make_evidence: MakeEvidence,
) -> None:
    # 40 of 100 cats at night and 5 of 100 by day are predicted as dog; the other errors are even.
    label = ["cat"] * 200 + ["dog"] * 100 + ["eel"] * 100
    predicted = (
        ["dog"] * 40 + ["cat"] * 60 + ["dog"] * 5 + ["eel"] * 2 + ["cat"] * 93
        + ["cat"] * 5 + ["eel"] * 5 + ["dog"] * 90
        + ["cat"] * 5 + ["dog"] * 5 + ["eel"] * 90
    )  # fmt: skip
    light = ["night"] * 100 + ["day"] * 100 + ["night", "day"] * 100
    audit = make_evidence(label, predicted, {"light": light}, classes=CLASSES)
    claims = {str(one.slice): one for one in ConfusionPairs().examine(audit)}
    pair = claims["label = cat, predicted = dog"]
    assert pair.p_value is None
    assert pair.effect is not None
    # Of the 10 failures of eel, 5 are predicted as dog; spread evenly, half of them would be.
    assert pair.effect.value == pytest.approx(45 / 47 - 5 / 10)
    assert pair.statement[1] == (
        "Of the failures of the other labels, 50 % are predicted as dog; if failures were spread evenly "
        "over the wrong classes, it would be 50 %."
    )
    night = claims["light = night, label = cat, predicted = dog"]
    assert night.effect is not None
    assert night.effect.value == pytest.approx(0.4 - 0.05)
    law = hypergeom(200, 45, 100)
    assert night.p_value == pytest.approx(2 * (law.sf(40) + law.pmf(40) / 2))
    assert night.samples[0] == "s39"


def test_confusion_pairs_two_classes_are_skipped(make_evidence: MakeEvidence) -> None:
    label = ["cat", "dog"] * 50
    audit = make_evidence(label, label, {}, classes=("cat", "dog"))
    examination = ConfusionPairs().examine(audit)
    assert examination.claims == ()
    assert "two classes" in examination.skipped[0].reason


def test_confusion_pairs_state_the_rate_of_the_other_labels(make_evidence: MakeEvidence) -> None:
    # All 20 failures of a are predicted as b. The other labels c to f have 40 failures, 10 each; 5 of
    # them, 12.5 %, are predicted as b.
    names = tuple("abcdef")
    label, predicted = ["a"] * 100, ["b"] * 20 + ["a"] * 80
    for k, name in enumerate("cdef"):
        others = [one for one in "cdef" if one != name]
        to_b = 2 if k == 0 else 1
        wrong = ["b"] * to_b + [others[i % 3] for i in range(10 - to_b)]
        label += [name] * 100
        predicted += wrong + [name] * 90
    label += ["b"] * 100
    predicted += ["b"] * 100
    audit = make_evidence(label, predicted, {}, classes=names)
    (pair,) = [one for one in ConfusionPairs().examine(audit) if one.slice.label == "a"]
    numbers = pair.part(Quantities)
    assert numbers is not None
    named = {one.name: one.value for one in numbers.items}
    assert named["share of the other labels' failures"] == pytest.approx(5 / 40)
    assert pair.effect is not None
    assert pair.effect.value == pytest.approx(1 - 1 / 5)
    assert pair.statement[1].startswith(
        "Of the failures of the other labels, 12 % are predicted as b"
    )
    assert "it would be 20 %" in pair.statement[1]


def test_confusion_pairs_popular_class_is_not_described(make_evidence: MakeEvidence) -> None:
    # Every label's failures go to b, so that b is no special confusion of a.
    label, predicted = ["b"] * 100, ["b"] * 100
    for name in "acdef":
        label += [name] * 100
        predicted += ["b"] * 20 + [name] * 80
    audit = make_evidence(label, predicted, {}, classes=tuple("abcdef"))
    assert not list(ConfusionPairs().examine(audit))


def test_confusion_pair_of_one_slice_is_explained_by_its_attribute(
    make_evidence: MakeEvidence,
) -> None:
    # The model was trained on photographs: in sketches, each class is predicted as the next one.
    classes = tuple("abcdefg")
    label, predicted, style = [], [], []
    for k, name in enumerate(classes):
        for kind in ("photo", "painting", "cartoon", "sketch"):
            n_wrong = 20 if kind == "sketch" else 1
            label += [name] * 40
            predicted += [classes[(k + 1) % 7]] * n_wrong + [name] * (40 - n_wrong)
            style += [kind] * 40
    audit = make_evidence(label, predicted, {"style": style}, classes=classes)
    pairs = [one for one in ConfusionPairs().examine(audit) if not one.slice.attributes]
    assert len(pairs) == 7
    assert all(one.explained_by == ("style",) for one in pairs)
    checks = {"performance-gap": PerformanceGap(), "confusion-pairs": ConfusionPairs()}
    (finding,) = judge(checks, audit).findings
    assert finding.slice.attributes == {"style": "sketch"}
    assert sum(one.check == "confusion-pairs" for one in finding.supporting) >= 7


def test_confusion_pair_in_all_slices_is_explained_by_none(make_evidence: MakeEvidence) -> None:
    label = ["cat"] * 200 + ["dog"] * 100 + ["eel"] * 100
    predicted = ["dog"] * 60 + ["cat"] * 140 + ["dog"] * 100 + ["eel"] * 100
    light = ["night", "day"] * 200
    audit = make_evidence(label, predicted, {"light": light}, classes=CLASSES)
    (pair,) = [one for one in ConfusionPairs().examine(audit) if not one.slice.attributes]
    assert pair.explained_by == ()
