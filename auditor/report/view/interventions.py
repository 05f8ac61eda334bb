"""Interventions on images: what was changed, and what that did to the predictions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from auditor.phrasing import p_value, sentence_start, slice_name, with_limits
from auditor.records import ClaimRecord, Intervention, RegionBox, TestedRecord
from auditor.report.view.intervention_examples import ExampleView, examples_of, rule_of
from auditor.report.view.sample_cards import MeanView

_HEADINGS: Mapping[str, str] = {
    "swap-region": "Intervention: swapping this region changes the predictions",
    "cover-region": "Intervention: masking this region corrects failures",
    "transfer-style": "Intervention: transferring the style changes the predictions",
}


_UNCONFIRMED: Mapping[str, str] = {
    "swap-region": "swapping a region confirms no cause",
    "cover-region": "masking a region confirms no cause",
    "transfer-style": "transferring the style confirms no cause",
}
_REASONS: Mapping[str, str] = {
    "may be chance": "This may be chance",
    "within the limit": "The effect is within the limit that was fixed in advance",
    "no effect of this kind": "The effect is not of the kind that would confirm a cause",
}
_WITH_EXAMPLES = 3
"""Interventions of a finding that are shown with examples."""
_UNCONFIRMED_SHOWN = 4
"""Interventions that confirm no cause that are shown."""


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
        examples: images before and after it.
        examples_rule: how the examples were chosen; empty without examples.
        attributes: attribute values of the slice that it is about.
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
    examples: tuple[ExampleView, ...]
    examples_rule: str
    attributes: Mapping[str, str]


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
            examples=examples_of(part) if place < _WITH_EXAMPLES else (),
            examples_rule=rule_of(part, claim.support) if place < _WITH_EXAMPLES else "",
            attributes=claim.slice.attributes,
        )
        for place, (claim, part) in enumerate(found)
    )


def unconfirmed_interventions(
    tested: Sequence[TestedRecord], findings: Sequence[ClaimRecord]
) -> tuple[InterventionView, ...]:
    """Interventions whose test did not become a finding.

    Those on slices of findings come first, then those with the smallest p-values.

    Args:
        tested: all such tests, those with the smallest p-values first.
        findings: all findings.
    """
    named = [one.slice.attributes for one in findings]
    found = [(one, one.intervention) for one in tested if one.intervention is not None]
    found.sort(key=lambda one: one[0].slice.attributes not in named)
    return tuple(
        InterventionView(
            key=f"unconfirmed-{place}",
            heading=f"{sentence_start(slice_name(one.slice))}: {_UNCONFIRMED[part.method]}",
            title=one.title,
            statement=f"{one.title}. {_REASONS[one.reason]} ({_q(one)}).",
            where=_where(part.region),
            variant=part.variant,
            region=part.region,
            measures=tuple(_measures(part)),
            means=(),
            examples=examples_of(part),
            examples_rule=rule_of(part, one.support),
            attributes=one.slice.attributes,
        )
        for place, (one, part) in enumerate(found[:_UNCONFIRMED_SHOWN])
    )


def _q(one: TestedRecord) -> str:
    text = p_value(one.q_value)
    return f"q {text}" if text.startswith("<") else f"q = {text}"


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
