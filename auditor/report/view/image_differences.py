"""Differences in brightness between the mean image of a slice and that of the other samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from auditor.records import ClaimRecord, Grid, ImageDifference

COLUMN = "brightness"
"""Names the drawing beside its reference."""


@dataclass(frozen=True)
class ImageDifferenceView:
    """How the mean image of a slice differs from that of the others.

    Attributes:
        reference: names its drawing, unique in the document.
        title: of the claim.
        description: where the difference is largest, in words.
        values: rows of standardised differences.
    """

    reference: str
    title: str
    description: str
    values: Grid


def image_differences(
    claims: Sequence[ClaimRecord], anchor: str
) -> tuple[ImageDifferenceView, ...]:
    """The differences of mean images among the claims of a finding.

    Args:
        claims: the finding first, then its supporting claims.
        anchor: address of the finding.
    """
    found = [
        (claim, part)
        for claim in claims
        for part in claim.evidence
        if isinstance(part, ImageDifference)
    ]
    return tuple(
        ImageDifferenceView(
            f"{anchor}/image-difference-{place}", claim.title, part.description, part.brightness
        )
        for place, (claim, part) in enumerate(found)
    )
