"""Label association: is an attribute associated with the label in the data?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import numpy as np
from pydantic import Field

from auditor.checks import Check
from auditor.comparisons.clustered_tables import association_of, clusters_of_table
from auditor.comparisons.contingency import ContingencyTable, tables
from auditor.phrasing import (
    attribute_name,
    class_name,
    condition,
    percent,
    plural,
    quoted,
    value_name,
)
from auditor.records import (
    AuditData,
    Claim,
    ClaimKind,
    Effect,
    EvidencePart,
    Examination,
    Skipped,
    SliceKey,
    Table,
)
from auditor.registry import plugin
from auditor.statistics import (
    LEAST_CLUSTERS,
    Association,
    Floats,
)

NAME = "label-association"
_DRAWN = 20_000_000
"""Cells of all random tables of a permutation test together: 160 MB at a time."""
_BALANCE = "Keep the attribute balanced over the labels when more images are collected."


@plugin("check", NAME)
class LabelAssociation(Check):
    """Is an attribute associated with the label, in the training data and in the audited data?

    A model can use such an attribute instead of the object, and audited data with the same
    association cannot show it. Bias-corrected Cramér's V with its interval and a test of
    independence. It speaks of data, not of outcomes, so it is a warning at most. Attributes that
    ``slices.roles`` declares to be diagnostic define the label: they are tested and listed, without a
    warning.
    """

    kind: ClassVar[ClaimKind] = "data"

    handles_clusters: ClassVar[bool] = True
    compares_attributes: ClassVar[bool] = True

    max_association: float = Field(0.1, gt=0, le=1)
    """Largest acceptable bias-corrected Cramér's V (0: independent, 1: one determines the other)."""

    def examine(self, audit: AuditData) -> Examination:
        """Measures the association of every attribute with the label."""
        claims, skipped = [], []
        for table in tables(audit):
            used = table.counts[table.counts.sum(1) > 0][:, table.counts.sum(0) > 0]
            clusters = clusters_of_table(audit, table)
            if audit.clusters is not None and clusters is None:
                reason = (
                    f"{table.attribute}: images of one {audit.clusters.name} are not independent, and the "
                    "reference has no such column, so the training data was not examined"
                )
                skipped.append(Skipped(check=NAME, reason=reason))
            elif min(used.shape, default=0) < 2:
                what = "label" if used.shape[0] < 2 else "value"
                reason = f"{table.attribute}: the {table.data} has only one {what} with it"
                skipped.append(Skipped(check=NAME, reason=reason))
            else:
                draws = int(np.clip(_DRAWN // used.size, 199, 9999))
                found = association_of(audit, table, draws, clusters)
                if np.isfinite(found.p_value):
                    claim = self._claim(table, found)
                    diagnostic = table.attribute in audit.declared.with_role("diagnostic")
                    claims.append(_as_declared(claim) if diagnostic else claim)
                else:
                    reason = (
                        f"{attribute_name(table.attribute)}: no value has samples from {LEAST_CLUSTERS} "
                        "clusters, and "
                        f"its rest as many, in the {table.data}"
                    )
                    skipped.append(Skipped(check=NAME, reason=reason))
        return Examination(tuple(claims), (*skipped, *_without_reference(audit)))

    def _claim(self, table: ContingencyTable, found: Association) -> Claim:
        counts, strength = table.counts, found.strength
        name = attribute_name(table.attribute)
        total = int(counts.sum())
        row, column = _scarcest(counts)
        label, value = table.labels[row], table.values[column]
        share = counts[row, column] / counts[row].sum()
        others = counts[:, column].sum() - counts[row, column]
        rest = others / (total - counts[row].sum())
        over = strength.value > self.max_association
        return Claim(
            check=NAME,
            kind=self.kind,
            title=f"In the {table.data}, {name} is associated with the label (Cramér's V "
            f"{strength.value:.2f})",
            slice=SliceKey(attributes={table.attribute: value}, label=label),
            effect=Effect.measured("Cramér's V", strength, "score"),
            limit=self.max_association,
            p_value=found.p_value,
            support=total,
            samples=(),
            statement=(
                (
                    f"In the {table.data} ({plural(total, 'sample')}), {name} and label have a "
                    f"bias-corrected Cramér's V of {strength.value:.2f} (95 % interval {strength.low:.2f}–"
                    f"{strength.high:.2f})."
                ),
                (
                    f"The rarest combination: {percent(share)} of the {quoted(label)} samples have "
                    f"{condition(table.attribute, value)}, against {percent(rest)} of the samples of "
                    "other labels."
                ),
                *_confounded(counts, name),
            ),
            action=_BALANCE,
            plan=table.plan_in_words(self.max_association) if over else "",
            limits="An association in the data is an opportunity for a shortcut, not proof that the "
            "model uses it.",
            evidence=tuple(self._evidence(table, over)),
            ceiling="warning",
        )

    def _evidence(self, table: ContingencyTable, over: bool) -> Iterator[EvidencePart]:
        yield table.as_evidence()
        plan = table.plan(self.max_association) if over else []
        if plan:
            yield Table(
                title="Images to collect",
                columns=("label", attribute_name(table.attribute), "images"),
                rows=tuple(
                    (class_name(label), value_name(table.attribute, value), n)
                    for label, value, n in plan
                ),
                units=(None, None, "count"),
            )


def _as_declared(claim: Claim) -> Claim:
    """The claim on an attribute that defines the label: any association is acceptable."""
    return replace(
        claim,
        title=f"{claim.title}, as a part of what defines it",
        limit=1.0,
        statement=(
            *claim.statement,
            "The attribute is declared to be a part of what defines the label.",
        ),
        action="Nothing to do: the association is as declared.",
    )


def _without_reference(audit: AuditData) -> Iterator[Skipped]:
    """Attributes whose association in the training data could not be examined."""
    if audit.reference is None and audit.attributes:
        yield Skipped(
            check=NAME,
            reason="no reference is given, so the training data was not examined: name it as "
            "`data.reference`",
        )
    for name in audit.attributes:
        if audit.reference is not None and name not in audit.reference:
            yield Skipped(
                check=NAME, reason=f"{attribute_name(name)}: the reference has no such column"
            )


def _scarcest(counts: Floats) -> tuple[int, int]:
    """Row and column of the cell that falls furthest short of independence (Pearson residual)."""
    expected = counts.sum(1, keepdims=True) * counts.sum(0, keepdims=True) / counts.sum()
    # Labels and values without a sample fall short of nothing.
    residual = np.full_like(counts, np.inf)
    np.divide(counts - expected, np.sqrt(expected), out=residual, where=expected > 0)
    row, column = np.unravel_index(int(residual.argmin()), residual.shape)
    return int(row), int(column)


def _confounded(counts: Floats, name: str) -> Iterator[str]:
    """Says where the data cannot separate attribute and label."""
    present = counts[counts.sum(1) > 0][:, counts.sum(0) > 0] > 0
    if (present.sum(1) == 1).all():
        yield (
            f"Every label has a single value of {name}, so this data cannot show which of the two a "
            "model uses."
        )
