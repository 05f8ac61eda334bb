"""What became of the findings: the same check on the same slice in both runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from auditor.comparison.records import (
    ComparisonRules,
    FindingChange,
    FindingRef,
    FindingStatus,
    Pairing,
    SliceChange,
)
from auditor.phrasing import count, plural, with_limits
from auditor.records import SEVERITIES, AuditResult, Effect, Finding, SliceKey, TestedRecord

_STATUSES: tuple[FindingStatus, ...] = ("new", "graver", "stayed", "milder", "unjudged", "gone")
"""In the order in which they are listed."""


@dataclass(frozen=True)
class PairedSupport:
    """How many samples of each slice are in both runs.

    Attributes:
        too_few: why nothing can be judged at all; empty if enough samples could be compared.
        tested: by slice, the number of pairs and whether they were enough for a test.
    """

    too_few: str = ""
    tested: Mapping[tuple[Any, ...], tuple[int, bool]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, pairing: Pairing, rules: ComparisonRules, slices: Iterable[SliceChange]
    ) -> PairedSupport:
        """The pairs of a comparison."""
        few = pairing.n_paired < rules.least(pairing.n_before)
        paired = f"{count(pairing.n_paired)} of {plural(pairing.n_before, 'sample')}"
        return cls(
            f"only {paired} of the earlier run could be compared" if few else "",
            {_slice(one.slice): (one.support, one.support >= rules.min_support) for one in slices},
        )

    def lack(self, key: SliceKey) -> str | None:
        """Why nothing can be said about a slice; None if it has enough pairs."""
        if self.too_few:
            return self.too_few
        n, enough = self.tested.get(_slice(key), (0, True))
        return None if enough else f"only {plural(n, 'sample')} of this slice could be compared"


def finding_changes(
    before: AuditResult, after: AuditResult, paired: PairedSupport
) -> list[FindingChange]:
    """Matches the findings of two runs.

    Args:
        before: the earlier run.
        after: the later run.
        paired: how many samples of each slice are in both.

    Returns:
        New and more severe ones first.
    """
    groups: dict[tuple[Any, ...], tuple[list[Finding], list[Finding]]] = defaultdict(
        lambda: ([], [])
    )
    for side, result in enumerate((before, after)):
        for finding in result.findings:
            groups[_name(finding)][side].append(finding)
    changes = []
    for olds, news in groups.values():
        for k in range(max(len(olds), len(news))):
            old = olds[k] if k < len(olds) else None
            new = news[k] if k < len(news) else None
            changes.append(_change(old, new, (before, after), paired))
    return sorted(changes, key=lambda one: (_STATUSES.index(one.status), -_severity(one)))


def _name(one: Finding | TestedRecord) -> tuple[Any, ...]:
    return one.check, one.slice.predicted, *_slice(one.slice)


def _slice(key: SliceKey) -> tuple[Any, ...]:
    return frozenset(key.attributes.items()), key.label


def _severity(one: FindingChange) -> int:
    ref = one.after or one.before
    return -1 if ref is None else SEVERITIES.index(ref.severity)


def _change(
    old: Finding | None,
    new: Finding | None,
    runs: tuple[AuditResult, AuditResult],
    paired: PairedSupport,
) -> FindingChange:
    either = old or new
    assert either is not None
    if old is not None and new is not None:
        status, caution = _in_both(old, new, paired)
    elif old is not None:
        status, caution = _missing_later(old, runs[1], paired)
    else:
        status, caution = (
            "new",
            _test_of(either, runs[0], "earlier") or _not_examined(either, runs[0], "earlier"),
        )
    return FindingChange(
        check=either.check,
        slice=either.slice,
        status=status,
        before=_ref(old),
        after=_ref(new),
        caution=caution,
    )


def _in_both(old: Finding, new: Finding, paired: PairedSupport) -> tuple[FindingStatus, str | None]:
    rise = SEVERITIES.index(new.severity) - SEVERITIES.index(old.severity)
    status: FindingStatus = "graver" if rise > 0 else "milder" if rise < 0 else "stayed"
    untestable = [one.verdict == "untestable" for one in (old, new)]
    if untestable == [False, True]:
        return status, "the later run could not test it"
    if untestable == [True, False]:
        return status, "the earlier run could not test it"
    return status, paired.lack(new.slice)


def _missing_later(
    old: Finding, after: AuditResult, paired: PairedSupport
) -> tuple[FindingStatus, str | None]:
    """Whether a finding that the later run does not report is gone, as far as its data can tell."""
    test = _record_of(old, after)
    text = _test_of(old, after, "later")
    lack = paired.lack(old.slice)
    if test is None or test.effect is None:
        reason = _not_examined(old, after, "later") or lack
        return ("gone" if reason is None else "unjudged"), reason
    if lack is not None:
        return "unjudged", f"{lack}; {text}"
    return ("unjudged" if _still_possible(old, test.effect, test.limit) else "gone"), text


def _still_possible(old: Finding, now: Effect, limit: float) -> bool:
    """Whether the effect may be above its limit and as large as before."""
    if old.effect is None or now.unit != old.effect.unit:
        return False
    sign = -1 if old.effect.value < 0 else 1
    most = max(sign * now.low, sign * now.high)
    return most > limit and most >= sign * old.effect.value


def _record_of(finding: Finding, result: AuditResult) -> TestedRecord | None:
    """The test of the same hypothesis by a run that does not report it."""
    same = (one for one in result.tested if _name(one) == _name(finding))
    return next((one for one in same if one.effect is not None), None)


def _test_of(finding: Finding, result: AuditResult, which: str) -> str | None:
    """What a run without a finding saw when it tested the same."""
    one = _record_of(finding, result)
    if one is None or one.effect is None:
        return None
    size = with_limits(one.effect, one.effect.unit)
    return f"the {which} run tested it: {one.effect.name} {size}, {one.reason}"


def _not_examined(finding: Finding, result: AuditResult, which: str) -> str | None:
    """Why a run without a finding may not have tested the same."""
    check = finding.check
    reason = next((skip.reason for skip in result.skipped if skip.check == check), None)
    if reason is None:
        return None
    return f"the {which} run did not examine everything that this check covers: {reason}"


def _ref(finding: Finding | None) -> FindingRef | None:
    if finding is None:
        return None
    return FindingRef(
        id=finding.id,
        title=finding.title,
        severity=finding.severity,
        verdict=finding.verdict,
        effect=finding.effect,
    )
