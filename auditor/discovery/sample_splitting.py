"""Samples in two halves: one to search for slices in, the other to test them on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.records import AuditData
from auditor.records.predictions import codes
from auditor.statistics import Floats, Gaps, Integers, MeanGap, stratified_gap, stratified_mean_gap

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class SampleSplit:
    """The samples that are looked at.

    Attributes:
        rows: (n,) positions in the predictions.
        label: (n,) indices.
        predicted: (n,) indices.
        failure: (n,).
        excess: (n,) failure less what the model admits, 1 - confidence: from -1, doubted and right,
            to 1, wrong without a doubt.
        search: (n,) whether the sample is in the half for the search.
    """

    rows: Integers
    label: Integers
    predicted: Integers
    failure: Mask
    excess: Floats
    search: Mask

    @property
    def test(self) -> Mask:
        """Whether the sample is in the other half."""
        return ~self.search

    @classmethod
    def of(
        cls, audit: AuditData, rows: Integers, within: str, generator: np.random.Generator
    ) -> SampleSplit:
        """Divides some samples.

        Args:
            audit: of the audit.
            rows: (n,) positions in the predictions.
            within: the column, ``label`` or ``predicted``, of each value of which one half is
                searched; outcomes have no say.
            generator: draws.
        """
        frame = audit.predictions.iloc[rows]
        order = np.lexsort((generator.random(len(rows)), codes(frame[within])))
        search = np.zeros(len(rows), dtype=np.bool_)
        search[order] = np.arange(len(rows)) % 2 == 0
        failure = frame["failure"].to_numpy(dtype=np.bool_)
        confidence = frame["confidence"].to_numpy(dtype=np.float64)
        return cls(
            rows,
            codes(frame["label"]),
            codes(frame["predicted"]),
            failure,
            failure - (1 - confidence),
            search,
        )

    def gap(self, inside: Mask, strata: Integers, among: Mask | None = None) -> Gaps:
        """Error rate of a slice minus that of the rest of the same strata.

        Args:
            inside: (n,) the slice.
            strata: (n,) what is held fixed.
            among: (n,) who is compared; by default the half for the test.
        """
        among = self.test if among is None else among
        return stratified_failures(self.failure[among], inside[among], strata[among])

    def excess_gap(self, inside: Mask, strata: Integers, among: Mask | None = None) -> MeanGap:
        """Excess of a slice minus that of the rest of the same strata, with a normal test.

        Hard images fail, but the model knows; where a shortcut misleads it, it is sure and wrong.
        """
        among = self.test if among is None else among
        return stratified_mean_gap(
            self.excess[among], inside[among], strata[among], n_permutations=0
        )


def stratified_failures(failure: Mask, inside: Mask, strata: Integers) -> Gaps:
    """Error rate of those inside minus that of the others of the same strata; arrays (n,)."""
    _, code = np.unique(strata, return_inverse=True)
    n = int(code.max(initial=-1)) + 1
    own_failures, own, rest_failures, rest = (
        np.bincount(code[chosen], minlength=n)[None]
        for chosen in (inside & failure, inside, ~inside & failure, ~inside)
    )
    return stratified_gap(own_failures, own, rest_failures, rest)


def jaccard(one: Mask, other: Mask) -> float:
    """Samples in both as a part of those in either."""
    return float((one & other).sum() / max((one | other).sum(), 1))
