"""Mean maps of a slice beside those of the other samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from auditor.imaging.location import locate_evidence
from auditor.records import ClaimRecord, Grid, MapShift

_SHOWN = 2
"""Comparisons of mean maps shown for a finding, the largest."""


@dataclass(frozen=True)
class MapShiftPanel:
    """One of the maps.

    Attributes:
        column: which; names its drawing.
        title: whose map it is.
        alt: what can be seen in it, in words.
        values: rows of shares of the evidence, or of their differences.
    """

    column: Literal["own", "others", "difference"]
    title: str
    alt: str
    values: Grid


@dataclass(frozen=True)
class MapShiftView:
    """Where the evidence lies for a slice, for the others, and the difference.

    Attributes:
        reference: names its drawings, unique in the document.
        title: of the claim.
        panels: the slice, the others, the difference.
    """

    reference: str
    title: str
    panels: tuple[MapShiftPanel, ...]

    @property
    def peak(self) -> float:
        """The largest value of the two mean maps, which share one colour scale."""
        return max(max(map(max, one.values)) for one in self.panels if one.column != "difference")


def map_shifts(claims: Sequence[ClaimRecord], anchor: str) -> tuple[MapShiftView, ...]:
    """The comparisons of mean maps among the claims of a finding, the largest effect first.

    Args:
        claims: the finding first, then its supporting claims.
        anchor: address of the finding.
    """
    found = [
        (claim, part) for claim in claims for part in claim.evidence if isinstance(part, MapShift)
    ]
    found.sort(key=lambda one: 0.0 if one[0].effect is None else -one[0].effect.value)
    return tuple(
        MapShiftView(f"{anchor}/shift-{place}", claim.title, _panels(claim, part))
        for place, (claim, part) in enumerate(found[:_SHOWN])
    )


def _panels(claim: ClaimRecord, part: MapShift) -> tuple[MapShiftPanel, ...]:
    attributes = claim.slice.attributes.items()
    name = ", ".join(f"{key} = {value}" for key, value in attributes) or "this cluster of maps"
    gain = locate_evidence(part.difference).place
    where = f"at the {gain}" if gain else "nowhere"
    return (
        MapShiftPanel(
            "own",
            f"With {name}" if attributes else "This cluster of maps",
            f"For {name}, the evidence {locate_evidence(part.mean_map).words}.",
            part.mean_map,
        ),
        MapShiftPanel(
            "others",
            "Others",
            f"For the others, the evidence {locate_evidence(part.mean_map_of_others).words}.",
            part.mean_map_of_others,
        ),
        MapShiftPanel(
            "difference",
            "Difference",
            f"Difference of the two: for {name}, more of the evidence lies {where}.",
            part.difference,
        ),
    )
