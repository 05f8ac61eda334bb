"""Confusions: told when likelier than usual, tested for what they depend on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from scipy.stats import hypergeom

from auditor.checks.confusion_pairs import ConfusionPairs
from auditor.records import AuditData

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
    # Among the failures of eel, dog took 5 (plus 1); among those of dog, eel took 5 (plus 1).
    assert pair.effect.value == pytest.approx(45 / 47 - 6 / 12)
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
