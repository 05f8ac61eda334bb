"""Judge: run the checks, correct their claims together, and turn them into findings.

A claim whose test is significant after the correction over *all* tests of the audit is ``supported``,
and ``confirmed`` where an intervention on the images reproduces its effect. One that is not
significant, or whose effect is within the limit that was fixed in advance, is no finding: it is listed
among what was tested. The severity follows from the effect and its interval alone. Counted facts
(near-duplicates, leaked images) need no test: they are ``observed``, and as severe as their check
allows where the interval lies above the limit. Claims with the same cause become one finding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from auditor.checks import Check
from auditor.comparisons.slice_counts import slice_identity
from auditor.config import GateSection
from auditor.errors import BudgetExhaustedError
from auditor.judging.broken_parts import BrokenParts
from auditor.judging.causes import causes
from auditor.judging.common_causes import with_common_causes
from auditor.judging.data_faults import data_faults
from auditor.judging.graded_claim import GradedClaim
from auditor.judging.multiple_testing import Correction, adjust
from auditor.judging.slice_records import slice_records
from auditor.phrasing import attribute_name, plural, several, value_name
from auditor.records import (
    AuditData,
    AuditSize,
    Claim,
    Curve,
    DataFaults,
    Examination,
    Finding,
    LabelNoiseRecord,
    MetricComparison,
    MultipleTestingRecord,
    Skipped,
    SliceComparison,
    SliceRecord,
    TestedRecord,
)
from auditor.records.attributes import MOSTLY_UNTESTED

Advance = Callable[[int], object]


@dataclass(frozen=True)
class Judgement:
    """The outcome of an audit.

    Attributes:
        findings: most severe first; among equals the better supported, then those that account for
            more failures.
        tested: what was tested without becoming a finding.
        slices: every slice with its error rate, and its gap and test where there was one.
        skipped: what could not be examined, and why.
        tests: how many hypotheses were tested, and how their number was corrected for.
        data_faults: failures that may be the data's fault.
        max_gap: largest acceptable error-rate gap of a slice (a share); None where none was stated.
        error_curves: the error rate along each numeric attribute whose trend was tested.
    """

    findings: list[Finding]
    tested: list[TestedRecord]
    slices: list[SliceRecord]
    skipped: list[Skipped]
    tests: MultipleTestingRecord
    data_faults: DataFaults
    max_gap: float | None
    error_curves: list[Curve]


def judge(
    checks: Mapping[str, Check],
    audit: AuditData,
    gate: GateSection | None = None,
    advance: Advance | None = None,
    broken: BrokenParts | None = None,
    doing: Callable[[str], object] | None = None,
) -> Judgement:
    """Runs the checks and decides what is a finding.

    Args:
        checks: the checks to run, by name.
        audit: what they may look at.
        gate: the rules of the gate, for its power; None: the default ones.
        advance: called with 1 after each check.
        broken: collects the checks that raise an exception; None: the exception is raised.
        doing: called with the name of each check before it runs.

    Returns:
        Findings, slices, what was skipped, and the account of the tests.
    """
    claims: list[Claim] = []
    skipped: list[Skipped] = []
    label_noise: LabelNoiseRecord | None = None
    for position, (name, check) in enumerate(checks.items()):
        _reserve_budget(audit, list(checks.values())[position + 1 :])
        if doing is not None:
            doing(name)
        examine = partial(_examined, check, audit, name)
        examined = (
            broken.attempt(name, check.kind, examine, Examination())
            if broken is not None
            else examine()
        )
        claims += examined.claims
        skipped += examined.skipped
        label_noise = examined.label_noise or label_noise
        if advance is not None:
            advance(1)
    correction = adjust(claims, audit.alpha)
    graded = _graded(claims, correction)
    reported = [one for one in graded if one.is_reported]
    findings = [cause.finding(f"F{k}") for k, cause in enumerate(causes(reported), start=1)]
    max_gap = _max_gap(claims)
    labels = {name: one.fault_labels for name, one in checks.items() if one.fault_labels}
    return Judgement(
        findings=with_common_causes(findings, audit),
        tested=_tested(graded),
        slices=slice_records(audit, graded, max_gap, gate or GateSection()),
        skipped=[*skipped, *_too_small(claims, audit)],
        tests=correction.account(_tests_by_check(graded)),
        data_faults=data_faults(
            [one.claim for one in reported], audit.predictions, labels, label_noise
        ),
        max_gap=max_gap,
        error_curves=[part for one in claims if (part := one.part(Curve)) and part.smooth],
    )


def _reserve_budget(audit: AuditData, later: Sequence[Check]) -> None:
    """Leaves a fair share of the budget to the checks that come later, as far as they will run."""
    if audit.model is not None:
        size = _size(audit)
        running = (one for one in later if _unsupported(one, audit) is None)
        audit.budget.reserve_for([one.passes(size).most for one in running])


def _size(audit: AuditData) -> AuditSize:
    """The size of the audit, for the number of a check's forward passes."""
    return AuditSize(
        n_samples=len(audit.predictions),
        n_failures=float(audit.predictions["failure"].sum()),
        n_classes=len(audit.classes),
        n_values=len(audit.value_slices),
        n_reference=len(audit.reference_images or ()),
        has_expected=audit.expected_accuracy is not None,
    )


def _examined(check: Check, audit: AuditData, name: str) -> Examination:
    """What a check brings back; nothing where it does not support the data or the budget is exhausted."""
    reason = _unsupported(check, audit)
    if reason is None:
        try:
            return check.examine(audit)
        except BudgetExhaustedError as error:
            reason = f"not tested: {error}"
    return Examination(skipped=(Skipped(check=name, reason=reason),))


def _unsupported(check: Check, audit: AuditData) -> str | None:
    """Why a check does not support the data; None if it does."""
    if audit.task not in check.tasks:
        return f"not examined: the check does not support {audit.task} classifiers"
    if check.compares_attributes and not audit.attributes:
        return "the data has no attributes that can be compared, so no groups were compared"
    if audit.clusters is None or check.handles_clusters:
        return None
    return (
        f"not tested: images of one {audit.clusters.name} are not independent, and this test does "
        "not support clusters"
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


def _max_gap(claims: Iterable[Claim]) -> float | None:
    """Largest acceptable gap of a slice by annotated attributes."""
    return next(
        (
            one.limit
            for one in claims
            if not one.computed and one.part(SliceComparison) is not None
            if one.effect is None or one.effect.unit == "points"
        ),
        None,
    )


def _tested(graded: Iterable[GradedClaim]) -> list[TestedRecord]:
    """What was tested without becoming a finding, the smallest corrected p-values first."""
    records = [one.tested() for one in graded if not one.is_reported]
    return sorted(
        (one for one in records if one is not None), key=lambda one: (one.q_value, one.p_value)
    )


def _too_small(claims: Sequence[Claim], audit: AuditData) -> Iterator[Skipped]:
    """The slices that were too small: one line for each attribute, and one for those within a label."""
    single: dict[tuple[str, str], dict[str, list[str]]] = {}
    values: dict[tuple[str, str], set[str]] = {}
    others: Counter[str] = Counter()
    ends = {slice_identity(one.key) for one in audit.slices if one.tail}
    for one in claims:
        if slice_identity(one.slice) in ends:
            continue
        if len(one.slice.attributes) == 1 and one.slice.label is None:
            ((name, value),) = one.slice.attributes.items()
            parts = (one.part(SliceComparison), one.part(MetricComparison))
            if one.untestable is not None or any(part is not None for part in parts):
                values.setdefault((one.check, name), set()).add(value)
            if one.untestable is not None:
                reasons = single.setdefault((one.check, name), {})
                reasons.setdefault(value, []).append(one.untestable)
        elif one.untestable is not None:
            others[one.check] += 1
    for (check, name), untested in single.items():
        n_values = len(values[check, name])
        numeric = name in audit.ordered and not audit.ordered[name].names
        if numeric and len(untested) >= MOSTLY_UNTESTED * n_values:
            reason = (
                f"{len(untested)} of {n_values} bands of {attribute_name(name)} have too few samples to "
                "be tested one by one; choose fewer bands with slices.edges or slices.quantiles"
            )
        else:
            listed = [
                f"{value_name(name, value)} ({'; '.join(reasons)})"
                for value, reasons in untested.items()
            ]
            reason = f"{attribute_name(name)}: not compared were {several(listed, 6)}"
        yield Skipped(check=check, reason=reason)
    for check, n in others.items():
        yield Skipped(
            check=check,
            reason=f"{plural(n, 'slice')} within one label: too few samples to be tested; the table of "
            "slices lists the smallest gap that each could have shown",
        )
