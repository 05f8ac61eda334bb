"""Judge: every check's claims under one correction, and what is left of them as findings.

The ladder: a claim whose test survives the correction over *all* tests of the audit is
``supported``, and ``confirmed`` where an intervention on the images that survives it as well
brings the same about; one that does not, but whose effect exceeds what was called acceptable, is
``observed``; the rest is no finding. The severity comes from the effect and its interval alone.
What was counted (copies, leaked images) needs no test: it is ``observed``, and as grave as what is
counted can be where its interval lies above what was called acceptable.
Claims on the same attributes tell of one cause and become one finding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from auditor.checks import Check
from auditor.comparisons.slice_counts import SliceIdentity, slice_identity
from auditor.judging.causes import causes
from auditor.judging.data_faults import data_faults
from auditor.judging.graded_claim import GradedClaim
from auditor.judging.multiple_testing import adjust
from auditor.records import (
    AuditData,
    Claim,
    DataFaults,
    Estimate,
    Finding,
    Skipped,
    SliceRecord,
)
from auditor.statistics import wilson

Advance = Callable[[int], object]


@dataclass(frozen=True)
class Judgement:
    """The outcome of an audit.

    Attributes:
        findings: gravest first; of one severity the better supported, then what accounts for more
            failures.
        slices: every slice with its error rate, and its gap and test where there was one.
        skipped: what could not be examined, and why.
        tests: how many hypotheses were tested, by which correction, and how many survived it.
        data_faults: failures that the findings suspect to be the data's fault.
    """

    findings: list[Finding]
    slices: list[SliceRecord]
    skipped: list[Skipped]
    tests: dict[str, Any]
    data_faults: DataFaults


def judge(
    checks: Mapping[str, Check], audit: AuditData, advance: Advance | None = None
) -> Judgement:
    """Runs the checks and decides what is a finding.

    Args:
        checks: the checks to run, by name.
        audit: what they may look at.
        advance: called with 1 after each check.

    Returns:
        Findings, slices, what was skipped, and the account of the tests.
    """
    claims: list[Claim] = []
    skipped: list[Skipped] = []
    for check in checks.values():
        brought = check.examine(audit)
        claims += brought.claims
        skipped += brought.skipped
        if advance is not None:
            advance(1)
    correction = adjust(claims, audit.alpha)
    confirmed = frozenset(
        slice_identity(key)
        for claim, q_value in zip(claims, correction.q_values, strict=True)
        if q_value <= audit.alpha
        for key in claim.confirms
    )
    graded = [GradedClaim(claim, k, correction, confirmed) for k, claim in enumerate(claims)]
    found = causes([one for one in graded if one.told])
    skipped += _counted(one.claim for one in graded if one.claim.untestable and not one.told)
    by_check = Counter(one.claim.check for one in graded if one.q_value is not None)
    return Judgement(
        findings=[cause.finding(f"F{k}") for k, cause in enumerate(found, start=1)],
        slices=_slices(audit, graded),
        skipped=skipped,
        tests=correction.account() | {"by_check": dict(sorted(by_check.items()))},
        data_faults=data_faults([one.claim for one in graded if one.told], audit.predictions),
    )


def _counted(claims: Iterable[Claim]) -> list[Skipped]:
    """One line a check for the slices that were too small, instead of one a slice."""
    counts = Counter(claim.check for claim in claims)
    return [
        Skipped(
            check=check,
            reason=f"{n} slices within one label could not be tested for want of samples; the table "
            "of slices says what gap each could have shown",
        )
        for check, n in counts.items()
    ]


def _slices(audit: AuditData, graded: Sequence[GradedClaim]) -> list[SliceRecord]:
    compared: dict[SliceIdentity, GradedClaim] = {
        slice_identity(one.claim.slice): one
        for one in graded
        if "detectable_gap" in one.claim.evidence
    }
    # Of the properties, the values alone: within labels they are many, and findings bring their own.
    computed = [one for one in audit.computed_slices if one.key.label is None]
    slices = [*audit.slices, *computed]
    failure = audit.predictions["failure"].to_numpy(dtype=bool)
    failures = [int(failure[one.rows].sum()) for one in slices]
    rates = wilson(failures, [one.support for one in slices])
    records = []
    for place, (one, n, rate) in enumerate(zip(slices, failures, rates, strict=True)):
        test = compared.get(slice_identity(one.key))
        found: Mapping[str, Any] = {} if test is None else test.claim.evidence
        records.append(
            SliceRecord(
                attributes=one.key.attributes,
                label=one.key.label,
                support=one.support,
                n_failures=n,
                error_rate=Estimate(value=rate.value, low=rate.low, high=rate.high)
                if one.support
                else None,
                gap=Estimate(**found["gap"]) if "gap" in found else None,
                p_value=None if test is None else test.claim.p_value,
                q_value=None if test is None else test.q_value,
                detectable_gap=found.get("detectable_gap"),
                computed=place >= len(audit.slices),
            )
        )
    return records
