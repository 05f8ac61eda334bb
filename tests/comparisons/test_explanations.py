"""What is said of a gap that other attributes explain, wholly or in part."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
import statsmodels.formula.api as smf

from auditor.checks.performance_gap import PerformanceGap
from auditor.comparisons.confounding import Confounding
from auditor.records import (
    AttributeRole,
    AuditData,
    Claim,
    Declarations,
    HeldFixed,
    Slice,
    SliceComparison,
    SliceKey,
)
from auditor.stages.judge import Judgement, judge
from auditor.statistics import Interval

MakeEvidence = Callable[..., AuditData]
CLASSES = ("no", "yes")


@dataclass(frozen=True)
class _World:
    """Race goes along with age and site, which add to the error rate.

    Attributes:
        n: samples.
        remains: what race adds itself.
        age: what age adds.
        site: what the site adds.
        base: error rate of the others.
    """

    n: int = 6000
    remains: float = 0.0
    age: float = 0.4
    site: float = 0.0
    base: float = 0.05

    def audit(self, make_evidence: MakeEvidence, declared: Declarations | None = None) -> AuditData:
        rng = np.random.default_rng(0)
        race = np.where(rng.random(self.n) < 0.3, "b", "a")
        age = np.where(rng.random(self.n) < np.where(race == "b", 0.7, 0.3), "child", "adult")
        site = np.where(rng.random(self.n) < np.where(race == "b", 0.6, 0.3), "x", "y")
        rate = self.base + self.remains * (race == "b")
        rate += self.age * (age == "child") + self.site * (site == "x")
        label = rng.choice(CLASSES, self.n)
        other = np.where(label == "no", "yes", "no")
        predicted = np.where(rng.random(self.n) < rate, other, label)
        attributes = {"race": race, "age": age, "site": site}
        audit = make_evidence(label, predicted, attributes, classes=CLASSES)
        return replace(audit, declared=declared or Declarations())


def _race(audit: AuditData) -> tuple[Claim, HeldFixed]:
    (claim,) = [one for one in PerformanceGap().examine(audit) if str(one.slice) == "race = b"]
    held = claim.part(HeldFixed)
    assert held is not None
    return claim, held


def _judged(audit: AuditData) -> Judgement:
    return judge({"performance-gap": PerformanceGap()}, audit)


def test_explanation_remainder_within_the_limit_explains(make_evidence: MakeEvidence) -> None:
    claim, held = _race(_World().audit(make_evidence))
    assert held.state == "explains"
    assert held.held == ("age", "site")
    assert held.jointly is not None
    assert -0.05 < held.jointly.low < 0 < held.jointly.high < 0.05
    assert claim.title.endswith("; age explains it")
    assert claim.explained_by == ("age",)
    assert claim.graded_by is not None
    assert claim.graded_by.value == held.jointly.value
    compared = claim.part(SliceComparison)
    assert compared is not None
    assert compared.excluded_gap == held.jointly.high
    assert "Its severity follows the gap with age and site held fixed" in claim.statement[-1]


def test_explanation_part_that_remains_is_named(make_evidence: MakeEvidence) -> None:
    claim, held = _race(_World(remains=0.06, age=0.25).audit(make_evidence))
    assert held.state == "weakens"
    assert held.jointly is not None
    assert held.jointly.low < 0.06 < held.jointly.high
    found = re.search(r"; ([\d.]+) of (\d+) points remain within age$", claim.title)
    assert found is not None
    assert claim.effect is not None
    assert float(found[1]) == pytest.approx(100 * held.jointly.value, abs=0.05)
    assert float(found[2]) == pytest.approx(100 * claim.effect.value, abs=0.5)
    assert claim.explained_by == ()
    assert claim.graded_by is None


def test_explanation_wide_interval_explains_nothing(make_evidence: MakeEvidence) -> None:
    # With 500 samples, the interval of the remainder reaches beyond 5 points, whatever its centre.
    claim, held = _race(_World(n=500).audit(make_evidence))
    assert held.state == "undecided"
    assert claim.explained_by == ()
    assert claim.title.endswith("; age explains at least a part of it")
    assert "the data cannot tell whether they explain all of it" in held.sentences[-1]


def test_explanation_by_two_attributes_joins_their_finding(make_evidence: MakeEvidence) -> None:
    audit = _World(age=0.2, site=0.2).audit(make_evidence)
    claim, held = _race(audit)
    assert {one.state for one in held.gaps} <= {"weakens", "remains"}  # neither explains it alone
    assert claim.title.endswith("; age and site together explain it")
    findings = _judged(audit).findings
    assert [next(iter(one.slice.attributes)) for one in findings] == ["age", "site"]
    (race,) = [one for f in findings for one in f.supporting if str(one.slice) == "race = b"]
    assert race.severity == "note"


def test_explanation_sensitive_attribute_keeps_finding_and_severity(
    make_evidence: MakeEvidence,
) -> None:
    audit = _World().audit(make_evidence, Declarations(sensitive=("race",)))
    (race,) = [one for one in _judged(audit).findings if "race" in one.slice.attributes]
    assert race.title.endswith("; age explains it")
    assert race.severity == "alert"


def test_explanation_declared_confounder_decides_the_severity(make_evidence: MakeEvidence) -> None:
    roles: dict[str, AttributeRole] = {"age": "confounder"}
    audit = _World(remains=0.08, age=0.25).audit(make_evidence, Declarations(roles=roles))
    claim, _ = _race(audit)
    assert claim.graded_by is not None
    assert claim.graded_by.name == "error-rate gap with age held fixed"
    assert claim.graded_by.low < 0.05 < claim.graded_by.value
    (race,) = [one for one in _judged(audit).findings if str(one.slice) == "race = b"]
    assert race.severity == "warning"
    assert race.open_bound


def test_explanation_sensitive_attribute_with_declared_confounder_is_graded_by_it(
    make_evidence: MakeEvidence,
) -> None:
    declared = Declarations(roles={"age": "confounder"}, sensitive=("race",))
    audit = _World().audit(make_evidence, declared)
    findings = [one for one in _judged(audit).findings if "race" in one.slice.attributes]
    assert [one.severity for one in findings] == ["note"]
    assert findings[0].title.endswith("; age explains it")


def test_explanation_mediator_decomposes_the_gap(make_evidence: MakeEvidence) -> None:
    roles: dict[str, AttributeRole] = {"age": "mediator"}
    claim, held = _race(_World().audit(make_evidence, Declarations(roles=roles)))
    assert claim.effect is not None
    assert claim.explained_by == ()
    assert claim.graded_by is None
    assert "explain" not in claim.title
    assert held.held == ("site",)
    (part,) = held.mediated
    assert held.not_mediated is not None
    assert part.part.value + held.not_mediated.value == pytest.approx(claim.effect.value, abs=1e-9)
    assert part.part.value == pytest.approx(0.16, abs=0.02)  # 0.4 times the difference 0.7 - 0.3
    assert "go through age, declared a mediator" in held.sentences[-1]


def test_explanation_ratio_is_graded_in_its_unit(make_evidence: MakeEvidence) -> None:
    # Error rates of 1.9 and 4.5 %: the gap is within the limit, the ratio is not.
    audit = _World(n=40_000, age=0.07, base=0.0).audit(make_evidence)
    claim, held = _race(audit)
    assert claim.effect is not None
    assert claim.effect.unit == "ratio"
    assert held.state == "explains"
    assert claim.graded_by is not None
    assert claim.graded_by.unit == "ratio"
    assert claim.graded_by.low < 1 < claim.graded_by.high


def test_confounding_end_of_an_ordered_attribute_is_compared_with_all_others(
    make_evidence: MakeEvidence,
) -> None:
    # The end holds a part of a value, so its samples do not follow from the values.
    audit = _World(n=390, age=0.3).audit(make_evidence)
    frame = audit.predictions.astype({"label": str, "race": str, "site": str})
    rows = np.flatnonzero((frame["race"] == "b").to_numpy())[:60]
    end = Slice(SliceKey(attributes={"race": "the end"}), rows, tail=True)
    confounding = Confounding(audit, 0.05)
    found = confounding.jointly(end, confounding.one_by_one(end, Interval(0.2, 0.1, 0.3)))
    assert found is not None
    assert found.held == ("age", "site")
    # Fewer than 400 samples have one class of risk, so it is least squares.
    data = frame.assign(failed=frame["failure"].astype(float), inside=0.0)
    data.loc[rows, "inside"] = 1.0
    fit = smf.ols("failed ~ inside + C(label) + C(age) + C(site)", data.astype({"age": str})).fit()
    assert found.gap.value == pytest.approx(float(fit.params["inside"]))
