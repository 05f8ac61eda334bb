"""The evidence that is drawn: regions changed, shifts of mean maps, and the units behind them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from auditor.imaging.location import locate_evidence
from auditor.records import AuditResult
from auditor.report import words
from auditor.report.view.map_files import MapFiles
from auditor.report.view.sample_cards import MeanView

DRAWN = frozenset(
    {
        *("pieces", "held_fixed", "regression", "box", "outside_of_box"),
        *("mean_map", "mean_map_of_others", "difference"),
    }
)
"""Keys of a finding's evidence that are shown as drawings, lists or tables of their own."""

_SHIFTS = 2
"""Comparisons of mean maps shown for a finding, the largest."""

Box = tuple[float, float, float, float]
Grid = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class InterventionMeasure:
    """What an intervention changed, and what another one beside it did.

    Attributes:
        name: what was counted.
        here: at the place.
        beside: with the other change.
        other: what that was.
    """

    name: str
    here: str
    beside: str
    other: str


@dataclass(frozen=True)
class InterventionView:
    """An intervention: a region of the image was changed, and the predictions moved.

    Attributes:
        key: names its drawings, unique in the document.
        heading: of what was done.
        title: what came of it.
        statement: how it was done, and in numbers; empty where it is the finding's own.
        place: where, in words.
        box: left, upper, right and lower edge as parts of the image, 0 to 1.
        outside: whether what lies outside of the box was changed.
        measures: what it changed, with intervals.
        means: mean maps to draw the box over: with the attribute value, and without.
    """

    key: str
    heading: str
    title: str
    statement: str
    place: str
    box: Box
    outside: bool
    measures: tuple[InterventionMeasure, ...]
    means: tuple[MeanView, ...]

    @property
    def where(self) -> str:
        """The region in words."""
        return "the border of the image" if self.outside else f"a box at the {self.place}"


@dataclass(frozen=True)
class Panel:
    """One map made of numbers of a finding."""

    column: str
    title: str
    alt: str
    values: Grid


@dataclass(frozen=True)
class Shift:
    """Where the evidence lies for an attribute value, for the others, and the difference."""

    reference: str
    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Excited:
    """An audited image that excites a unit."""

    reference: str
    sample: str
    label: str


@dataclass(frozen=True)
class UnitView:
    """A channel of the target layer that carries much of the evidence.

    Attributes:
        channel: its number, from 0.
        share: of the positive evidence for the predicted classes, 0 to 1.
        images: the audited images that excite it most, the strongest first.
    """

    channel: int
    share: float
    images: tuple[Excited, ...]


def interventions(
    claims: Sequence[Mapping[str, Any]], finding: str, means: Sequence[MeanView]
) -> tuple[InterventionView, ...]:
    """The changes of regions among the claims of a finding that came out.

    Args:
        claims: the finding first and then its pieces, as in ``audit.json``.
        finding: its address.
        means: mean maps of the attributes that it concerns.
    """
    return tuple(
        InterventionView(
            key=f"{finding}-box-{place}",
            heading=_SWAPPED if "fall" in one else _COVERED,
            title=str(one["title"]),
            statement=str(one["statement"]) if place else "",
            place=str(one["place"]),
            box=_box(one["box"]),
            outside=bool(one["outside_of_box"]),
            measures=tuple(_measures(one)),
            means=_compared(one, means),
        )
        for place, one in enumerate(claims)
        if {"box", "outside_of_box"} <= one.keys()
    )


def shifts(claims: Sequence[Mapping[str, Any]], finding: str) -> tuple[Shift, ...]:
    """The comparisons of mean maps among the claims of a finding, the largest first."""
    found = [
        one for one in claims if {"mean_map", "mean_map_of_others", "difference"} <= one.keys()
    ]
    found.sort(key=lambda one: -((one.get("effect") or {}).get("value") or 0.0))
    return tuple(
        Shift(f"{finding}/shift-{place}", str(one["title"]), _panels(one))
        for place, one in enumerate(found[:_SHIFTS])
    )


def read_units(album: MapFiles, result: AuditResult) -> dict[str, tuple[UnitView, ...]]:
    """The units behind findings, by the finding's id, the strongest first."""
    records = result.explanations.units
    rows = album.rows((one for unit in records for one in unit.images), ("sample", "label"))
    found: dict[str, list[UnitView]] = defaultdict(list)
    for unit in records:
        images = tuple(
            Excited(one, str(rows[one]["sample"]), str(rows[one]["label"])) for one in unit.images
        )
        found[unit.finding].append(UnitView(unit.channel, unit.share, images))
    return {name: tuple(sorted(units, key=lambda one: -one.share)) for name, units in found.items()}


def _panels(claim: Mapping[str, Any]) -> tuple[Panel, ...]:
    own, others, difference = (
        tuple(tuple(float(value) for value in row) for row in claim[name])
        for name in ("mean_map", "mean_map_of_others", "difference")
    )
    attributes = (claim.get("slice") or {}).get("attributes", {})
    name = ", ".join(f"{key} = {value}" for key, value in attributes.items()) or "maps of this kind"
    moved = locate_evidence(difference)
    gained = f"gains at the {moved.place}" if moved.place else "gains nowhere"
    return (
        Panel(
            "own", f"With {name}", f"With {name}, the evidence {locate_evidence(own).words}.", own
        ),
        Panel(
            "others",
            "Others",
            f"For the others, the evidence {locate_evidence(others).words}.",
            others,
        ),
        Panel(
            "difference",
            "Difference",
            f"Difference of the two: the evidence with {name} {gained}.",
            difference,
        ),
    )


def _compared(claim: Mapping[str, Any], means: Sequence[MeanView]) -> tuple[MeanView, ...]:
    """The mean maps of the class that the swap leads to, with the value and with another."""
    attributes = (claim.get("slice") or {}).get("attributes", {})
    mine = [one for one in means if attributes.get(one.attribute) == one.value]
    wanted = claim.get("turned_to")
    first = next((one for one in mine if one.label == wanted), next(iter(mine), None))
    if first is None:
        return ()
    others = (
        one
        for one in means
        if one.attribute == first.attribute and one.label == first.label and one is not first
    )
    return (first, *list(others)[:1])


def _box(edges: Sequence[float]) -> Box:
    left, upper, right, lower = (min(max(float(one), 0.0), 1.0) for one in edges)
    return left, upper, right, lower


def _measures(claim: Mapping[str, Any]) -> Iterator[InterventionMeasure]:
    for key, beside, name, other, written in _MEASURES:
        if {key, beside} <= claim.keys():
            told = name.format(called=claim.get("turned_to"))
            yield InterventionMeasure(told, written(claim[key]), written(claim[beside]), other)


def _percent(share: Mapping[str, float]) -> str:
    value, low, high = (words.percent(share[name]) for name in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def _points(gap: Mapping[str, float]) -> str:
    value, low, high = (
        f"{100 * gap[name]:+.{0 if abs(gap[name]) >= 0.1 else 1}f}".replace("-", "−")
        for name in ("value", "low", "high")
    )
    return f"{value} points ({low} to {high})"


_SWAPPED = "The test of it: swap the place, and the answer changes"
_COVERED = "The test of it: cover the place, and the failures are mended"
_OTHER_PLACES = "at other places of the same size"
_MEASURES: tuple[tuple[str, str, str, str, Callable[[Mapping[str, float]], str]], ...] = (
    (
        "fall",
        "fall_elsewhere",
        "More failures when it is swapped between images of one label",
        _OTHER_PLACES,
        _points,
    ),
    (
        "mended",
        "mended_elsewhere",
        "Failures recognised when it is covered",
        _OTHER_PLACES,
        _percent,
    ),
    (
        "turned",
        "turned_by_plain_images",
        "Other images called {called} when they are given it",
        "when given that of recognised images",
        _percent,
    ),
)
"""Keys of a claim's evidence and of what is beside it, what they are, and how they are written."""
