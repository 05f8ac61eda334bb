"""Count the failures and samples of slices by label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from auditor.records import AuditData, Slice, SliceKey
from auditor.records.predictions import codes
from auditor.statistics import Floats, Integers

SliceIdentity = tuple[tuple[tuple[str, str], ...], str | None, str | None]

_CELLS = 2_000_000
"""Maximum number of slices × classes counted at a time, which bounds the memory."""
_SHOWN = 12
"""Maximum number of sample ids in a claim."""


def slice_identity(key: SliceKey) -> SliceIdentity:
    """A hashable form of a slice's name."""
    return tuple(key.attributes.items()), key.label, key.predicted


def chunks(slices: Sequence[Slice], n_classes: int) -> Iterator[Sequence[Slice]]:
    """Splits the slices into chunks that are counted one after another."""
    size = max(1, _CELLS // max(1, n_classes))
    for start in range(0, len(slices), size):
        yield slices[start : start + size]


@dataclass(frozen=True)
class Counts:
    """Counts of S slices by K labels.

    Attributes:
        failures: (S, K).
        totals: (S, K).
    """

    failures: Floats
    totals: Floats

    def __sub__(self, other: Counts) -> Counts:
        return Counts(self.failures - other.failures, self.totals - other.totals)

    def __getitem__(self, rows: list[int]) -> Counts:
        return Counts(self.failures[rows], self.totals[rows])


class SliceCounter:
    """Counts the samples of an audit.

    Attributes:
        overall: counts of all samples, (1, K).
    """

    def __init__(self, audit: AuditData) -> None:
        frame = audit.predictions
        self._classes = audit.classes
        self._label = codes(frame["label"])
        self._predicted = codes(frame["predicted"])
        self._failure = frame["failure"].to_numpy(dtype=bool)
        self._loss = frame["loss"].to_numpy(dtype=np.float64)
        self._sample = frame["sample"]
        self.overall = self._counts([np.arange(len(frame))])

    def of(self, slices: Sequence[Slice]) -> Counts:
        """Counts of each slice by label, (S, K)."""
        return self._counts([one.rows for one in slices])

    def highest_loss(self, one: Slice) -> tuple[str, ...]:
        """Sample ids of up to twelve failures of a slice, highest loss first."""
        rows = one.rows[self._failure[one.rows]]
        order = np.argsort(-self._loss[rows], kind="stable")[:_SHOWN]
        return tuple(str(sample) for sample in self._sample.iloc[rows[order]])

    def most_predicted(self, one: Slice) -> tuple[str, int] | None:
        """The class that most failures of a slice are predicted as, and their number."""
        rows = one.rows[self._failure[one.rows]]
        if len(rows) == 0:
            return None
        counts = np.bincount(self._predicted[rows], minlength=len(self._classes))
        return self._classes[int(counts.argmax())], int(counts.max())

    def _counts(self, groups: Sequence[Integers]) -> Counts:
        n_classes = len(self._classes)
        failures, totals = np.zeros((2, len(groups), n_classes))
        for k, rows in enumerate(groups):
            labels = self._label[rows]
            totals[k] = np.bincount(labels, minlength=n_classes)
            failures[k] = np.bincount(labels[self._failure[rows]], minlength=n_classes)
        return Counts(failures, totals)
