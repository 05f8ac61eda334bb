"""Duplicates: which audited images occur more than once, and do their labels agree?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from auditor.checks import Check, Need
from auditor.imaging.small_copies import grey_copies
from auditor.near_duplicates.fingerprints import (
    NearPairs,
    concatenate,
    connected_groups,
    equal_files,
    near_pairs,
    parse_fingerprints,
    reach_note,
)
from auditor.near_duplicates.pixel_correlation import correlated
from auditor.phrasing import count, interval, percent, plural, several
from auditor.records import (
    AuditData,
    Claim,
    ClaimKind,
    Effect,
    Examination,
    FaultLabels,
    Quantities,
    Quantity,
    SampleGroup,
    SampleGroups,
    SampleRef,
    Skipped,
    SliceKey,
)
from auditor.records.decisions import ONE_CLASS, TaskName
from auditor.records.predictions import FINGERPRINTS, PHASH, SHA256, codes
from auditor.registry import plugin
from auditor.statistics import proportion

NAME = "duplicates"
_NAMED = 3
"""Samples that a sentence names."""
_SHOWN = 12
"""Samples that are listed at most."""
_LISTED = 200
"""Groups that are listed in a claim's evidence at most."""


@plugin("check", NAME)
class Duplicates(Check):
    """Which audited images occur more than once, and do their labels agree?

    Equal files are found by SHA-256. Near-duplicates (compressed, resized, toned) are found by a
    perceptual fingerprint, and each pair is confirmed by the correlation of the pixels. Copies count a
    sample more than once; copies with different labels are errors in the data. Counted, not tested.
    """

    kind: ClassVar[ClaimKind] = "data"
    handles_clusters: ClassVar[bool] = True
    tasks: ClassVar[frozenset[TaskName]] = ONE_CLASS
    needs: ClassVar[frozenset[Need]] = frozenset({"images"})
    fault_labels: ClassVar[FaultLabels | None] = FaultLabels(
        many="copies with different labels", one="a copy has another label"
    )

    max_distance: int = Field(6, ge=0, le=12)
    """Largest number of bits, of 64, in which the fingerprints of two copies differ."""
    min_correlation: float = Field(0.995, gt=0, le=1)
    """Smallest correlation of the pixels of two copies."""
    max_pairs: int = Field(5000, ge=0)
    """Largest number of pairs of similar fingerprints whose pixels are compared, the most similar
    first."""
    max_share: float = Field(0.01, ge=0, le=1)
    """Largest acceptable share of surplus copies, and of contradictory labels, among the samples;
    above it, the finding is a warning."""

    def examine(self, audit: AuditData) -> Examination:
        """Searches for copies among the audited images."""
        frame = audit.predictions
        if not {*FINGERPRINTS}.issubset(frame):
            return Examination(skipped=(_skipped("the images have no fingerprints"),))
        equal = equal_files(frame[SHA256])
        near, skipped = self._near(audit, equal)
        found = _Copies(audit, connected_groups(concatenate([equal, near])))
        claims = (
            *found.surplus(len(near), self.max_share),
            *found.contradictions(self.max_share),
        )
        return Examination(claims, tuple(skipped))

    def _near(self, audit: AuditData, equal: NearPairs) -> tuple[NearPairs, list[Skipped]]:
        """Near-duplicates that are no equal files, and what was not compared."""
        fingerprints, rows = parse_fingerprints(audit.predictions[PHASH])
        # Of each set of equal files, one is compared with the others.
        single = np.ones(len(audit.predictions), dtype=bool)
        single[equal.second] = False
        fingerprints, rows = fingerprints[single[rows]], rows[single[rows]]
        found, reach = near_pairs(fingerprints, self.max_distance)
        found = found.closest_first()
        pairs = NearPairs(rows[found.first], rows[found.second], found.distance)
        notes = []
        if reach < self.max_distance:
            option = f"checks.{NAME}.max_distance"
            notes.append(_skipped(reach_note(reach, self.max_distance, option)))
        if not len(pairs):
            return pairs, notes
        if audit.images is None:
            reason = f"{plural(len(pairs), 'pair')} with similar fingerprints: the pixels are not available"
            return pairs[np.zeros(len(pairs), dtype=bool)], [*notes, _skipped(reason)]
        grey_copy = grey_copies(audit.images, audit.copies)
        same, n_not_compared = correlated(
            pairs, grey_copy, grey_copy, self.min_correlation, self.max_pairs
        )
        if not n_not_compared:
            return pairs[same], notes
        reason = (
            f"the pixels of {n_not_compared} of {plural(len(pairs), 'pair')} with similar fingerprints were "
            "not compared (checks.duplicates.max_pairs); those of the most similar pairs were"
        )
        return pairs[same], [*notes, _skipped(reason)]


@dataclass(frozen=True)
class _Copies:
    """Groups of positions in ``AuditData.predictions`` that show the same image."""

    audit: AuditData
    groups: Sequence[NDArray[np.int64]]

    def surplus(self, n_near: int, limit: float) -> Iterator[Claim]:
        """The claim that images occur more than once, if any does."""
        n_extra, total = sum(len(one) - 1 for one in self.groups), len(self.audit.predictions)
        if not n_extra:
            return
        share = proportion(n_extra, total)[()]
        are, another = ("is a copy", "another") if n_extra == 1 else ("are copies", "others")
        yield Claim(
            check=NAME,
            kind=Duplicates.kind,
            title=f"{count(n_extra)} of {count(total)} audited images {are} of {another}",
            slice=SliceKey(),
            effect=Effect.measured("share of surplus copies", share, "share"),
            limit=limit,
            p_value=None,
            support=sum(len(one) for one in self.groups),
            samples=self._ids(self.groups),
            statement=(
                (
                    f"{count(n_extra)} of {count(total)} audited images ({percent(share.value)}, "
                    f"{interval(share)}) {are} of {another}."
                ),
                (
                    f"{plural(len(self.groups), 'image appears', 'images appear')} more than once"
                    f"{_slightly_different(n_near)}."
                ),
                "Every copy counts as a sample of its own.",
            ),
            action="Keep one copy of each image, and audit again: intervals and tests assume independent "
            "samples.",
            limits="Different images of one scene, object or series may be nearly equal.",
            evidence=(
                self._listed(self.groups),
                Quantities(
                    items=(
                        Quantity(
                            name="pairs of copies whose files differ",
                            value=n_near,
                            unit="count",
                        ),
                    )
                ),
            ),
            weight=float(n_extra),
            ceiling="warning",
            counted=True,
        )

    def contradictions(self, limit: float) -> Iterator[Claim]:
        """The claim that copies have different labels, if any have."""
        frame = self.audit.predictions
        label, predicted = codes(frame["label"]), codes(frame["predicted"])
        groups = [one for one in self.groups if len(np.unique(label[one])) > 1]
        if not groups:
            return
        rows = np.concatenate(groups)
        n, n_failures = len(rows), int((label[rows] != predicted[rows]).sum())
        # An image that is predicted as none of its labels is misclassified whichever label is right.
        at_fault = [
            one[(label[one] != predicted[one]) & np.isin(predicted[one], label[one])]
            for one in groups
        ]
        faulty = tuple(str(one) for one in frame["sample"].iloc[np.concatenate(at_fault)])
        share = proportion(n, len(label))[()]
        yield Claim(
            check=NAME,
            kind=Duplicates.kind,
            title=_conflict_title(groups),
            slice=SliceKey(),
            effect=Effect.measured("share of samples with a contradicted label", share, "share"),
            limit=limit,
            p_value=None,
            support=n,
            samples=self._ids(groups),
            statement=(
                (
                    f"{count(n)} samples ({percent(share.value)}, {interval(share)}), "
                    f"{'such as ' if n > _NAMED else ''}{several(list(self._ids(groups)), _NAMED)}, are "
                    "copies with different labels."
                ),
                "At least one label of each image is wrong, whatever the model predicts.",
                (
                    f"{plural(n_failures, 'of them is misclassified', 'of them are misclassified')}, "
                    f"{count(len(faulty))} as the label of another copy."
                ),
            ),
            action="Correct the labels, keep one copy of each image, and audit again.",
            limits="It cannot say which of the labels is right.",
            evidence=(
                self._listed(groups),
                Quantities(
                    items=(
                        Quantity(name="failures among the copies", value=n_failures, unit="count"),
                        Quantity(
                            name="failures predicted as the label of another copy",
                            value=len(faulty),
                            unit="count",
                        ),
                    )
                ),
            ),
            weight=float(n),
            ceiling="warning",
            counted=True,
            faulty=faulty,
        )

    def _ids(self, groups: Sequence[NDArray[np.int64]]) -> tuple[str, ...]:
        rows = np.concatenate(groups)[:_SHOWN]
        return tuple(str(one) for one in self.audit.predictions["sample"].iloc[rows])

    def _listed(self, groups: Sequence[NDArray[np.int64]]) -> SampleGroups:
        frame = self.audit.predictions
        return SampleGroups(
            title="Copies of the same image",
            groups=tuple(
                SampleGroup(
                    members=tuple(
                        SampleRef(sample=str(sample), label=str(label))
                        for sample, label in zip(
                            frame["sample"].iloc[rows], frame["label"].iloc[rows], strict=True
                        )
                    ),
                    note=self._match(rows),
                )
                for rows in groups[:_LISTED]
            ),
        )

    def _match(self, rows: NDArray[np.int64]) -> str:
        """How the copies match, in words."""
        frame = self.audit.predictions.iloc[rows]
        if frame[SHA256].nunique(dropna=False) == 1:
            return "equal files"
        if frame[PHASH].nunique(dropna=False) == 1:
            return "equal fingerprints"
        return "similar fingerprints"


def _slightly_different(n_pairs: int) -> str:
    """The pairs of copies that are not the same file, as an addition to a sentence."""
    return f"; the files of {plural(n_pairs, 'pair')} differ slightly" if n_pairs else ""


def _conflict_title(groups: Sequence[NDArray[np.int64]]) -> str:
    if len(groups) > 1:
        return f"{count(len(groups))} images appear more than once, with different labels"
    times = {2: "twice"}.get(len(groups[0]), f"{len(groups[0])} times")
    return f"One image appears {times}, with different labels"


def _skipped(reason: str) -> Skipped:
    return Skipped(check=NAME, reason=reason)
