"""Label association and representation against independent libraries and hand counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2_contingency

from auditor.checks.label_association import LabelAssociation
from auditor.checks.representation import Representation
from auditor.records import AuditData, Declarations, Table
from auditor.stages.judge import judge

MakeEvidence = Callable[..., AuditData]
CLASSES = ("nurse", "doctor")


def _reference(cells: dict[tuple[str, str], int]) -> pd.DataFrame:
    rows = [key for key, n in cells.items() for _ in range(n)]
    return pd.DataFrame(rows, columns=["label", "sex"])


@pytest.fixture
def hospital(make_evidence: MakeEvidence) -> AuditData:
    label = ["nurse", "doctor"] * 200
    sex = ["f", "f", "m", "m"] * 100
    trained = _reference(
        {("nurse", "f"): 270, ("nurse", "m"): 30, ("doctor", "f"): 66, ("doctor", "m"): 134}
    )
    return make_evidence(label, label, {"sex": sex}, classes=CLASSES, reference=trained)


def test_label_association_training_data_equals_scipy(hospital: AuditData) -> None:
    trained, audited = LabelAssociation().examine(hospital).claims
    counts = np.array([[270, 30], [66, 134]])
    statistic, p_value, _, _ = chi2_contingency(counts, correction=False)
    corrected = np.sqrt((statistic / 500 - 1 / 499) / (1 - 1 / 499))
    assert trained.effect is not None
    assert trained.effect.value == pytest.approx(corrected)
    assert trained.p_value == pytest.approx(p_value, rel=1e-6)
    assert trained.slice.attributes == {"sex": "m"}
    assert trained.slice.label == "nurse"
    assert trained.ceiling == "warning"
    assert audited.effect is not None
    assert audited.effect.value == 0


def test_label_association_plan_lowers_the_association_to_the_limit(hospital: AuditData) -> None:
    trained = LabelAssociation(max_association=0.1).examine(hospital).claims[0]
    counts = np.array([[270, 30], [66, 134]])  # columns f, m as in the plan's values
    plan = trained.part(Table)
    assert plan is not None
    for label, value, n in plan.rows:
        assert isinstance(n, float)
        counts[CLASSES.index(str(label)), ["f", "m"].index(str(value))] += int(n)
    statistic = chi2_contingency(counts, correction=False)[0]
    total = counts.sum()
    assert np.sqrt((statistic / total - 1 / (total - 1)) / (1 - 1 / (total - 1))) <= 0.1 + 1e-9
    assert trained.plan.startswith("Collect ")
    assert "nurse with sex = m" in trained.plan


def test_label_association_attribute_equal_to_label_is_inseparable(
    make_evidence: MakeEvidence,
) -> None:
    label = ["nurse", "doctor"] * 50
    audit = make_evidence(label, label, {"copy": label}, classes=CLASSES)
    examination = LabelAssociation().examine(audit)
    (claim,) = examination.claims
    assert claim.effect is not None
    assert claim.effect.value == pytest.approx(1)
    assert "cannot show which of the two a model uses" in claim.statement[-1]
    assert "no reference is given" in examination.skipped[0].reason


def test_label_association_diagnostic_attribute_is_listed_without_warning(
    make_evidence: MakeEvidence,
) -> None:
    label = ["nurse", "doctor"] * 50
    audit = make_evidence(label, label, {"veil": label}, classes=CLASSES)
    audit = replace(audit, declared=Declarations(roles={"veil": "diagnostic"}))
    judgement = judge({"label-association": LabelAssociation()}, audit)
    assert not judgement.findings
    (tested,) = judgement.tested
    assert tested.reason == "within the limit"
    assert tested.title.endswith("(Cramér's V 1.00), as a part of what defines it")


def test_label_association_single_label_is_skipped(make_evidence: MakeEvidence) -> None:
    audit = make_evidence(["nurse"] * 80, ["nurse"] * 80, {"sex": ["f", "m"] * 40}, classes=CLASSES)
    examination = LabelAssociation().examine(audit)
    assert examination.claims == ()
    assert "only one label" in examination.skipped[0].reason


def test_representation_value_scarce_in_training_is_named(make_evidence: MakeEvidence) -> None:
    label = ["nurse", "doctor"] * 200
    trained = _reference({("nurse", "f"): 475, ("doctor", "f"): 475, ("nurse", "m"): 50})
    audit = make_evidence(
        label, label, {"sex": ["f", "f", "m", "m"] * 100}, classes=CLASSES, reference=trained
    )
    claims = {str(one.slice): one for one in Representation().examine(audit)}
    scarce = claims["sex = m"]
    assert scarce.effect is not None
    assert scarce.effect.value == pytest.approx(0.5 - 0.05)
    assert scarce.effect.value > scarce.limit
    assert "about 450 more samples with sex = m" in scarce.action
    assert claims["sex = f"].effect is not None
    assert claims["sex = f"].effect.value < 0


def test_representation_rare_audited_value_is_described_not_tested(
    make_evidence: MakeEvidence,
) -> None:
    label = ["nurse", "doctor"] * 100
    audit = make_evidence(label, label, {"sex": ["m"] * 10 + ["f"] * 190}, classes=CLASSES)
    (claim,) = Representation().examine(audit).claims
    assert claim.slice.attributes == {"sex": "m"}
    assert claim.p_value is None
    assert claim.effect is not None
    assert claim.effect.value == pytest.approx(0.45)
    assert claim.effect.value > claim.limit
