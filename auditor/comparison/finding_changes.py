"""What became of the findings: the same check on the same slice in both runs."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from auditor.comparison.records import FindingChange, FindingRef, FindingStatus
from auditor.phrasing import with_limits
from auditor.records import SEVERITIES, AuditResult, Finding, TestedRecord

_STATUSES: tuple[FindingStatus, ...] = ("new", "graver", "stayed", "milder", "gone")
"""In the order in which they are listed."""


def finding_changes(before: AuditResult, after: AuditResult) -> list[FindingChange]:
    """Matches the findings of two runs.

    Args:
        before: the earlier run.
        after: the later run.

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
            changes.append(_change(old, new, before, after))
    return sorted(changes, key=lambda one: (_STATUSES.index(one.status), -_severity(one)))


def _name(one: Finding | TestedRecord) -> tuple[Any, ...]:
    key = one.slice
    return one.check, frozenset(key.attributes.items()), key.label, key.predicted


def _severity(one: FindingChange) -> int:
    ref = one.after or one.before
    return -1 if ref is None else SEVERITIES.index(ref.severity)


def _change(
    old: Finding | None, new: Finding | None, before: AuditResult, after: AuditResult
) -> FindingChange:
    either = old or new
    assert either is not None
    if old is not None and new is not None:
        status, caution = _in_both(old, new)
    elif old is None:
        status, caution = "new", _without(either, before, "earlier")
    else:
        status, caution = "gone", _without(either, after, "later")
    return FindingChange(
        check=either.check,
        slice=either.slice,
        status=status,
        before=_ref(old),
        after=_ref(new),
        caution=caution,
    )


def _in_both(old: Finding, new: Finding) -> tuple[FindingStatus, str | None]:
    rise = SEVERITIES.index(new.severity) - SEVERITIES.index(old.severity)
    status: FindingStatus = "graver" if rise > 0 else "milder" if rise < 0 else "stayed"
    untestable = [one.verdict == "untestable" for one in (old, new)]
    if untestable == [False, True]:
        return status, "the later run could not test it"
    if untestable == [True, False]:
        return status, "the earlier run could not test it"
    return status, None


def _without(finding: Finding, result: AuditResult, which: str) -> str | None:
    """What a run without a finding says of the same slice: its test, or why there was none."""
    for one in result.tested:
        if _name(one) == _name(finding) and one.effect is not None:
            size = with_limits(one.effect, one.effect.unit)
            return f"the {which} run tested it: {one.effect.name} {size}, {one.reason}"
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
