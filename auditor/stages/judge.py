"""Judge: run the checks, correct their claims together, and turn them into findings.

A claim whose test is significant after the correction over *all* tests of the audit is ``supported``,
and ``confirmed`` where an intervention on the images reproduces its effect. One that is not
significant, but whose effect exceeds the limit that was fixed in advance, is ``observed``. The severity
follows from the effect and its interval alone. Counted facts (near-duplicates, leaked images) need no
test: they are ``observed``, and as severe as their check allows where the interval lies above the
limit. Claims with the same cause become one finding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from auditor.checks import Check
from auditor.comparisons.slice_counts import SliceIdentity, slice_identity
from auditor.judging.causes import causes
from auditor.judging.data_faults import data_faults
from auditor.judging.graded_claim import GradedClaim
from auditor.judging.multiple_testing import Correction, adjust
from auditor.records import (
    AuditData,
    Claim,
    DataFaults,
    Estimate,
    Finding,
    LabelNoiseRecord,
    MultipleTestingRecord,
    Skipped,
    SliceComparison,
    SliceRecord,
)
from auditor.statistics import wilson

Advance = Callable[[int], object]


@dataclass(frozen=True)
class Judgement:
    """The outcome of an audit.

    Attributes:
        findings: most severe first; among equals the better supported, then those that account for
            more failures.
        slices: every slice with its error rate, and its gap and test where there was one.
        skipped: what could not be examined, and why.
        tests: how many hypotheses were tested, and how their number was corrected for.
        data_faults: failures that may be the data's fault.
        max_gap: largest acceptable error-rate gap of a slice (a share); None where none was stated.
    """

    findings: list[Finding]
    slices: list[SliceRecord]
    skipped: list[Skipped]
    tests: MultipleTestingRecord
    data_faults: DataFaults
    max_gap: float | None


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
    label_noise: LabelNoiseRecord | None = None
    for check in checks.values():
        examined = check.examine(audit)
        claims += examined.claims
        skipped += examined.skipped
        label_noise = examined.label_noise or label_noise
        if advance is not None:
            advance(1)
    weights = {name: one.weight for name, one in checks.items() if one.weight != 1}
    correction = adjust(claims, audit.alpha, weights)
    graded = _graded(claims, correction)
    reported = [one for one in graded if one.is_reported]
    findings = [cause.finding(f"F{k}") for k, cause in enumerate(causes(reported), start=1)]
    untested = [one.claim for one in graded if one.claim.untestable and not one.is_reported]
    labels = {name: one.fault_labels for name, one in checks.items() if one.fault_labels}
    return Judgement(
        findings=findings,
        slices=_slices(audit, graded),
        skipped=[*skipped, *_too_small(untested)],
        tests=correction.account(_tests_by_check(graded)),
        data_faults=data_faults(
            [one.claim for one in reported], audit.predictions, labels, label_noise
        ),
        max_gap=next((one.limit for one in claims if _compares_slice(one)), None),
    )


def _graded(claims: Sequence[Claim], correction: Correction) -> list[GradedClaim]:
    confirmed = frozenset(
        slice_identity(key)
        for claim, q_value in zip(claims, correction.q_values, strict=True)
        if q_value <= correction.alpha
        for key in claim.confirms
    )
    return [GradedClaim(claim, k, correction, confirmed) for k, claim in enumerate(claims)]


def _tests_by_check(graded: Sequence[GradedClaim]) -> dict[str, int]:
    counts = Counter(one.claim.check for one in graded if one.q_value is not None)
    return dict(sorted(counts.items()))


def _compares_slice(claim: Claim) -> bool:
    """Whether it compares the error rate of a slice by annotated attributes."""
    return not claim.computed and claim.part(SliceComparison) is not None


def _too_small(claims: Iterable[Claim]) -> list[Skipped]:
    """One line a check for the slices that were too small, instead of one a slice."""
    counts = Counter(claim.check for claim in claims)
    return [
        Skipped(
            check=check,
            reason=f"{n} slices within one label have too few samples to be tested; the table of slices "
            "lists the smallest gap that each could have shown",
        )
        for check, n in counts.items()
    ]


def _slices(audit: AuditData, graded: Sequence[GradedClaim]) -> list[SliceRecord]:
    compared: dict[SliceIdentity, GradedClaim] = {
        slice_identity(one.claim.slice): one
        for one in graded
        if one.claim.part(SliceComparison) is not None
    }
    # Of computed properties only the values: within labels they are too many, and findings show their own.
    computed = [one for one in audit.computed_slices if one.key.label is None]
    slices = [*audit.slices, *computed]
    failure = audit.predictions["failure"].to_numpy(dtype=bool)
    failures = [int(failure[one.rows].sum()) for one in slices]
    rates = wilson(failures, [one.support for one in slices])
    records = []
    for place, (one, n, rate) in enumerate(zip(slices, failures, rates, strict=True)):
        test = compared.get(slice_identity(one.key))
        comparison = None if test is None else test.claim.part(SliceComparison)
        records.append(
            SliceRecord(
                attributes=one.key.attributes,
                label=one.key.label,
                support=one.support,
                n_failures=n,
                error_rate=Estimate.of(rate) if one.support else None,
                gap=None if comparison is None else comparison.gap,
                p_value=None if test is None else test.claim.p_value,
                q_value=None if test is None else test.q_value,
                detectable_gap=None if comparison is None else comparison.detectable_gap,
                excluded_gap=None if comparison is None else comparison.excluded_gap,
                computed=place >= len(audit.slices),
                tail=one.tail,
            )
        )
    return records
