"""The table of slices: error rates, gaps with their tests, and the power of the audit."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

import numpy as np

from auditor.comparisons.clusters import rates_of
from auditor.comparisons.pooled_rates import pooled_rates
from auditor.comparisons.slice_counts import SliceIdentity, slice_identity
from auditor.config import GateSection
from auditor.judging.graded_claim import GradedClaim
from auditor.judging.multiple_testing import CONFIDENCE
from auditor.records import (
    RARE_VALUES,
    AuditData,
    ComparisonSizes,
    Estimate,
    GatePower,
    Question,
    Severity,
    Slice,
    SliceComparison,
    SliceRecord,
)
from auditor.statistics import Floats, GateRule, detectable_by, doubt_power, gate_power


def slice_records(
    audit: AuditData, graded: Sequence[GradedClaim], max_gap: float | None, gate: GateSection
) -> list[SliceRecord]:
    """The record of every slice.

    Args:
        audit: the samples.
        graded: all claims; those with a `SliceComparison` are copied into the records of their slices.
        max_gap: largest acceptable gap of a slice; None if none is configured.
        gate: the rules of the gate.
    """
    compared = {
        slice_identity(one.claim.slice): one
        for one in graded
        if one.claim.part(SliceComparison) is not None
    }
    # Computed properties only as values: there are too many within labels, and findings show theirs.
    computed = [one for one in audit.computed_slices if one.key.label is None]
    slices = [*audit.slices, *computed]
    failure = audit.predictions["failure"].to_numpy(dtype=bool)
    failures = [int(failure[one.rows].sum()) for one in slices]
    rates = rates_of(audit, slices)
    detectable = _detectable(list(compared.values()), max_gap or 0.0, audit.alpha)
    ends = {slice_identity(one.key) for one in audit.slices if _is_end(one)}
    powers = _gate_powers(list(compared.values()), max_gap, gate, ends)
    pooled = pooled_rates(audit)
    records = []
    for place, (one, n, rate) in enumerate(zip(slices, failures, rates, strict=True)):
        identity = slice_identity(one.key)
        found = _of_slice(one, compared.get(identity))
        records.append(
            found.model_copy(
                update={
                    "n_failures": n,
                    "error_rate": Estimate.of(rate) if one.support else None,
                    "pooled_rate": Estimate.of(pooled[identity]) if identity in pooled else None,
                    "detectable_gap": detectable.get(identity),
                    "gate_power": powers.get(identity),
                    "computed": place >= len(audit.slices),
                    "tail": _is_end(one),
                }
            )
        )
    return records


def _is_end(one: Slice) -> bool:
    """Whether it is an end of an ordered attribute, and not its rare values."""
    return one.tail and RARE_VALUES not in one.key.attributes.values()


def _of_slice(one: Slice, test: GradedClaim | None) -> SliceRecord:
    comparison = None if test is None else test.claim.part(SliceComparison)
    return SliceRecord(
        attributes=one.key.attributes,
        label=one.key.label,
        support=one.support,
        n_failures=0,
        error_rate=None,
        gap=None if comparison is None else comparison.gap,
        ratio=None if comparison is None else comparison.ratio,
        p_value=None if test is None else test.claim.p_value,
        q_value=None if test is None else test.q_value,
        level=None if test is None else test.level,
        excluded_gap=None if comparison is None else comparison.excluded_gap,
    )


def _detectable(
    compared: Sequence[GradedClaim], limit: float, alpha: float
) -> dict[SliceIdentity, float]:
    """The smallest gap that an audit of this size would report with a probability of 80 %.

    Slices that are too small to be tested get the smallest level of the tests on the same question.
    """
    least: dict[Question | None, float] = {}
    for one in compared:
        if one.level is not None:
            question = one.claim.question
            least[question] = min(least.get(question, 1.0), one.level)
    found: dict[SliceIdentity, float] = {}
    by_null: dict[float, list[tuple[GradedClaim, ComparisonSizes]]] = {}
    for one in compared:
        for sizes in one.claim.sizes:
            by_null.setdefault(sizes.null_gap, []).append((one, sizes))
    for null_gap, members in by_null.items():
        levels = np.array(
            [
                least.get(one.claim.question, alpha) if one.level is None else one.level
                for one, _ in members
            ]
        )
        rule = (
            GateRule(levels, min_gap=limit)
            if null_gap == 0
            else GateRule(levels, min_low=null_gap, confidence=1 - 2 * levels)
        )
        gaps = detectable_by(*_padded([sizes for _, sizes in members]), rule)
        for (one, _), gap in zip(members, gaps, strict=True):
            identity = slice_identity(one.claim.slice)
            # A claim with several comparisons is significant only if all of them are.
            # NaN (no label has samples of both sides) stays NaN.
            found[identity] = float(np.maximum(found.get(identity, 0.0), gap))
    return {identity: gap for identity, gap in found.items() if np.isfinite(gap)}


def _gate_powers(
    compared: Sequence[GradedClaim],
    max_gap: float | None,
    gate: GateSection,
    ends: Container[SliceIdentity],
) -> Mapping[SliceIdentity, GatePower]:
    """Power of the gate against the gap that it has to exclude, for single values.

    Args:
        compared: comparisons of slices with the rest.
        max_gap: largest acceptable gap.
        gate: the rules of the gate.
        ends: ends of ordered attributes, where an audit can pass without excluding a gap.
    """
    values = [
        one
        for one in compared
        if not one.claim.computed
        and one.claim.slice.label is None
        and len(one.claim.slice.attributes) == 1
    ]
    tested = [one for one in values if one.level is not None]
    if gate.severity is None or max_gap is None or not values:
        return {}
    # A slice that was not tested can neither block the gate nor prevent the audit from passing.
    powers = {
        slice_identity(one.claim.slice): GatePower(gap=gate.exclude_gap, blocked=0, not_passed=0)
        for one in values
    }
    if not tested:
        return powers
    levels = np.array([one.level for one in tested], dtype=np.float64)
    lows: dict[Severity, float | None] = {"alert": max_gap, "warning": 0.0, "note": None}
    sizes = _padded([one.claim.sizes[0] for one in tested])
    blocking = GateRule(levels, max_gap, lows[gate.severity])
    doubtful = GateRule(levels, max_gap, confidence=CONFIDENCE)
    blocked = gate_power(gate.exclude_gap, *sizes, blocking)
    stopped = doubt_power(gate.exclude_gap, *sizes, doubtful, gate.exclude_gap)
    reported = gate_power(gate.exclude_gap, *sizes, GateRule(levels, max_gap))
    for one, first, second, third in zip(tested, blocked, stopped, reported, strict=True):
        identity = slice_identity(one.claim.slice)
        prevented = max(first, third if identity in ends else second)
        powers[identity] = GatePower(
            gap=gate.exclude_gap, blocked=float(first), not_passed=float(prevented)
        )
    return powers


def _padded(sizes: Sequence[ComparisonSizes]) -> tuple[Floats, Floats, Floats]:
    """(N, S) samples of slices and of the rest, and error rates; missing strata have no samples."""
    width = max((len(one.n_slice) for one in sizes), default=0)

    def stacked(rows: Sequence[Floats]) -> Floats:
        return np.stack([np.pad(row, (0, width - len(row))) for row in rows])

    return (
        stacked([one.n_slice for one in sizes]),
        stacked([one.n_rest for one in sizes]),
        stacked([one.base_rate for one in sizes]),
    )
