"""Duplicates: which audited images are there more than once, and do their labels agree?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from auditor.near_duplicates.fingerprints import NearPairs, alike, groups, near_pairs, prints_of
from auditor.phrasing import effect, interval, percent, several
from auditor.records import AuditData, Claim, Examination, Skipped, SliceKey
from auditor.records.predictions import FINGERPRINTS, PHASH, SHA256
from auditor.registry import Options, plugin
from auditor.statistics import wilson

NAME = "duplicates"
_SHOWN = 12
_LISTED = 200
"""Groups that are listed in a claim's evidence at most."""


@plugin("check", NAME)
class Duplicates(Options):
    """Which audited images are there more than once, and do their labels agree?

    Equal files by SHA-256. Nearly equal images (saved again, resized, toned) by a perceptual
    fingerprint, each pair then confirmed by the correlation of the pixels. Copies count a sample
    more than once; copies with different labels are failures of the data. Counted, not tested.
    """

    max_distance: int = Field(6, ge=0, le=12)
    """Bits of 64 that the fingerprints of two copies may differ in."""
    min_correlation: float = Field(0.995, gt=0, le=1)
    """Smallest correlation of the pixels of two copies."""
    max_pairs: int = Field(5000, ge=0)
    """Pairs of like fingerprints whose pixels are compared; the likest come first."""
    max_share: float = Field(0.01, ge=0, le=1)
    """Largest acceptable share, among the samples, of surplus copies and of contradicted labels; from
    there on they are a warning."""

    def examine(self, audit: AuditData) -> Examination:
        """Looks for copies among the audited images."""
        frame = audit.predictions
        if not {*FINGERPRINTS}.issubset(frame):
            reason = "the images were not fingerprinted"
            return Examination(skipped=(Skipped(check=NAME, reason=reason),))
        equal = _equal(frame)
        near, skipped = self._near(audit, equal)
        found = _Copies(audit, groups(_joined(equal, near), len(frame)))
        return Examination(
            (
                *found.surplus(len(near), self.max_share),
                *found.contradictions(self.max_share),
            ),
            tuple(skipped),
        )

    def _near(self, audit: AuditData, equal: NearPairs) -> tuple[NearPairs, list[Skipped]]:
        prints, rows = prints_of(audit.predictions[PHASH].tolist())
        # One of each set of equal files speaks for all.
        single = np.ones(len(audit.predictions), dtype=bool)
        single[equal.second] = False
        prints, rows = prints[single[rows]], rows[single[rows]]
        found = near_pairs(prints, self.max_distance).closest_first()
        pairs = NearPairs(rows[found.first], rows[found.second], found.distance)
        if not len(pairs):
            return pairs, []
        if audit.images is None:
            reason = f"{len(pairs)} pairs of like images: their pixels are not at hand"
            return NearPairs(*np.empty((3, 0), dtype=np.int64)), [
                Skipped(check=NAME, reason=reason)
            ]
        same, left = alike(pairs, audit.images, audit.images, self.min_correlation, self.max_pairs)
        if not left:
            return pairs[same], []
        reason = (
            f"the pixels of {left} of {len(pairs)} pairs with like fingerprints were not compared "
            "(checks.duplicates.max_pairs); the likest were"
        )
        return pairs[same], [Skipped(check=NAME, reason=reason)]


def _equal(frame: pd.DataFrame) -> NearPairs:
    """Each file with the next equal one."""
    codes = pd.factorize(frame[SHA256])[0]
    order = np.argsort(codes, kind="stable").astype(np.int64)
    again = np.flatnonzero((np.diff(codes[order]) == 0) & (codes[order][1:] >= 0))
    return NearPairs(order[again], order[again + 1], np.zeros(len(again), dtype=np.int64))


def _joined(one: NearPairs, other: NearPairs) -> NearPairs:
    return NearPairs(
        np.concatenate([one.first, other.first]),
        np.concatenate([one.second, other.second]),
        np.concatenate([one.distance, other.distance]),
    )


@dataclass(frozen=True)
class _Copies:
    """Groups of positions that show one image."""

    audit: AuditData
    groups: Sequence[NDArray[np.int64]]

    def surplus(self, n_near: int, limit: float) -> Iterator[Claim]:
        """The claim that images are there more than once, if any is."""
        extra, total = sum(len(one) - 1 for one in self.groups), len(self.audit.predictions)
        if not extra:
            return
        share = wilson(extra, total)[()]
        yield Claim(
            check=NAME,
            title=f"{extra} of {total} audited images are copies of others",
            slice=SliceKey(),
            effect=effect("share of surplus copies", share),
            limit=limit,
            p_value=None,
            support=sum(len(one) for one in self.groups),
            samples=self._ids(self.groups),
            statement=f"{extra} of {total} audited images ({percent(share.value)}, "
            f"{interval(share)}) show what another one shows: {len(self.groups)} images are there "
            f"more than once, {n_near} times not as an equal file but changed a little. Each counts as "
            "often as it is there.",
            action="Keep one of each, and audit again: intervals and tests take samples for "
            "independent.",
            limits="Images of one scene or object from one series may be nearly equal and still be two "
            "images.",
            evidence={"groups": self._listed(self.groups), "near": n_near},
            weight=float(extra),
            ceiling="warning",
            counted=True,
        )

    def contradictions(self, limit: float) -> Iterator[Claim]:
        """The claim that copies have different labels, if any have."""
        labels = self.audit.predictions["label"].cat.codes.to_numpy(dtype=np.int64)
        torn = [one for one in self.groups if len(np.unique(labels[one])) > 1]
        if not torn:
            return
        n = sum(len(one) for one in torn)
        predicted = self.audit.predictions["predicted"].cat.codes.to_numpy(dtype=np.int64)
        n_failures = sum(int((labels[one] != predicted[one]).sum()) for one in torn)
        # Called what none of its labels says, an image is misclassified whichever is right.
        blamed = [
            one[(labels[one] != predicted[one]) & np.isin(predicted[one], labels[one])]
            for one in torn
        ]
        faulty = tuple(
            str(one) for one in self.audit.predictions["sample"].iloc[np.concatenate(blamed)]
        )
        share = wilson(n, len(labels))[()]
        names = several(list(self._ids(torn)))
        yield Claim(
            check=NAME,
            title=f"{len(torn)} images are there with different labels",
            slice=SliceKey(),
            effect=effect("share of samples with a contradicted label", share),
            limit=limit,
            p_value=None,
            support=n,
            samples=self._ids(torn),
            statement=f"{n} samples ({percent(share.value)}, {interval(share)}), such as {names}, show "
            f"{len(torn)} images whose copies bear different labels. At least one label of each image "
            f"is wrong, whatever the model says. {n_failures} of them count as failures; {len(faulty)} "
            "of these are called what another copy is labelled.",
            action="Correct the labels, keep one of each image, and audit again.",
            limits="Which of the labels is right, it can't say.",
            evidence={
                "groups": self._listed(torn),
                "failures": n_failures,
                "at_fault": len(faulty),
            },
            weight=float(n),
            ceiling="warning",
            counted=True,
            faulty=faulty,
        )

    def _ids(self, chosen: Sequence[NDArray[np.int64]]) -> tuple[str, ...]:
        rows = np.concatenate(chosen)[:_SHOWN]
        return tuple(str(one) for one in self.audit.predictions["sample"].iloc[rows])

    def _listed(self, chosen: Sequence[NDArray[np.int64]]) -> list[list[dict[str, str]]]:
        frame = self.audit.predictions
        return [
            [
                {"sample": str(sample), "label": str(label)}
                for sample, label in zip(
                    frame["sample"].iloc[rows], frame["label"].iloc[rows], strict=True
                )
            ]
            for rows in chosen[:_LISTED]
        ]
