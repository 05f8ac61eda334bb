"""Representation: which attribute values have few images?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from pydantic import Field

from auditor.checks import Check
from auditor.comparisons.clusters import inflation, widened
from auditor.comparisons.contingency import ContingencyTable, table_of
from auditor.phrasing import attribute_name, condition, count, interval, percent, plural, points
from auditor.records import (
    AuditData,
    Claim,
    ClaimKind,
    Effect,
    Estimate,
    Examination,
    Quantities,
    Quantity,
    Skipped,
    SliceKey,
)
from auditor.records.decisions import ONE_CLASS, TaskName
from auditor.registry import plugin
from auditor.statistics import Interval, proportion_gap, representation

NAME = "representation"


@plugin("check", NAME)
class Representation(Check):
    """Which attribute values have few images?

    Where the training data is given, its shares are compared with those of the audited data, and
    tested. The shares of the audited data are compared with equal ones and only described: unequal
    shares are normal. It speaks of data, so it is a warning at most.
    """

    kind: ClassVar[ClaimKind] = "data"

    handles_clusters: ClassVar[bool] = True
    compares_attributes: ClassVar[bool] = True
    tasks: ClassVar[frozenset[TaskName]] = ONE_CLASS

    min_ratio: float = Field(0.5, gt=0, le=1)
    """Smallest acceptable share in the training data, as a part of that in the audited data."""
    min_share: float = Field(0.2, ge=0, le=1)
    """Smallest acceptable share in the audited data, as a part of an equal share of all values."""

    def examine(self, audit: AuditData) -> Examination:
        """Compares the shares of all values of all attributes."""
        claims: list[Claim] = []
        skipped: list[Skipped] = []
        for name in audit.attributes:
            audited = table_of(audit, name, "audited")
            trained = table_of(audit, name, "reference")
            if audited is not None and audited.counts.any():
                claims += self._against_equal(audit, audited)
                if trained is None or not trained.counts.any():
                    continue
                if audit.clusters is not None:
                    reason = (
                        f"{attribute_name(name)}: the shares in the training data were not compared: "
                        "images of one "
                        f"{audit.clusters.name} are not independent, and this test does not support clusters"
                    )
                    skipped.append(Skipped(check=NAME, reason=reason))
                else:
                    claims += self._against_audited(audited, trained)
        return Examination(tuple(claims), tuple(skipped))

    def _against_equal(self, audit: AuditData, audited: ContingencyTable) -> Iterator[Claim]:
        counts, name = audited.counts.sum(0), audited.attribute
        found = representation(counts)
        for k, value in enumerate(audited.values):
            equal = float(found.expected[k])
            has = (audit.predictions[name] == value).to_numpy(dtype=bool)
            worth = inflation(audit, has, [np.arange(len(has))])
            share = widened(found.shares[k], float(worth[0]), 0.0)
            if share.value >= self.min_share * equal:
                continue
            shortfall = Interval(equal - share.value, equal - share.high, equal - share.low)
            yield Claim(
                check=NAME,
                kind=self.kind,
                title=f"{condition(name, value)} is rare in the audited data: {percent(share.value)}",
                slice=SliceKey(attributes={name: value}),
                effect=Effect.measured("shortfall against an equal share", shortfall, "points"),
                limit=(1 - self.min_share) * equal,
                p_value=None,
                support=int(counts[k]),
                samples=(),
                statement=(
                    (
                        f"{count(int(counts[k]))} of {count(int(counts.sum()))} audited samples have "
                        f"{condition(name, value)}: "
                        f"{percent(share.value)} ({interval(share)}); an equal share of the "
                        f"{len(counts)} values would be {percent(equal)}."
                    ),
                ),
                action=f"Evaluate more samples with {condition(name, value)}, if it occurs in use: the "
                "results "
                "for them are uncertain.",
                limits="Whether the value is as rare in use is not known to the audit.",
                evidence=(
                    Quantities(
                        items=(
                            Quantity(
                                name="share of the audited data",
                                value=Estimate.of(share),
                                unit="share",
                            ),
                            Quantity(name="equal share", value=equal, unit="share"),
                        )
                    ),
                ),
                ceiling="warning",
            )

    def _against_audited(
        self, audited: ContingencyTable, trained: ContingencyTable
    ) -> Iterator[Claim]:
        in_training, name = trained.totals, audited.attribute
        total, trained_total = sum(audited.totals.values()), sum(in_training.values())
        for value, n in audited.totals.items():
            if n == 0:
                continue
            n_trained = in_training.get(value, 0.0)
            gaps = proportion_gap(n, total, n_trained, trained_total)
            gap = gaps.gap[()]
            share, trained_share = n / total, n_trained / trained_total
            missing = max(int(np.ceil(share * trained_total - n_trained)), 1)
            yield Claim(
                check=NAME,
                kind=self.kind,
                title=f"{condition(name, value)} is {percent(trained_share)} of the training data, and "
                f"{percent(share)} of the audited data",
                slice=SliceKey(attributes={name: value}),
                effect=Effect.measured(
                    "share in the audited data minus that in the training data", gap, "points"
                ),
                limit=(1 - self.min_ratio) * share,
                p_value=float(gaps.p_value),
                support=int(n),
                samples=(),
                statement=(
                    (
                        f"{count(int(n_trained))} of {count(int(trained_total))} training samples have "
                        f"{condition(name, value)} ({percent(trained_share)}), and {count(int(n))} of "
                        f"{count(int(total))} audited ones ({percent(share)})."
                    ),
                    f"The difference is {points(gap.value)} ({interval(gap, ' points')}).",
                ),
                action=f"If the audited data is like the data in use, train with about "
                f"{plural(missing, 'more sample')} with {condition(name, value)}.",
                limits="A rare value does not need to have a high error rate: see its error rate.",
                evidence=(
                    Quantities(
                        items=(
                            Quantity(name="share of the audited data", value=share, unit="share"),
                            Quantity(
                                name="share of the training data", value=trained_share, unit="share"
                            ),
                        )
                    ),
                ),
                ceiling="warning",
            )
