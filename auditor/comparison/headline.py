"""The outcome of a comparison in words: headline, main changes, summary for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from auditor.comparison.displayed import with_display_names
from auditor.comparison.records import Comparison, FindingStatus, SliceChange
from auditor.phrasing import change, count, percent, plural, points, slice_name
from auditor.phrasing.glossary import SEVERITY_SHAPES
from auditor.records import SEVERITIES, Estimate

HIGHLIGHTS = 5
"""Improvements, and regressions, that are listed."""
_SLICES = 3
"""Slices among them at most, so that there is room for findings."""

STATUS: Mapping[FindingStatus, str] = {
    "new": "New",
    "graver": "More severe than before",
    "stayed": "Unchanged",
    "milder": "Less severe than before",
    "unjudged": "Cannot be judged",
    "gone": "Gone",
}
STATUS_MEANING: Mapping[FindingStatus, str] = {
    "new": "only the later audit has them",
    "graver": "in both audits, with a higher severity now",
    "stayed": "in both audits, with the same severity",
    "milder": "in both audits, with a lower severity now",
    "unjudged": (
        "only the earlier audit has them, and the later one has too little data to say that they are gone"
    ),
    "gone": ("only the earlier audit has them; this does not prove that the problem is resolved"),
}
_TAGS: Mapping[FindingStatus, str] = {"new": "New", "graver": "More severe", "gone": "Gone"}


@dataclass(frozen=True)
class Headline:
    """The outcome in words.

    Attributes:
        state: for style; ``undecided`` where it is better overall and worse in some slices.
        text: a few words.
        reason: a sentence or two.
        finding: what became of the main finding of the earlier audit; empty if it had none.
    """

    state: Literal["blocked", "passes", "undecided", "none"]
    text: str
    reason: str
    finding: str


@dataclass(frozen=True)
class Highlight:
    """One of the main changes.

    Attributes:
        shape: beside the colour, so that colour never carries meaning alone.
        style: ``alert``, ``warning``, ``note`` or ``good``.
        tag: what it is, in a word or two.
        text: one sentence.
        href: where the details are.
        improves: whether it is an improvement.
    """

    shape: str
    style: str
    tag: str
    text: str
    href: str
    improves: bool = False


def headline(comparison: Comparison) -> Headline:
    """The outcome, what changed overall first; it claims no more than was tested."""
    whole, blocking = comparison.overall, comparison.blocking
    n = len(blocking) - (1 if whole.blocks else 0)
    numbers = accuracy_change(comparison)
    excluded = (
        f"{numbers} A rise of the error rate by up to {points(max(whole.change.high, 0.0))} cannot be "
        "ruled out."
    )
    finding = main_finding(comparison)
    if blocking:
        if whole.direction == "better":
            text = f"Better overall, worse in {plural(n, 'slice')}"
            return Headline("undecided", text, numbers, finding)
        parts = ["overall"] if whole.blocks else []
        parts += [f"in {plural(n, 'slice')}"] if n else []
        return Headline("blocked", f"Worse {' and '.join(parts)}", numbers, finding)
    if comparison.undecided:
        return Headline("undecided", "Cannot be judged", _too_few(comparison), finding)
    if whole.direction == "better":
        return Headline("passes", "Better overall", numbers, finding)
    better = sum(one.direction == "better" for one in comparison.slices)
    if better:
        text = f"Better in {plural(better, 'slice')}, none significantly worse"
        return Headline("passes", text, excluded, finding)
    worse = whole.direction == "worse"
    text = "No significant change" if whole.broken or whole.fixed else "No outcome changed"
    text = "Worse, but within the acceptable rise" if worse else text
    return Headline("none", text, numbers if worse else excluded, finding)


def accuracy_change(comparison: Comparison) -> str:
    """How the accuracy changed on the same samples, in a sentence."""
    gap = comparison.overall.change
    before, after = (
        percent(run.paired_accuracy.value, 1) for run in (comparison.before, comparison.after)
    )
    if gap.value == 0:
        return f"The accuracy on the same samples is {after} in both audits."
    verb = "fell" if gap.value > 0 else "rose"
    return (
        f"The accuracy on the same samples {verb} from {before} to {after}: "
        f"{change(-gap.value)} points (95 % interval {change(-gap.high)} to {change(-gap.low)})."
    )


def main_finding(comparison: Comparison) -> str:
    """What became of the most severe finding of the earlier audit; empty if it had none."""
    known = [(one, one.before) for one in comparison.findings if one.before is not None]
    if not known:
        return ""
    one, ref = min(
        known,
        key=lambda pair: (-SEVERITIES.index(pair[1].severity), len(pair[1].id), pair[1].id),
    )
    if one.status == "unjudged":
        return (
            f"It cannot be judged whether the main finding of the earlier audit is gone: {ref.title}. "
            f"Reason: {one.caution}."
        )
    became = {"gone": "is gone", "milder": "is less severe now", "graver": "is more severe now"}
    text = f"The main finding of the earlier audit {became.get(one.status, 'is still there')}: {ref.title}."
    return f"{text} Caution: {one.caution}." if one.caution else text


def _too_few(comparison: Comparison) -> str:
    paired, rules = comparison.pairing, comparison.rules
    needed = rules.least(paired.n_before)
    return (
        f"Only {count(paired.n_paired)} of {plural(paired.n_before, 'sample')} of the earlier audit could "
        f"be compared; at least {count(needed)} are needed."
    )


def summary(comparison: Comparison) -> str:
    """The outcome as a few lines for a terminal."""
    comparison = with_display_names(comparison)
    outcome, whole = headline(comparison), comparison.overall
    statuses = Counter(STATUS[one.status].lower() for one in comparison.findings)
    found = ", ".join(f"{n} {status}" for status, n in statuses.items()) or "none"
    lines = [
        f"{outcome.text}. {outcome.reason}",
        *([outcome.finding] if outcome.finding else []),
        f"compared on {plural(whole.support, 'sample')}",
        f"{count(whole.broken)} broken, {count(whole.fixed)} fixed; findings: {found}",
        *(f"  {one.shape} {one.tag}: {one.text}" for one in highlights(comparison)),
        *(f"note: {remark}" for remark in comparison.remarks),
    ]
    return "\n".join(lines)


def rate_change(gap: Estimate) -> str:
    """A change of an error rate: ``fell by 2.1 points (95 % interval −4 to −0.2)``."""
    verb = "did not change"
    if gap.value != 0:
        verb = f"{'rose' if gap.value > 0 else 'fell'} by {points(gap.value)}"
    return f"{verb} (95 % interval {change(gap.low)} to {change(gap.high)})"


def highlights(comparison: Comparison) -> list[Highlight]:
    """The main changes: regressions, then improvements, the most important of each first."""
    return [
        *islice(_regressions(comparison), HIGHLIGHTS),
        *islice(_improvements(comparison), HIGHLIGHTS),
    ]


def _regressions(comparison: Comparison) -> Iterator[Highlight]:
    for one in comparison.blocking[:_SLICES]:
        yield Highlight("■", "alert", "Worse", _sentence(one), "#slices")
    for finding in comparison.findings:
        ref = finding.after
        if finding.status in {"new", "graver"} and ref is not None:
            tag = f"{_TAGS[finding.status]}: {ref.severity}"
            shape = SEVERITY_SHAPES[ref.severity]
            yield Highlight(shape, ref.severity, tag, ref.title, "#findings")


def _improvements(comparison: Comparison) -> Iterator[Highlight]:
    better = [one for one in (comparison.overall, *comparison.slices) if one.direction == "better"]
    for one in better[:_SLICES]:
        yield Highlight("▼", "good", "Better", _sentence(one), "#slices", improves=True)
    for finding in comparison.findings:
        ref = finding.before
        if finding.status == "gone" and ref is not None and finding.caution is None:
            tag = f"{_TAGS[finding.status]}: {ref.severity}"
            yield Highlight("○", "good", tag, ref.title, "#findings", improves=True)


def _sentence(one: SliceChange) -> str:
    start = f"{slice_name(one.slice)}: the error rate {rate_change(one.change)}"
    if not one.support:  # a slice of a sensitive attribute whose numbers are not shown
        return f"{start}."
    return (
        f"{start}; {count(one.broken)} broken and {count(one.fixed)} fixed of {count(one.support)}."
    )
