"""Findings on different attributes whose failures are the same samples: one cause may stand behind both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

from auditor.comparisons.slice_counts import slice_identity
from auditor.phrasing import count, percent, several, slice_name
from auditor.records import AuditData, Finding

_LEVEL = 0.05
"""Level of the test of overlap."""
_LISTED = 3
_OUTCOMES = frozenset({"outcome", "robustness"})


@dataclass(frozen=True)
class _Failing:
    """The failing samples of a finding.

    Attributes:
        finding: the finding.
        failing: (n,) the samples of its slice that fail.
    """

    finding: Finding
    failing: NDArray[np.bool_]

    def shares_failures_with(self, other: _Failing, failure: NDArray[np.bool_]) -> bool:
        """Whether more failures are in both slices than chance explains (hypergeometric test)."""
        both = int((self.failing & other.failing).sum())
        if self.finding.slice.attributes.keys() & other.finding.slice.attributes.keys():
            return False
        total = int(failure.sum())
        p_value = hypergeom.sf(both - 1, total, int(self.failing.sum()), int(other.failing.sum()))
        return both > 0 and bool(p_value <= _LEVEL)


def with_common_causes(findings: Sequence[Finding], audit: AuditData) -> list[Finding]:
    """Adds to findings which others concern the same failing samples.

    Only warnings and alerts on the outcomes of slices by one or more attributes are compared. If none of
    the attributes explains the other, something that no attribute describes may be behind both.

    Args:
        findings: the findings of the audit.
        audit: the audited data.
    """
    failure = audit.predictions["failure"].to_numpy(dtype=bool)
    rows_of = {slice_identity(one.key): one.rows for one in (*audit.slices, *audit.computed_slices)}
    compared = []
    for one in findings:
        rows = rows_of.get(slice_identity(one.slice))
        if _is_compared(one) and rows is not None:
            failing = np.zeros(len(failure), dtype=bool)
            failing[rows] = failure[rows]
            compared.append(_Failing(one, failing))
    added = {one.finding.id: tuple(_sentences(one, compared, failure)) for one in compared}
    return [
        one.model_copy(update={"statement": [*one.statement, *added.get(one.id, ())]})
        for one in findings
    ]


def _is_compared(one: Finding) -> bool:
    return (
        one.kind in _OUTCOMES
        and one.severity != "note"
        and bool(one.slice.attributes)
        and one.slice.predicted is None
    )


def _sentences(
    one: _Failing, compared: Sequence[_Failing], failure: NDArray[np.bool_]
) -> Iterator[str]:
    others = [
        other for other in compared if other is not one and one.shares_failures_with(other, failure)
    ]
    if not others:
        return
    n = int(one.failing.sum())
    shared = [
        f"{slice_name(other.finding.slice)} ({count(int((one.failing & other.failing).sum()))} of "
        f"{count(n)}, {percent((one.failing & other.failing).sum() / n)})"
        for other in others
    ]
    yield (
        f"Many of its failures are also failures of {several(shared, _LISTED)}, more than chance explains. "
        "No attribute of the data explains both, so a common cause that no attribute describes may stand "
        "behind them: look at the images that fail in both."
    )
