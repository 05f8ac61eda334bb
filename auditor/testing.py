"""``assert_audit``: an audit as a test, in pytest or any other framework."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from auditor.errors import ConfigError
from auditor.phrasing import plural
from auditor.records import SEVERITIES, AuditResult, Severity
from auditor.run_folder import RunFolder

_SHOWN = 10
"""Reasons in a message."""


def assert_audit(
    result: AuditResult | Path | str,
    *,
    severity: Severity = "alert",
    allow: Collection[str] = (),
    undecided: bool = False,
) -> None:
    """Fails where an audit has findings of some severity, missed criteria, or too little to be judged.

    Args:
        result: an audit, or the folder of a finished run.
        severity: ``note``, ``warning`` or ``alert``: findings of this severity and above fail.
        allow: ids of findings that are known and accepted.
        undecided: whether an audit that cannot be judged is accepted.

    Raises:
        AssertionError: with one line for each reason.
        ConfigError: the severity is unknown, or an allowed finding does not exist.
        DataError: the folder does not hold a finished run.

    Examples:
        In a test::

            def test_classifier_treats_sites_alike() -> None:
                result = auditor.audit(model, images, classes=["sound", "defective"], attributes=sites)
                assert_audit(result, severity="warning")
    """
    if severity not in SEVERITIES:
        raise ConfigError(f"severity: expected one of {', '.join(SEVERITIES)}; got {severity!r}")
    if isinstance(allow, str):
        raise ConfigError(f"allow: expected a list of ids; got {allow!r}: pass [{allow!r}]")
    audit = (
        result if isinstance(result, AuditResult) else RunFolder.open(Path(result)).read_result()
    )
    known = {one.id for one in audit.findings}
    unknown = sorted(set(allow) - known)
    if unknown:
        raise ConfigError(
            f"allow: expected ids of findings, out of {', '.join(sorted(known)) or 'none'}; got "
            f"{', '.join(unknown)}: remove what no longer occurs"
        )
    lines = _reasons(audit, severity, frozenset(allow), undecided=undecided)
    if lines:
        more = [f"… and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
        head = f"the audit {audit.run.name!r} has {plural(len(lines), 'reason')} to fail:"
        raise AssertionError("\n  ".join([head, *lines[:_SHOWN], *more]))


def _reasons(
    audit: AuditResult, severity: Severity, allow: frozenset[str], *, undecided: bool
) -> list[str]:
    bar = SEVERITIES.index(severity)
    lines = [
        f"{one.severity} {one.id}: {one.title}"
        for one in audit.findings
        if SEVERITIES.index(one.severity) >= bar and one.id not in allow
    ]
    # Missed criteria are findings too; those that do not block the gate are only reported.
    lines += [
        f"criterion {one.name}: {one.statement}"
        for one in audit.criteria
        if one.state == "undecided" and one.blocking and not undecided
    ]
    if not undecided:
        lines += [
            f"cannot be judged: {one.text}"
            for one in audit.outcome.reasons
            if one.state == "undecided" and one.kind != "criterion"
        ]
    return lines
