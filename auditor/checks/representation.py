"""Representation: which attribute values have few images?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydantic import Field

from auditor.comparisons.contingency import ContingencyTable, table_of
from auditor.phrasing import effect, interval, numbers, percent
from auditor.records import AuditData, Claim, Examination, SliceKey
from auditor.registry import Options, plugin
from auditor.statistics import Interval, proportion_gap, representation

NAME = "representation"


@plugin("check", NAME)
class Representation(Options):
    """Which attribute values have few images?

    Where the training data is given, its shares are compared with those of the audited data, and
    tested. The shares of the audited data are compared with equal ones and only described: that
    nature is not uniform needs no test. It speaks of data, so it is never graver than a warning.
    """

    min_ratio: float = Field(0.5, gt=0, le=1)
    """Smallest acceptable share in the training data, as a part of that in the audited data."""
    min_share: float = Field(0.2, ge=0, le=1)
    """Smallest acceptable share in the audited data, as a part of an equal share of all values."""

    def examine(self, audit: AuditData) -> Examination:
        """Compares the shares of all values of all attributes."""
        claims: list[Claim] = []
        for name in audit.attributes:
            audited = table_of(audit, name, "audited")
            trained = table_of(audit, name, "reference")
            if audited is not None and audited.counts.any():
                claims += self._against_equal(audited)
                if trained is not None and trained.counts.any():
                    claims += self._against_audited(audited, trained)
        return Examination(tuple(claims))

    def _against_equal(self, audited: ContingencyTable) -> Iterator[Claim]:
        counts = audited.counts.sum(0)
        found = representation(counts)
        for k, value in enumerate(audited.values):
            share, equal = found.shares[k], float(found.expected[k])
            if share.value >= self.min_share * equal:
                continue
            shortfall = Interval(equal - share.value, equal - share.high, equal - share.low)
            n = int(counts[k])
            yield Claim(
                check=NAME,
                title=f"{audited.attribute} = {value} is rare in the audited data: "
                f"{percent(share.value)}",
                slice=SliceKey(attributes={audited.attribute: value}),
                effect=effect("shortfall against an equal share", shortfall),
                limit=(1 - self.min_share) * equal,
                p_value=None,
                support=n,
                samples=(),
                statement=f"{n} of {int(counts.sum())} audited samples have {audited.attribute} = "
                f"{value}: {percent(share.value)} ({interval(share)}); an equal share of the "
                f"{len(counts)} values would be {percent(equal)}.",
                action=f"Evaluate more samples with {audited.attribute} = {value}, if it occurs in "
                "use: what the audit says of them is uncertain.",
                limits="Whether the value is as rare in use, the audit can't know.",
                evidence={"share": numbers(share), "expected": equal},
                ceiling="warning",
            )

    def _against_audited(
        self, audited: ContingencyTable, trained: ContingencyTable
    ) -> Iterator[Claim]:
        mine, theirs = dict(_by_value(audited)), dict(_by_value(trained))
        total, trained_total = sum(mine.values()), sum(theirs.values())
        for value, n in mine.items():
            if n == 0:
                continue
            n_trained = theirs.get(value, 0.0)
            gaps = proportion_gap(n, total, n_trained, trained_total)
            gap = gaps.gap[()]
            share, trained_share = n / total, n_trained / trained_total
            name = audited.attribute
            wanted = int(np.ceil(share * trained_total - n_trained))
            yield Claim(
                check=NAME,
                title=f"{name} = {value} is {percent(trained_share)} of the training data, and "
                f"{percent(share)} of the audited data",
                slice=SliceKey(attributes={name: value}),
                effect=effect("share in the audited data minus that in the training data", gap),
                limit=(1 - self.min_ratio) * share,
                p_value=float(gaps.p_value),
                support=int(n),
                samples=(),
                statement=f"{int(n_trained)} of {int(trained_total)} training samples have {name} = "
                f"{value} ({percent(trained_share)}), and {int(n)} of {int(total)} audited ones "
                f"({percent(share)}). The difference is {percent(gap.value)} ({interval(gap)}).",
                action=f"If the audited data is what is met in use, train with about {max(wanted, 1)} "
                f"more samples with {name} = {value}.",
                limits="A rare value is not necessarily a badly recognised one: see its error rate.",
                evidence={"share": share, "reference_share": trained_share},
                ceiling="warning",
            )


def _by_value(table: ContingencyTable) -> Iterator[tuple[str, float]]:
    yield from zip(table.values, table.counts.sum(0).tolist(), strict=True)
