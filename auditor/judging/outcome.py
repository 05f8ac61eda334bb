"""The outcome of an audit: passes, does not pass, or cannot be judged, with every reason.

An audit passes only if no finding reaches the gate's severity, every criterion is met, enough samples
could be evaluated, and for every testable slice the data exclude a gap in error rate of the configured
size. The last rule bounds the probability that an audit passes although a slice has such a gap: it is
at most 5 % for each slice. An audit that could not examine enough cannot be judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.stats import norm

from auditor.config import GateSection
from auditor.phrasing import (
    attribute_name,
    class_and_slice,
    condition,
    count,
    percent,
    plural,
    points,
    several,
)
from auditor.records import (
    SEVERITIES,
    AuditOutcome,
    ClaimRecord,
    ClusterRecord,
    CriterionResult,
    Finding,
    OutcomeReason,
    SliceRecord,
    Summary,
)
from auditor.records.outcome import ACCEPTANCE_CRITERIA

_POWER = 0.8
"""Probability with which the stated number of further samples excludes the gap if there is none."""
_LISTED = 3
"""Maximum number of slices named in a reason; the table of slices has all."""


def decide(
    gate: GateSection,
    summary: Summary,
    findings: Sequence[Finding],
    criteria: Sequence[CriterionResult],
    slices: Sequence[SliceRecord],
    clusters: ClusterRecord | None = None,
    others: Sequence[OutcomeReason] = (),
) -> AuditOutcome:
    """Decides whether an audit passes.

    Args:
        gate: the rules.
        summary: how many samples were evaluated.
        findings: of the audit.
        criteria: of the audit.
        slices: of the audit; computed properties do not count.
        clusters: of the samples; they increase the number of samples needed.
        others: further reasons, such as parts of the audit that could not be done.

    Returns:
        The outcome with its reasons, those that fail the audit first.
    """
    if gate.severity is None:
        return AuditOutcome(state="no-gate", when_undecided=gate.when_undecided)
    reasons = [
        *_criteria(criteria, "missed"),
        *_blocking(findings, gate),
        *_too_little_evaluated(summary, gate),
        *others,
        *_open_findings(findings, gate),
        *_criteria(criteria, "undecided"),
        *_slices(slices, findings, gate, summary, clusters),
    ]
    reasons.sort(key=lambda one: one.state != "fails")
    states = {one.state for one in reasons}
    return AuditOutcome(
        state="fails" if "fails" in states else "undecided" if states else "passes",
        reasons=reasons,
        when_undecided=gate.when_undecided,
    )


def blocks(record: ClaimRecord, gate: GateSection) -> bool:
    """Whether a finding reaches the gate's severity."""
    if gate.severity is None:
        return False
    return SEVERITIES.index(record.severity) >= SEVERITIES.index(gate.severity)


def _blocking(findings: Sequence[Finding], gate: GateSection) -> Iterator[OutcomeReason]:
    for one in findings:
        # A missed criterion is a separate reason.
        if blocks(one, gate) and one.check != ACCEPTANCE_CRITERIA:
            yield OutcomeReason(
                kind="finding", state="fails", text=f"{one.title}.", reference=one.id
            )


def _open_findings(findings: Sequence[Finding], gate: GateSection) -> Iterator[OutcomeReason]:
    """Effects that are significant and above the limit, but whose interval includes the limit."""
    for one in findings:
        claims = [claim for claim in (one, *one.supporting) if claim.open_bound]
        if claims and not blocks(one, gate):
            yield OutcomeReason(
                kind="finding",
                state="undecided",
                text=f"{claims[0].title}: significant, but more samples are needed to say whether it "
                "exceeds the limit.",
                reference=one.id,
            )


def _criteria(criteria: Sequence[CriterionResult], state: str) -> Iterator[OutcomeReason]:
    """One reason for each criterion, however many classes and slices have the state."""
    groups: dict[str, list[CriterionResult]] = {}
    for one in criteria:
        if one.state == state and one.blocking:
            groups.setdefault(one.criterion or one.name, []).append(one)
    for group in groups.values():
        missing = [one.missing_samples for one in group if one.missing_samples is not None]
        yield OutcomeReason(
            kind="criterion",
            state="fails" if state == "missed" else "undecided",
            text=f"Criterion {state}: {_criterion_text(group)}",
            reference=group[0].id,
            missing_samples=max(missing, default=None),
        )


def _criterion_text(group: Sequence[CriterionResult]) -> str:
    """The results of one criterion that have one state."""
    first = group[0]
    if len(group) == 1:
        return f"{first.name}. {first.statement}"
    subjects = several([class_and_slice(one.class_name, one.slice) for one in group], _LISTED)
    return f"{first.criterion}, for {subjects}. {first.statement}"


def _too_little_evaluated(summary: Summary, gate: GateSection) -> Iterator[OutcomeReason]:
    if summary.n_evaluated < gate.min_samples:
        was, are = (
            "was" if summary.n_evaluated == 1 else "were",
            "is" if gate.min_samples == 1 else "are",
        )
        yield OutcomeReason(
            kind="evaluation",
            state="undecided",
            text=f"{plural(summary.n_evaluated, 'sample')} {was} evaluated; at least "
            f"{count(gate.min_samples)} {are} required.",
            missing_samples=gate.min_samples - summary.n_evaluated,
        )
    share = summary.n_unusable / max(summary.n_samples, 1)
    if share > gate.max_unusable:
        yield OutcomeReason(
            kind="evaluation",
            state="undecided",
            text=f"{count(summary.n_unusable)} of {count(summary.n_samples)} samples "
            f"({percent(share)}) could not be evaluated; at most {percent(gate.max_unusable)} may be.",
        )


def _slices(
    slices: Sequence[SliceRecord],
    findings: Sequence[Finding],
    gate: GateSection,
    summary: Summary,
    clusters: ClusterRecord | None,
) -> Iterator[OutcomeReason]:
    """Slices by one attribute for which a gap of the configured size is not excluded."""
    values = [
        one
        for one in slices
        if len(one.attributes) == 1 and one.label is None and not (one.computed or one.tail)
    ]
    yield from _untested_attributes(values)
    named = {
        tuple(claim.slice.attributes.items())
        for one in findings
        if blocks(one, gate)
        for claim in (one, *one.supporting)
    }
    wide = [
        one
        for one in values
        if one.excluded_gap is not None
        and one.excluded_gap > gate.exclude_gap
        and tuple(one.attributes.items()) not in named
    ]
    if not wide:
        return
    wide.sort(key=lambda one: one.support)
    effect = 1.0 if clusters is None else clusters.design_effect or 1.0
    more, missing = _more_samples(wide, gate.exclude_gap, effect)
    n_clusters = None
    if clusters is not None and missing is not None:
        n_clusters = int(np.ceil(missing * clusters.n_clusters / max(summary.n_evaluated, 1)))
        if clusters.n_clusters < summary.n_evaluated:
            more += (
                f" At {summary.n_evaluated / clusters.n_clusters:.3g} samples per cluster by "
                f"{clusters.name}, as in this audit, they would come from about "
                f"{plural(n_clusters, 'more cluster')}."
            )
    listed = several([_name(one) for one in wide], _LISTED)
    yield OutcomeReason(
        kind="power",
        state="undecided",
        text=f"A gap of {points(gate.exclude_gap)} cannot be excluded for {listed}. {more}",
        missing_samples=missing,
        missing_clusters=n_clusters,
    )


def _untested_attributes(values: Sequence[SliceRecord]) -> Iterator[OutcomeReason]:
    """Attributes of which no value could be compared with the rest."""
    tested: dict[str, bool] = {}
    for one in values:
        (name,) = one.attributes
        tested[name] = tested.get(name, False) or one.excluded_gap is not None
    untested = [attribute_name(name) for name, is_tested in tested.items() if not is_tested]
    if untested:
        yield OutcomeReason(
            kind="power",
            state="undecided",
            text=f"No value of {several(untested)} could be compared with the rest of the same labels.",
        )


def _more_samples(
    wide: Sequence[SliceRecord], gap: float, design_effect: float
) -> tuple[str, int | None]:
    """How many more samples would exclude a gap of slices, in a sentence and as a number."""
    missing = max(_missing(one, gap, design_effect) for one in wide)
    if missing:
        more = plural(missing, "more sample")
        text = f"For a slice without a gap, about {more} of the smallest of them would exclude it."
        return text, missing
    known = [_missing_as_measured(one, gap) for one in wide]
    if None in known:
        return "Among more samples, the measured gap may grow or vanish.", None
    missing = max(one for one in known if one is not None)
    more = plural(missing, "more sample")
    return f"If gaps stay as measured, about {more} of each slice would exclude it.", missing


def _missing(one: SliceRecord, gap: float, design_effect: float) -> int:
    """Samples that a slice with the error rate of the rest lacks to exclude a gap in 80 % of audits.

    From the normal approximation: (z₀.₉₇₅ + z₀.₈)² p (1 - p) / gap² samples, with the pooled error rate p,
    times the design effect.
    """
    rate = one.error_rate.value if one.error_rate is not None else 0.5
    rate = min(max(rate - (one.gap.value if one.gap is not None else 0.0), 0.02), 0.98)
    wanted = (norm.ppf(0.975) + norm.ppf(_POWER)) ** 2 * rate * (1 - rate) / gap**2
    return max(int(np.ceil(design_effect * wanted)) - one.support, 0)


def _missing_as_measured(one: SliceRecord, gap: float) -> int | None:
    """Samples that a slice lacks if its gap stays as it is; None where that is too large to exclude.

    The distance from the gap to its upper limit falls with the root of the number of samples.
    """
    if one.gap is None or one.excluded_gap is None or one.gap.value >= gap:
        return None
    factor = ((one.excluded_gap - one.gap.value) / (gap - one.gap.value)) ** 2
    return max(int(np.ceil(one.support * factor)) - one.support, 1)


def _name(one: SliceRecord) -> str:
    ((name, value),) = one.attributes.items()
    return f"{condition(name, value)} (n = {count(one.support)})"
