"""Which gaps and rates the number of samples can show, and how many samples would be needed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from auditor.phrasing import amount, change, count, limits, percent, plural, points, slice_name
from auditor.records import AuditResult, CriterionResult, Estimate, SliceRecord
from auditor.statistics.sample_size import samples_for_gap, share_power

_POWER = 0.8
_PLAIN_SHARES = frozenset(
    {
        *("accuracy", "error-rate", "selection-rate", "sensitivity", "recall", "specificity"),
        *("ppv", "precision", "npv"),
    }
)
"""Metrics whose samples are counted one by one, so that a binomial distribution holds."""
_MOST = 40
"""Slices that are listed."""
_LEAST_GAP = 0.02
"""Smaller limits take long to compute."""
_MOST_REST = 20.0
"""Samples of the rest for each one of the slice; more hardly matter."""
_NONE = "–"


@dataclass(frozen=True)
class SliceSize:
    """What the samples of a slice can show.

    Attributes:
        name: of the slice.
        samples: their number.
        detectable: the gap that its test would have found in four of five audits.
        excluded: the gap that the interval excludes.
        needed: samples with which the gap of the gate can be excluded.
        enough: whether there are as many, or the gap is excluded anyway; None where the number is not known.
    """

    name: str
    samples: str
    detectable: str
    excluded: str
    needed: str
    enough: bool | None


@dataclass(frozen=True)
class CriterionSize:
    """What the samples of a criterion can show.

    Attributes:
        name: of the criterion.
        samples: their number.
        measured: the value with its interval.
        shown: the value from which on the criterion is met in four of five audits.
        missing: further samples that would probably decide it, if it is undecided.
    """

    name: str
    samples: str
    measured: str
    shown: str
    missing: str


@dataclass(frozen=True)
class SampleSizes:
    """The number of samples, for the section on statistics of a test report.

    Attributes:
        text: a few sentences.
        limit: the gap to exclude, as text; empty if none is stated.
        slices: the smallest first.
        criteria: the configured ones; undecided ones first.
        smallest: what the smallest slice would need, in a sentence.
    """

    text: str
    limit: str
    slices: tuple[SliceSize, ...]
    criteria: tuple[CriterionSize, ...]
    smallest: str


def sample_sizes(result: AuditResult) -> SampleSizes | None:
    """What the number of samples can show; None without slices and configured criteria.

    The samples that a slice needs are those with which the 95 % interval of its gap lies inside of the
    limit with a power of 80 %, if its true error rate is that of all samples; see `samples_for_gap`.

    Args:
        result: of the audit.
    """
    slices = sorted(filter(_counts, result.slices), key=lambda one: (one.support, slice_name(one)))
    slices = slices[:_MOST]
    configured = [one for one in result.criteria if one.configured]
    if not slices and not configured:
        return None
    limit = _limit(result)
    needed = [_needed(one, result, limit) for one in slices]
    order = ("undecided", "missed", "met")
    return SampleSizes(
        text=_text(result, limit),
        limit="" if limit is None else points(limit),
        slices=tuple(_slice(one, n, limit) for one, n in zip(slices, needed, strict=True)),
        criteria=tuple(map(_criterion, sorted(configured, key=lambda one: order.index(one.state)))),
        smallest=_smallest(slices[0], needed[0], limit) if slices and limit is not None else "",
    )


def _counts(one: SliceRecord) -> bool:
    """Whether a slice is one value of an attribute that somebody recorded: those the gate examines."""
    return len(one.attributes) == 1 and one.label is None and not (one.computed or one.tail)


def _limit(result: AuditResult) -> float | None:
    """The gap that the gate has to exclude, or else the largest acceptable one."""
    powers = (one.gate_power for one in result.slices)
    return next((one.gap for one in powers if one is not None), result.max_gap)


def _needed(one: SliceRecord, result: AuditResult, limit: float | None) -> int | None:
    summary = result.summary
    n, rest = summary.n_evaluated, summary.n_evaluated - one.support
    if limit is None or not _LEAST_GAP <= limit < 1 or not one.support or rest <= 0:
        return None
    # With none or all wrong, any number of samples would seem enough.
    rate = min((summary.n_failures + 1) / ((summary.n_decisions or n) + 2), 1.0)
    ratio = min(rest / one.support, _MOST_REST)
    return samples_for_gap((rate, rate), limit, ratio, power=_POWER)


def _slice(one: SliceRecord, needed: int | None, limit: float | None) -> SliceSize:
    excluded = one.excluded_gap
    shown = limit is not None and excluded is not None and excluded <= limit
    return SliceSize(
        slice_name(one),
        count(one.support),
        "not tested" if one.detectable_gap is None else points(one.detectable_gap),
        _NONE if excluded is None else "any" if excluded <= 0 else f"over {points(excluded)}",
        _NONE if needed is None else count(needed),
        None if needed is None else shown or one.support >= needed,
    )


def _text(result: AuditResult, limit: float | None) -> str:
    summary = result.summary
    parts = [f"The audit evaluated {plural(summary.n_evaluated, 'sample')}."]
    accuracy = summary.accuracy
    if accuracy is not None:
        half = (accuracy.high - accuracy.low) / 2
        parts.append(f"The half-width of the 95 % interval of the accuracy is {points(half)}.")
    parts.append(
        "The detectable gap of a slice is the smallest difference in error rate to the other samples "
        "that its test, at its level after the correction for all tests, finds with a power of 80 %. "
        "The excluded gap is the upper end of the 95 % interval."
    )
    if limit is not None:
        parts.append(
            f"The last column is the number of samples with which a gap of {points(limit)} is excluded "
            "with a power of 80 %, if the true error rate of the slice is that of all samples "
            f"({percent(1 - accuracy.value if accuracy else 0)}) and the proportions of the slices stay "
            "as they are."
        )
    effect = None if result.clusters is None else result.clusters.design_effect
    if effect is not None and effect > 1:
        parts.append(
            f"Needed numbers are of independent samples; the clusters of this audit multiply them by up "
            f"to {effect:.1f} (design effect of the error rate)."
        )
    return " ".join(parts)


def _smallest(one: SliceRecord, needed: int | None, limit: float) -> str:
    has = f"The smallest slice is {slice_name(one)}, with {plural(one.support, 'sample')}."
    if needed is None:
        return f"{has} No number up to a million is enough to exclude a gap of {points(limit)}."
    if one.support >= needed:
        return (
            f"{has} That is enough to exclude a gap of {points(limit)}: {count(needed)} are needed."
        )
    text = (
        f"{has} To exclude a gap of {points(limit)} with a power of 80 %, {count(needed)} are needed: "
        f"{count(needed - one.support)} more."
    )
    if one.gap is not None and one.excluded_gap is not None and one.excluded_gap <= limit:
        text += f" This audit excludes it nevertheless: it measured a gap of {change(one.gap.value)} points."
    return text


def _criterion(one: CriterionResult) -> CriterionSize:
    known = one.estimate
    missing = one.missing_samples if one.state == "undecided" else None
    return CriterionSize(
        one.name,
        count(one.support),
        _NONE if known is None else _measured(known, one),
        _shown(one),
        _NONE if missing is None else count(missing),
    )


def _measured(known: Estimate, one: CriterionResult) -> str:
    level = "" if one.confidence == 0.95 else f", {percent(one.confidence)} interval"
    return f"{amount(known.value, one.unit)} ({limits(known, one.unit)}{level})"


def _shown(one: CriterionResult) -> str:
    """The value from which on the interval of a share lies beyond the limit with a power of 80 %."""
    plain = one.metric.replace("_", "-") in _PLAIN_SHARES
    if not plain or one.unit != "share" or one.bound == "above":
        return _NONE
    if not (0 < one.threshold < 1 and 0 < one.confidence < 1):
        return _NONE
    lower = one.bound == "at least"
    limit = one.threshold if lower else 1 - one.threshold
    rate = _rate_with_power(one.support, limit, one.confidence)
    if rate is None:
        return "no value"
    return f"{one.bound} {percent(rate if lower else 1 - rate, 1)}"


def _rate_with_power(number: int, limit: float, confidence: float) -> float | None:
    """The smallest true share above a limit that ``number`` samples show with a power of 80 %."""
    if number < 1 or _power(number, 1.0, limit, confidence) < _POWER:
        return None
    low, high = limit, 1.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        enough = _power(number, middle, limit, confidence) >= _POWER
        low, high = (low, middle) if enough else (middle, high)
    return math.ceil(1000 * high) / 1000


def _power(number: int, rate: float, limit: float, confidence: float) -> float:
    return float(share_power(np.array([number]), rate, limit, confidence)[0])
