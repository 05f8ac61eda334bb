"""How other attributes explain a gap: title, sentences, cause and severity of its claim."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from auditor.comparisons.confounding import Confounding, JointlyHeld
from auditor.comparisons.limits import finite
from auditor.phrasing import attribute_name, interval, points, points_of, several, signed_points
from auditor.records import (
    Claim,
    Declarations,
    Effect,
    Estimate,
    HeldFixed,
    HeldFixedGap,
    MediatedPart,
    Slice,
    SliceComparison,
)
from auditor.statistics import GapDecomposition, Interval

_EXPLAINS = {"explains", "reverses"}


def with_explanation(
    claim: Claim,
    one: Slice,
    confounding: Confounding,
    declared: Declarations,
    overall: Sequence[str] = (),
) -> Claim:
    """Adds to a claim about a gap what remains of it when other attributes are held fixed.

    A gap that other attributes explain joins their finding, and its severity follows the remaining gap.
    A gap of a sensitive attribute keeps its finding and its severity. The severity of any gap follows
    the gap with declared confounders held fixed; mediators change nothing.

    Args:
        claim: about a slice by one annotated attribute, with a `SliceComparison`.
        one: the slice.
        confounding: the comparisons of the audit.
        declared: roles and sensitive attributes.
        overall: for a slice within a label, the attributes that explain the gap of all labels together.
            Within a label, there are usually too few samples to show it again.
    """
    comparison = claim.part(SliceComparison)
    if comparison is None or comparison.gap is None:
        return claim
    gap = Interval(comparison.gap.value, comparison.gap.low, comparison.gap.high)
    gaps = confounding.one_by_one(one, gap)
    jointly = confounding.jointly(one, gaps)
    held = held_fixed(gaps, gap, jointly, confounding.mediated(one))
    sensitive = any(name in declared.sensitive for name in one.key.attributes)
    explained = jointly is not None and (jointly.state in _EXPLAINS or bool(overall))
    by = jointly if explained and not sensitive else confounding.of_confounders(one, gaps)
    graded_by = None if by is None else _effect(claim, by, comparison.rest_error_rate)
    sentences = () if by is None or graded_by is None else (_severity_sentence(by),)
    if by is not None:
        # The gap that counts is also the one that has to be excluded.
        excluding = comparison.model_copy(update={"excluded_gap": by.gap.high})
        parts = tuple(excluding if part is comparison else part for part in claim.evidence)
        claim = replace(claim, evidence=parts)
    return replace(
        claim,
        title=claim.title + title_suffix(held, gap),
        statement=(*claim.statement, *sentences),
        evidence=(*claim.evidence, held),
        explained_by=() if sensitive else (explained_by(held) or tuple(overall)),
        graded_by=graded_by or claim.graded_by,
    )


def _effect(claim: Claim, held: JointlyHeld, rest_rate: float | None) -> Effect | None:
    """The remaining gap in the unit of its effect; None if that is not defined."""
    if claim.effect is None:
        return None
    name = f"{claim.effect.name} with {several(_shown(held.held), 6)} held fixed"
    left = held.gap
    if claim.effect.unit == "points":
        return Effect.measured(name, left, "points")
    if not rest_rate:
        return None
    low, value, high = (max(1 + end / rest_rate, 0.0) for end in (left.low, left.value, left.high))
    return Effect.measured(name, finite(Interval(value, low, high)), claim.effect.unit)


def _severity_sentence(held: JointlyHeld) -> str:
    return (
        f"Its severity follows the gap with {several(_shown(held.held), 6)} held fixed: "
        f"{signed_points(held.gap.value)} ({interval(held.gap, ' points')})."
    )


def held_fixed(
    gaps: Sequence[HeldFixedGap],
    gap: Interval,
    jointly: JointlyHeld | None = None,
    mediated: tuple[tuple[str, ...], GapDecomposition] | None = None,
) -> HeldFixed:
    """The remaining gap with other attributes held fixed, as evidence with its sentences.

    Args:
        gaps: gaps with one attribute held fixed at a time.
        gap: the gap itself.
        jointly: gap with several attributes held fixed jointly; None if it was not computed.
        mediated: names of the mediators, and the parts of the gap that go through them.
    """
    names, parts = ((), None) if mediated is None else mediated
    held = HeldFixed(
        gaps=tuple(gaps),
        jointly=None if jointly is None else Estimate.of(jointly.gap),
        held=() if jointly is None else jointly.held,
        state=None if jointly is None else jointly.state,
        through=() if jointly is None else jointly.through,
        mediated=()
        if parts is None
        else tuple(
            MediatedPart(attribute=name, part=Estimate.of(parts.via_each[k]))
            for k, name in enumerate(names)
        ),
        not_mediated=None if parts is None else Estimate.of(parts.direct),
    )
    return held.model_copy(update={"sentences": tuple(_sentences(held, gap))})


def explained_by(held: HeldFixed) -> tuple[str, ...]:
    """Attributes that explain a gap or cannot be separated from it, the strongest first."""
    inseparable = [one.attribute for one in held.gaps if one.state == "inseparable"]
    return (*_causes(held), *inseparable)


def shown_to_explain(claim: Claim) -> tuple[str, ...]:
    """Attributes that explain the gap of a claim, if it joins their finding; empty otherwise."""
    held = claim.part(HeldFixed)
    explains = held is not None and held.state in _EXPLAINS
    return claim.explained_by if explains else ()


def title_suffix(held: HeldFixed, gap: Interval) -> str:
    """Addition to the title of a gap about attributes that explain it.

    Args:
        held: the gap with other attributes held fixed.
        gap: the gap itself.
    """
    causes = _causes(held)
    if causes and "reverses" in {held.state, *(_state(held, name) for name in causes)}:
        return f"; it reverses with {several(_shown(causes))} held fixed"
    if causes:
        together = "together " if held.state is not None and not _alone(held) else ""
        verb = "explains" if len(causes) == 1 else f"{together}explain"
        return f"; {several(_shown(causes))} {verb} it"
    named = several(_shown(held.through))
    if held.state == "weakens" and held.jointly is not None and named:
        within = f"within {named}" if len(held.through) == 1 else f"with {named} held fixed"
        return f"; {points_of(held.jointly.value, gap.value)} remain {within}"
    if held.state == "undecided" and named:
        verb = "explains" if len(held.through) == 1 else "explain"
        return f"; {named} {verb} at least a part of it"
    like = [one.attribute for one in held.gaps if one.state == "inseparable"]
    return f"; the data cannot separate it from {several(_shown(like))}" if like else ""


def _shown(names: Iterable[str]) -> list[str]:
    return [attribute_name(name) for name in names]


def _causes(held: HeldFixed) -> tuple[str, ...]:
    """Attributes that explain a gap: each alone, otherwise jointly."""
    if held.state is None:
        return _alone(held)
    if held.state not in _EXPLAINS:
        return ()
    return _alone(held) or held.through or held.held


def _alone(held: HeldFixed) -> tuple[str, ...]:
    """Attributes that each explain a gap alone, the smallest remaining gap first."""
    order = {"explains": 0, "reverses": 1}
    named = [(one, one.gap) for one in held.gaps if one.state in order and one.gap is not None]
    named.sort(key=lambda pair: (order[pair[0].state], abs(pair[1].value)))
    return tuple(one.attribute for one, _ in named)


def _state(held: HeldFixed, name: str) -> str | None:
    return next((one.state for one in held.gaps if one.attribute == name), None)


def _sentences(held: HeldFixed, gap: Interval) -> Iterator[str]:
    gaps = [one for one in held.gaps if held.held != (one.attribute,)]
    for one in gaps:
        if one.state not in {"remains", "undecided"}:
            yield _sentence(one, gap)
    kept = [(one, one.gap) for one in gaps if one.state == "remains" and one.gap is not None]
    if kept:
        least = min((left for _, left in kept), key=lambda left: left.value)
        yield (
            f"It remains with {several(_shown(one.attribute for one, _ in kept))} held fixed"
            f"{', one at a time' if len(kept) > 1 else ''}: at least {points(least.value)} "
            f"({interval(least, ' points')})."
        )
    undecided = [one.attribute for one in gaps if one.state == "undecided"]
    if undecided:
        yield (
            f"There are too few samples to decide whether it remains with {several(_shown(undecided))} "
            "held fixed."
        )
    if held.jointly is not None:
        yield _joint_sentence(held, held.jointly, gap)
    if held.not_mediated is not None:
        yield _mediated_sentence(held, held.not_mediated, gap)


def _sentence(one: HeldFixedGap, gap: Interval) -> str:
    if one.state == "inseparable" or one.gap is None:
        return (
            f"The slice and {attribute_name(one.attribute)} nearly coincide: with "
            f"{attribute_name(one.attribute)} held fixed, the "
            f"comparison has only {one.effective_samples} effective samples, so this data cannot show "
            "which of them matters."
        )
    left = f"{signed_points(one.gap.value)} ({interval(one.gap, ' points')})"
    if one.state == "reverses":
        return f"With {attribute_name(one.attribute)} held fixed, the gap reverses: {left}."
    end = f": {attribute_name(one.attribute)} explains it" if one.state == "explains" else ""
    falls = f"the gap falls from {points(gap.value)} to {left}{end}"
    return f"With {attribute_name(one.attribute)} held fixed, {falls}."


def _joint_sentence(held: HeldFixed, jointly: Estimate, gap: Interval) -> str:
    several_held = len(held.held) > 1
    start = f"With {several(_shown(held.held), 6)} held fixed{' jointly' if several_held else ''}"
    left = f"{signed_points(jointly.value)} ({interval(jointly, ' points')})"
    it = "they explain" if several_held else "it explains"
    if held.state == "explains":
        falls = f"the gap falls from {points(gap.value)} to {left}, within the limit"
        return f"{start}, {falls}: {it} the gap."
    if held.state == "reverses":
        return f"{start}, the gap reverses: {left}."
    if held.state == "weakens":
        part = points_of(jointly.value, gap.value)
        return f"{start}, {part} remain ({interval(jointly, ' points')})."
    if held.state == "remains":
        return f"{start}, the gap remains: {left}."
    part = f"{it} at least a part of the gap, but " if held.through else ""
    return (
        f"{start}, {left} remain: {part}the data cannot tell whether "
        f"{'they explain' if several_held else 'it explains'} "
        f"{'all of it' if held.through else 'the gap'}."
    )


def _mediated_sentence(held: HeldFixed, left: Estimate, gap: Interval) -> str:
    parts = [
        f"{signed_points(one.part.value)} ({interval(one.part, ' points')}) go through "
        f"{attribute_name(one.attribute)}"
        for one in held.mediated
    ]
    declared = "declared a mediator" if len(parts) == 1 else "declared mediators"
    return (
        f"Of the {points(gap.value)}, {several(parts, len(parts))}, {declared}; "
        f"{signed_points(left.value)} ({interval(left, ' points')}) do not. Parts that go "
        "through a mediator belong to the gap."
    )
