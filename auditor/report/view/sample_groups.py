"""Groups of samples that belong together, such as copies, with the image of each member."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from auditor.phrasing import sentence_start
from auditor.records import (
    AuditResult,
    ClaimRecord,
    MatchedImageRecord,
    SampleGroup,
    SampleGroups,
    SampleRef,
)

_MEMBERS = 12
"""Members of a group that are shown at most."""

MatchedImages = Mapping[tuple[str, str], MatchedImageRecord]
"""Stored images by source and sample."""


@dataclass(frozen=True)
class GroupMemberView:
    """A member of a group.

    Attributes:
        sample: its id; of the training data, its row.
        label: its label; empty where it is not known.
        path: its file; empty where it is not known.
        source: the audited data, or the training data.
        image: reference of its image; empty where none is stored.
    """

    sample: str
    label: str
    path: str
    source: Literal["audited", "reference"]
    image: str

    @property
    def name(self) -> str:
        """Its file, and its id where that is something else."""
        return self.path if self.path in {self.sample, ""} else f"{self.path} ({self.sample})"


@dataclass(frozen=True)
class GroupView:
    """A group.

    Attributes:
        members: those that are shown.
        omitted: how many more there are.
        note: how they match, in words.
        conflict: whether their labels differ.
    """

    members: tuple[GroupMemberView, ...]
    omitted: int
    note: str
    conflict: bool


@dataclass(frozen=True)
class SampleGroupsView:
    """Groups of one kind.

    Attributes:
        title: what they are.
        groups: those with images, different labels first.
        omitted: how many groups have no images here; a table lists them.
    """

    title: str
    groups: tuple[GroupView, ...]
    omitted: int


def matched_images(result: AuditResult) -> MatchedImages:
    """The stored images of groups; of explained samples where a run stored none of its own."""
    explained = (*result.explanations.failures, *result.explanations.contrasts)
    found = {
        ("audited", one.sample): MatchedImageRecord(
            sample=one.sample, source="audited", path="", image=one.image
        )
        for one in explained
    }
    return found | {(one.source, one.sample): one for one in result.explanations.matches}


def sample_groups(
    claims: Iterable[ClaimRecord], images: MatchedImages
) -> tuple[SampleGroupsView, ...]:
    """The groups behind findings about the data, as far as there are images.

    Args:
        claims: a finding and its supporting claims.
        images: the stored images.
    """
    parts = [
        part
        for claim in claims
        if claim.kind == "data"
        for part in claim.evidence
        if isinstance(part, SampleGroups)
    ]
    views = (_view(part, images) for part in parts)
    return tuple(one for one in views if one.groups)


def _view(part: SampleGroups, images: MatchedImages) -> SampleGroupsView:
    ordered = sorted(part.groups, key=lambda one: not one.has_different_labels)
    # A pair is only shown where both of its images are: one alone proves nothing.
    shown = [one for one in ordered if sum(_key(each) in images for each in one.members) > 1]
    groups = tuple(_group(one, images) for one in shown)
    return SampleGroupsView(sentence_start(part.title), groups, len(part.groups) - len(groups))


def _group(one: SampleGroup, images: MatchedImages) -> GroupView:
    members = tuple(
        GroupMemberView(
            each.sample,
            each.label or "",
            images[_key(each)].path if _key(each) in images else "",
            each.source,
            images[_key(each)].image if _key(each) in images else "",
        )
        for each in one.members[:_MEMBERS]
    )
    return GroupView(members, len(one.members) - len(members), one.note, one.has_different_labels)


def _key(one: SampleRef) -> tuple[str, str]:
    return one.source, one.sample
