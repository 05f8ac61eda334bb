"""Whole audits of tables in which the values of one attribute differ, as a reader meets them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.config import GateSection
from auditor.judging.criteria import examine_criteria, with_missed_criteria
from auditor.judging.outcome import decide
from auditor.preparation import select_checks
from auditor.records import AuditData, AuditOutcome, Finding, Summary
from auditor.selftest import accusations
from auditor.stages.judge import Judgement, judge

MakeEvidence = Callable[..., AuditData]
CLASSES = ("cat", "dog")


@dataclass(frozen=True)
class _Audit:
    """What an audit of a table ends with."""

    findings: list[Finding]
    judgement: Judgement
    outcome: AuditOutcome

    @property
    def accused(self) -> set[str]:
        """Sites that a supported finding or a part of one names."""
        return {one.attributes.get("site", "") for one in accusations(self.findings)}


def _audited(audit: AuditData) -> _Audit:
    """All checks that need no model, the default criteria and the gate."""
    checks = {name: one for name, one in select_checks({})[0].items() if not one.needs}
    judgement = judge(checks, audit)
    gate = GateSection()
    criteria = examine_criteria(audit, 0, gate.criteria, ()).results
    n = len(audit.predictions)
    summary = Summary(
        n_samples=n, n_evaluated=n, n_unusable=0, n_failures=0, n_explained=0, accuracy=None
    )
    findings = with_missed_criteria(judgement.findings, criteria)
    outcome = decide(gate, summary, findings, criteria, judgement.slices)
    return _Audit(findings, judgement, outcome)


def _drawn(
    make_evidence: MakeEvidence,
    site: NDArray[np.str_],
    rates: Mapping[str, float],
    generator: np.random.Generator,
) -> AuditData:
    """Two labels, failures at each site's rate, and an innocent attribute."""
    n = len(site)
    label = generator.choice(CLASSES, n)
    rate = np.vectorize(rates.__getitem__)(site)
    failed = generator.random(n) < rate
    predicted = np.where(failed, np.where(label == "cat", "dog", "cat"), label)
    camera = generator.choice(["old", "new"], n)
    return make_evidence(
        label,
        predicted,
        {"site": site, "camera": camera},
        classes=CLASSES,
        confidence=1 - failed.mean() + generator.uniform(-0.02, 0.02, n),
    )


def test_compared_values_one_better_site_of_five_is_named_and_fails_the_audit(
    make_evidence: MakeEvidence,
) -> None:
    generator = np.random.default_rng(0)
    site = generator.choice(list("ABCDE"), 5000)
    rates = {"A": 0.05, **dict.fromkeys("BCDE", 0.23)}
    audit = _audited(_drawn(make_evidence, site, rates, generator))
    first = audit.findings[0]
    assert first.title.startswith("Only site = A has a low error rate: ")
    assert (first.severity, first.verdict) == ("alert", "supported")
    named = {one.slice.attributes["site"] for one in first.supporting if one.severity == "alert"}
    assert named >= set("BCDE")
    assert audit.outcome.state == "fails"
    assert {one.reference for one in audit.outcome.reasons if one.kind == "finding"} == {first.id}
    assert "camera" not in {name for one in audit.findings for name in one.slice.attributes}


def test_compared_values_one_better_hospital_of_ten_is_named(make_evidence: MakeEvidence) -> None:
    generator = np.random.default_rng(1)
    names = [f"H{k}" for k in range(10)]
    site = generator.choice(names, 5000)
    rates = {name: 0.05 if name == "H3" else 0.15 for name in names}
    audit = _audited(_drawn(make_evidence, site, rates, generator))
    assert audit.findings[0].title.startswith("Only site = H3 has a low error rate: ")
    worse = {
        one.slice.attributes.get("site")
        for finding in audit.findings
        for one in finding.supporting
        if one.verdict == "supported"
    }
    assert worse >= set(names) - {"H3"}


def test_compared_values_five_times_a_small_error_rate_fails_the_audit(
    make_evidence: MakeEvidence,
) -> None:
    # 5.5 % against 1 % is within the limit of 5 points, but not within a ratio of 2.
    generator = np.random.default_rng(0)
    site = generator.choice(list("AB"), 5000)
    audit = _audited(_drawn(make_evidence, site, {"A": 0.01, "B": 0.055}, generator))
    first = audit.findings[0]
    assert first.slice.attributes == {"site": "B"}
    assert first.effect is not None
    assert (first.effect.unit, first.severity) == ("ratio", "alert")
    assert audit.outcome.state == "fails"


def test_compared_values_innocent_rare_site_is_not_accused(make_evidence: MakeEvidence) -> None:
    accused = found = 0
    for seed in range(8):
        generator = np.random.default_rng(seed)
        site = generator.choice(["common", "other", "rare"], 6000, p=[0.4, 0.58, 0.02])
        rates = {"common": 0.18, "other": 0.1, "rare": 0.1}
        audit = _audited(_drawn(make_evidence, site, rates, generator))
        found += "common" in audit.accused
        accused += bool(audit.accused & {"other", "rare"})
    assert found == 8
    assert accused == 0


def test_compared_values_equal_sites_are_tested_and_not_found(make_evidence: MakeEvidence) -> None:
    generator = np.random.default_rng(0)
    site = generator.choice(list("ABCDE"), 5000)
    audit = _audited(_drawn(make_evidence, site, dict.fromkeys("ABCDE", 0.1), generator))
    assert not [one for one in audit.findings if one.kind == "outcome"]
    tested = audit.judgement.tested
    assert {"performance-gap", "value-differences"} <= {one.check for one in tested}
    assert {one.reason for one in tested} == {"may be chance"}
    assert all(one.q_value > 0.05 for one in tested)
    assert audit.outcome.state == "passes"
