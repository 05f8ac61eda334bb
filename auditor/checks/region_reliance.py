"""Region reliance: does what a region shows for an attribute value mislead the model?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from auditor.checks._regions import Pictures, Region, attention, coarse, filled, finer
from auditor.checks._wording import effect, interval, numbers, percent, points, whom
from auditor.records import MISSING, Claim, Evidence, Examination, Oracle, Skipped, SliceKey
from auditor.registry import Options, plugin
from auditor.statistics import Floats, Integers, PairedMean, sign_flip

NAME = "region-reliance"
_SHOWN = 12
_FEWEST_OF_LABEL = 4
"""Samples of a label on each side, so that search and test both find two to swap among."""
_ENOUGH = 0.8
"""A small window with so much of a larger one's score is preferred: it says more about where."""
_LEAST_OF_LABEL = 8
"""Pictures of a label from which on it is looked at alone."""


@plugin("check", NAME)
class RegionReliance(Options):
    """Does what one region of the picture shows for an attribute value mislead the model?

    An intervention. In pictures of all values, a region is filled from other pictures of the same
    label: once from one that has the attribute value, once from one that has not. Both fillings are
    foreign, so that only the attribute's content differs. The region is found on some samples (16
    overlapping windows and the frame, by the change of the label's probability, then finer windows)
    and tested on others: by how much more often the model fails with the value's content, and
    whether that is more than at random other places of the same size. The p-value is the larger one
    of the two sign-flip tests, as in every intersection-union test.

    Where it holds, the gap of that attribute value is confirmed, and its place is known. A property
    of the whole picture (its texture, its brightness) has no such place and stays unconfirmed.

    Reference:
        R. L. Berger, "Multiparameter hypothesis testing and acceptance sampling", Technometrics 24
        (1982) 295-300.
    """

    min_fall: float = Field(0.05, ge=0, le=1)
    """Smallest fall of accuracy that is told; its interval must lie above."""
    search_pictures: int = Field(24, ge=4)
    """Pictures of each side on which the region is searched."""
    test_pictures: int = Field(150, ge=20)
    """Largest number of pictures of each side on which it is tested."""
    max_comparisons: int = Field(12, ge=1)
    """Attribute values that are examined at most, those with the most failures first. Each takes
    about 52 forward passes for a search picture and 4 for a test picture."""

    def examine(self, evidence: Evidence) -> Examination:
        """Intervenes for every attribute value."""
        if evidence.model is None:
            return Examination(
                skipped=(Skipped(check=NAME, reason="the model is not at hand to be asked again"),)
            )
        wanted = list(_comparisons(evidence))
        claims: list[Claim] = []
        skipped: list[Skipped] = []
        for name, value in wanted[: self.max_comparisons]:
            sides = _sides(evidence, name, value, self.search_pictures, self.test_pictures)
            if min(len(sides.search), len(sides.test)) < evidence.min_support:
                skipped.append(
                    Skipped(
                        check=NAME,
                        reason=f"{name} = {value}: fewer than {evidence.min_support} pictures to swap "
                        "regions among, in labels that have this value and others",
                    )
                )
                continue
            claims.append(self._claim(evidence, evidence.model, sides))
        if len(wanted) > self.max_comparisons:
            skipped.append(
                Skipped(
                    check=NAME,
                    reason=f"{len(wanted) - self.max_comparisons} attribute values with fewer "
                    "failures were left out (checks.region-reliance.max_comparisons)",
                )
            )
        return Examination(tuple(claims), tuple(skipped))

    def _claim(self, evidence: Evidence, model: Oracle, sides: _Sides) -> Claim:
        region = _found(model, sides.search)
        outcome = _tried(model, sides.test, region, evidence.seed)
        here, more = outcome.here, outcome.more
        key = SliceKey(attributes={sides.name: sides.value})
        holds = here.change.low > self.min_fall and more.change.low > 0
        turned = outcome.turned_to(evidence.classes)
        where = (
            f"the {region.place} of the picture" if not region.outside else "the picture's frame"
        )
        into = "" if turned is None else f", {percent(turned[1])} of these to {turned[0]}"
        looked = _looked(evidence, sides, region, None if turned is None else turned[0])
        witness = (
            ""
            if turned is None or looked is None
            else f" In the Grad-CAMs of {turned[0]}, {percent(looked[0])} of the evidence lies there "
            f"with that value, and {percent(looked[1])} with others."
        )
        return Claim(
            check=NAME,
            title=f"Filling {where} from samples with {sides.name} = {sides.value} costs "
            f"{points(here.change.value)} of accuracy",
            slice=key,
            # Without an effect the test counts, and nothing is told of it.
            effect=effect("fall of accuracy when the region is swapped", here.change)
            if holds
            else None,
            limit=self.min_fall,
            p_value=max(here.p_value, more.p_value),
            support=len(sides.test),
            samples=outcome.samples(evidence),
            statement=f"An intervention: in {len(sides.test)} pictures, {where} ({percent(region.area)} of "
            f"it) was filled from other pictures of the same label. With the content of "
            f"{whom(key)}, the model fails {points(here.change.value)} more often than with that of "
            f"the others ({interval(here.change, ' points')}{into}); at random other places of the "
            f"same size, {points(outcome.elsewhere.change.value)}." + witness,
            action="Look at what these pictures show at that place. If it does not belong to the "
            "object, remove, mask or vary it in the training data, and audit again.",
            limits="It shows that this region's content moves the predictions; other regions may do "
            "so as well.",
            evidence={
                "place": region.place,
                "box": [
                    round(float(edge), 4) for edge in (region.x0, region.y0, region.x1, region.y1)
                ],
                "outside_of_box": region.outside,
                "fall": numbers(here.change),
                "fall_elsewhere": numbers(outcome.elsewhere.change),
                "failures_with_value": outcome.rate_with,
                "failures_with_others": outcome.rate_without,
                "turned_to": None if turned is None else turned[0],
                "attention": looked,
            },
            weight=0.0,
            confirms=tuple(_confirmed(evidence, key, sides, outcome)) if holds else (),
        )


@dataclass(frozen=True)
class _Swaps:
    """Pictures and, of the same label, those that lend them a region.

    Attributes:
        rows: (n,) positions of the pictures.
        label: (n,) indices.
        inside: (n,) whether the picture itself has the attribute value.
        have: (n,) positions of lenders with the value.
        lack: (n,) positions of lenders without it.
    """

    rows: Integers
    label: Integers
    inside: NDArray[np.bool_]
    have: Integers
    lack: Integers

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class _Sides:
    """The samples of one comparison, those of the search apart from those of the test."""

    name: str
    value: str
    search: _Swaps
    test: _Swaps


@dataclass(frozen=True)
class _Outcome:
    """What the intervention did.

    Attributes:
        swaps: the pictures.
        fell: (n,) failure with the value's content minus failure with the others', -1, 0 or 1.
        predicted: (n,) with the value's content.
        here: mean of ``fell`` with its test.
        elsewhere: the same at other places.
        more: here less elsewhere.
        rate_with: share of failures with the value's content.
        rate_without: with the others'.
    """

    swaps: _Swaps
    fell: Floats
    predicted: Integers
    here: PairedMean
    elsewhere: PairedMean
    more: PairedMean
    rate_with: float
    rate_without: float

    def turned_to(self, classes: tuple[str, ...]) -> tuple[str, float] | None:
        """The class that the predictions turn to, and the share of them that does."""
        turned = self.predicted[self.fell > 0]
        if len(turned) == 0:
            return None
        counts = np.bincount(turned, minlength=len(classes))
        return classes[int(counts.argmax())], float(counts.max() / len(turned))

    def samples(self, evidence: Evidence) -> tuple[str, ...]:
        """Ids of the pictures that the swap led astray."""
        rows = self.swaps.rows[self.fell > 0][:_SHOWN]
        return tuple(evidence.predictions["sample"].iloc[rows].astype(str))


def _comparisons(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Attribute values, those with the most failures first; of two values only the worse one."""
    found: list[tuple[float, str, str]] = []
    for name in evidence.attributes:
        column = evidence.predictions[name]
        rates = evidence.predictions["failure"].groupby(column, observed=True).mean()
        values = sorted((-float(rate), str(value)) for value, rate in rates.items())
        values = [(rate, value) for rate, value in values if value != MISSING]
        found += [
            (rate, name, value) for rate, value in (values[:1] if len(rates) == 2 else values)
        ]
    yield from ((name, value) for _, name, value in sorted(found))


def _sides(evidence: Evidence, name: str, value: str, search: int, test: int) -> _Sides:
    """Draws the pictures: as many with the value as without, label by label."""
    frame = evidence.predictions
    generator = np.random.default_rng(evidence.seed)
    label: Integers = np.asarray(frame["label"].cat.codes, dtype=np.int64)
    inside = (frame[name] == value).to_numpy(dtype=bool)
    known = (frame[name] != MISSING).to_numpy(dtype=bool)
    pools: list[tuple[Integers, Integers]] = []
    for code in range(len(evidence.classes)):
        here = (label == code) & known
        own = _shuffled(np.flatnonzero(here & inside), generator)
        rest = _shuffled(np.flatnonzero(here & ~inside), generator)
        n = min(len(own), len(rest))
        if n >= _FEWEST_OF_LABEL:
            pools.append((own[:n], rest[:n]))
    total = sum(len(own) for own, _ in pools)
    parts: tuple[list[_Swaps], list[_Swaps]] = ([], [])
    for have, lack in pools:
        # A third at most is searched on, and two at least.
        first = max(min(round(search * len(have) / total), len(have) // 3), 2)
        last = max(round(test * len(have) / total), 2)
        parts[0].append(_swaps(label, have[:first], lack[:first], generator))
        parts[1].append(_swaps(label, have[first:][:last], lack[first:][:last], generator))
    return _Sides(name, value, _joined(parts[0]), _joined(parts[1]))


def _shuffled(rows: Integers, generator: np.random.Generator) -> Integers:
    shuffled: Integers = generator.permutation(rows)
    return shuffled


def _swaps(
    label: Integers, own: Integers, rest: Integers, generator: np.random.Generator
) -> _Swaps:
    """Everyone gets a lender of either side, and nobody is their own."""
    rows = np.concatenate([own, rest])
    inside = np.arange(len(rows)) < len(own)
    turn = int(generator.integers(1, len(own))) if len(own) > 1 else 0
    return _Swaps(
        rows,
        label[rows],
        inside,
        np.concatenate([np.roll(own, turn), own]),
        np.concatenate([rest, np.roll(rest, turn)]),
    )


def _joined(parts: list[_Swaps]) -> _Swaps:
    none = np.zeros(0, dtype=np.int64)
    return _Swaps(
        rows=np.concatenate([none, *(part.rows for part in parts)]),
        label=np.concatenate([none, *(part.label for part in parts)]),
        inside=np.concatenate([none.astype(bool), *(part.inside for part in parts)]),
        have=np.concatenate([none, *(part.have for part in parts)]),
        lack=np.concatenate([none, *(part.lack for part in parts)]),
    )


def _found(model: Oracle, swaps: _Swaps) -> Region:
    """The region whose content costs the label most probability; a small one where it will do."""
    pictures = model.pictures(swaps.rows)
    have, lack = model.pictures(swaps.have), model.pictures(swaps.lack)
    each = np.arange(len(swaps))

    def score(region: Region) -> float:
        without, with_value = (
            float(model.predict(filled(pictures, donors, region))[each, swaps.label].mean())
            for donors in (lack, have)
        )
        return without - with_value

    scores = {region: score(region) for region in coarse()}
    best = max(scores, key=lambda region: scores[region])
    fine = {region: score(region) for region in finer(best)}
    finest = max(fine, key=lambda region: fine[region], default=best)
    return finest if fine.get(finest, -np.inf) >= _ENOUGH * scores[best] else best


def _tried(model: Oracle, swaps: _Swaps, region: Region, seed: int) -> _Outcome:
    """Fills the region, and random others, from both sides."""
    generator = np.random.default_rng(seed)
    pictures = model.pictures(swaps.rows)
    have, lack = model.pictures(swaps.have), model.pictures(swaps.lack)
    elsewhere = region.elsewhere(len(swaps), generator)

    def asked(donors: Pictures, regions: Region | list[Region]) -> Integers:
        shares = model.predict(filled(pictures, donors, regions))
        return np.asarray(shares.argmax(1), dtype=np.int64)

    predicted = asked(have, region)
    with_value, without = predicted != swaps.label, asked(lack, region) != swaps.label
    fell = with_value.astype(np.float64) - without
    other = (asked(have, elsewhere) != swaps.label).astype(np.float64) - (
        asked(lack, elsewhere) != swaps.label
    )
    here, there, more = (sign_flip(change, seed=seed) for change in (fell, other, fell - other))
    return _Outcome(
        swaps, fell, predicted, here, there, more, float(with_value.mean()), float(without.mean())
    )


def _confirmed(
    evidence: Evidence, key: SliceKey, sides: _Sides, outcome: _Outcome
) -> Iterator[SliceKey]:
    """The slices whose gap the swap brings about: the value, and the labels where it does alone."""
    yield key
    codes, counts = np.unique(sides.test.label, return_counts=True)
    large = codes[counts >= _LEAST_OF_LABEL]
    for code in large:
        alone = sign_flip(outcome.fell[sides.test.label == code], seed=evidence.seed)
        if alone.change.value > 0 and alone.p_value <= evidence.alpha / len(large):
            yield SliceKey(attributes=key.attributes, label=evidence.classes[code])


def _looked(
    evidence: Evidence, sides: _Sides, region: Region, label: str | None
) -> tuple[float, float] | None:
    """Shares of the evidence for a label in the region, with the value and without."""
    if evidence.maps is None or label is None:
        return None
    cells = [c for c in evidence.maps.cells if c.attribute == sides.name and c.label == label]
    none = np.zeros(0, dtype=np.int64)
    parts = []
    for side in (True, False):
        chosen = [c.rows for c in cells if (c.value == sides.value) == side]
        part = attention(evidence.maps.of(np.concatenate([none, *chosen])), region)
        if np.isnan(part).all():  # also where there is none
            return None
        parts.append(float(np.nanmean(part)))
    return parts[0], parts[1]
