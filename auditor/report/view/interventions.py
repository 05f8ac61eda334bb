"""Interventions on images: what was changed, and what that did to the predictions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from auditor.phrasing import sentence_start, with_limits
from auditor.records import ClaimRecord, Intervention, RegionBox
from auditor.report.view.sample_cards import MeanView

_HEADINGS: Mapping[str, str] = {
    "swap-region": "Intervention: swapping this region changes the predictions",
    "cover-region": "Intervention: masking this region corrects failures",
    "transfer-style": "Intervention: transferring the style changes the predictions",
}


@dataclass(frozen=True)
class InterventionMeasure:
    """What an intervention changed, beside a control intervention.

    Attributes:
        name: what was counted.
        measured: with its interval, by the intervention.
        control: with its interval, by the control.
        control_name: what the control did.
    """

    name: str
    measured: str
    control: str
    control_name: str


@dataclass(frozen=True)
class InterventionView:
    """An intervention.

    Attributes:
        key: names its drawings, unique in the document.
        heading: what was done.
        title: of the claim.
        statement: how it was done and with which result; empty where the finding itself is the
            claim, which shows its statement already.
        where: what was changed, in words.
        variant: how, such as the infill of a region or the style transferred; None where the method
            has no variants.
        region: what was changed; None where it was the image as a whole.
        measures: what it changed.
        means: mean maps over which the region is drawn: with the attribute value, and without.
    """

    key: str
    heading: str
    title: str
    statement: str
    where: str
    variant: str | None
    region: RegionBox | None
    measures: tuple[InterventionMeasure, ...]
    means: tuple[MeanView, ...]


def interventions(
    claims: Sequence[ClaimRecord], anchor: str, means: Sequence[MeanView]
) -> tuple[InterventionView, ...]:
    """The interventions among the claims of a finding.

    Args:
        claims: the finding first, then its supporting claims.
        anchor: address of the finding.
        means: mean maps of the attributes that it concerns.
    """
    found = [
        (claim, part)
        for claim in claims
        for part in claim.evidence
        if isinstance(part, Intervention)
    ]
    return tuple(
        InterventionView(
            key=f"{anchor}-intervention-{place}",
            heading=_HEADINGS[part.method],
            title=claim.title,
            statement="" if claim is claims[0] else " ".join(claim.statement),
            where=_where(part.region),
            variant=part.variant,
            region=part.region,
            measures=tuple(_measures(part)),
            means=() if part.region is None else _means(claim, part, means),
        )
        for place, (claim, part) in enumerate(found)
    )


def _where(region: RegionBox | None) -> str:
    if region is None:
        return "the whole image"
    return "the border of the image" if region.outside else f"a box at the {region.place}"


def _measures(part: Intervention) -> Iterator[InterventionMeasure]:
    for one in part.effects:
        yield InterventionMeasure(
            name=sentence_start(one.name),
            measured=with_limits(one.value, one.unit),
            control=with_limits(one.control, one.unit),
            control_name=one.control_name,
        )


def _means(
    claim: ClaimRecord, part: Intervention, means: Sequence[MeanView]
) -> tuple[MeanView, ...]:
    """Mean maps of the class that flipped predictions went to, with the value and with another."""
    attributes = claim.slice.attributes
    own = [one for one in means if attributes.get(one.attribute) == one.value]
    first = next((one for one in own if one.label == part.flipped_to), next(iter(own), None))
    if first is None:
        return ()
    others = (
        one
        for one in means
        if one.attribute == first.attribute and one.label == first.label and one is not first
    )
    return (first, *list(others)[:1])
