"""Label pairs: do the decisions on a label go wrong where another label is present, or absent?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from auditor.checks import Check
from auditor.comparisons.limits import Limits
from auditor.comparisons.slice_claims import SliceClaims
from auditor.comparisons.slice_counts import SliceCounter
from auditor.records import AuditData, Claim, Clusters, Examination, Slice, SliceKey
from auditor.records.decisions import Decisions, TaskName, absent
from auditor.registry import plugin

NAME = "label-pairs"


@plugin("check", NAME)
class LabelPairs(Check):
    """Do the decisions on a label go wrong where another label is present, or absent?

    A model that has learned which labels occur together predicts a boat wherever it sees water, and misses
    the boat on land. For each label, the error rates with and without each other label are compared among
    the samples that have the label, and among those that do not, by Fisher's exact test (mid-p).

    Limits:
        A difference shows that errors go along with the other label, not that the model uses it: what else
        differs between images with and without it is not held fixed.
    """

    handles_clusters: ClassVar[bool] = True
    tasks: ClassVar[frozenset[TaskName]] = frozenset({"multi-label"})

    max_gap: float = Field(0.05, ge=0, le=1)
    """Largest acceptable gap in error rate (a share, 0 to 1)."""

    def examine(self, audit: AuditData) -> Examination:
        """Compares every label with and without every other one."""
        decisions = audit.decisions
        if decisions is None or decisions.of_sample is None:
            return Examination()
        presence = _presence(decisions)
        claims: list[Claim] = []
        for k in range(len(decisions.names)):
            one = _OneLabel.of(audit, decisions, presence, k)
            found = SliceClaims(
                NAME, self.kind, Limits(self.max_gap, None), one.audit, SliceCounter(one.audit)
            )
            claims += found.of_labels(list(one.slices()))
        # Whoever chose the labels did not choose them as attributes: a family of tests of its own.
        return Examination(
            tuple(
                replace(one, computed=True, question=None)
                for one in claims
                if one.p_value is not None
            )
        )


@dataclass(frozen=True)
class _OneLabel:
    """The decisions on one label, one per sample.

    Attributes:
        audit: of these decisions alone.
        names: the labels.
        own: the label.
        presence: (n, L) which labels the samples have.
    """

    audit: AuditData
    names: tuple[str, ...]
    own: int
    presence: NDArray[np.bool_]

    @classmethod
    def of(
        cls, audit: AuditData, decisions: Decisions, presence: NDArray[np.bool_], k: int
    ) -> _OneLabel:
        rows = np.flatnonzero(decisions.of_row == k)
        clusters = audit.clusters
        if clusters is not None:
            _, number = np.unique(clusters.of_sample[rows], return_inverse=True)
            clusters = Clusters(clusters.name, number.astype(np.int64), clusters.n_missing)
            # The decisions of a sample are dependent, but here each sample has only one.
            clusters = None if clusters.independent else clusters
        alone = replace(
            audit,
            predictions=audit.predictions.iloc[rows].reset_index(drop=True),
            clusters=clusters,
        )
        assert decisions.of_sample is not None
        return cls(alone, decisions.names, k, presence[decisions.of_sample[rows]])

    def slices(self) -> Iterator[Slice]:
        """Presence and absence of every other label, among samples with and without this one."""
        own = self.presence[:, self.own]
        name = self.names[self.own]
        for other, title in enumerate(self.names):
            if other == self.own:
                continue
            for label, side in ((name, own), (absent(name), ~own)):
                for value in (True, False):
                    rows = np.flatnonzero(side & (self.presence[:, other] == value))
                    attributes = {title: "present" if value else "absent"}
                    yield Slice(SliceKey(attributes=attributes, label=label), rows)


def _presence(decisions: Decisions) -> NDArray[np.bool_]:
    """(n, L) which labels each sample has."""
    assert decisions.of_sample is not None
    found = np.zeros((int(decisions.of_sample.max(initial=-1)) + 1, len(decisions.names)), bool)
    found[decisions.of_sample, decisions.of_row] = decisions.truth
    return found
