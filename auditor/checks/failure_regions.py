"""Failure regions: which place of the image brings about the failures that a class is called for?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field

from auditor.checks import Check, Need
from auditor.discovery.failure_clusters import FailureCluster, failure_clusters
from auditor.discovery.sample_splitting import Mask, SampleSplit
from auditor.discovery.slice_description import DistinctiveValue, distinctive_values
from auditor.imaging.location import grid
from auditor.interventions.failure_groups import Mistaken
from auditor.interventions.infill import InfillMethod
from auditor.interventions.region_search import (
    Place,
    RegionTest,
    attention_by_region,
    mends,
    place_of,
    share,
    tried,
)
from auditor.interventions.regions import LOOK_THERE
from auditor.phrasing import interval, percent, quoted, several
from auditor.records import (
    AuditData,
    Claim,
    ClaimKind,
    Effect,
    Estimate,
    EvidencePart,
    Examination,
    Intervention,
    InterventionEffect,
    MapShift,
    ModelAccess,
    Quantities,
    Quantity,
    Skipped,
    SliceKey,
    Table,
)
from auditor.records.predictions import codes
from auditor.registry import plugin
from auditor.statistics import Integers

NAME = "failure-regions"
_SHOWN = 12
_MARKS = 2
"""How many of its marks the text names."""
_FEWEST_SEARCHED = 8
"""Images to search a region on: with fewer it would be chance."""
_CLEAR = 1 / 2
"""A place that mends so much of a class's failures will show in the class."""
_MOST = 2 / 3
"""A cluster of which such a place mends more has no cause of its own."""
_AT_ONCE = 100
"""Images of failures that are held in memory at a time."""
_DONE: Mapping[InfillMethod, str] = {
    "blurred": "blurred",
    "in-painted": "continued from its surroundings",
    "borrowed": "filled from recognised images of other labels",
}
_LIMITS = (
    "It shows that what lies there brings these failures about; whether it belongs to the object, a "
    "person has to see. A cause that is all over the image has no place and is not found this way."
)


@plugin("check", NAME)
class FailureRegions(Check):
    """Which place of the image brings about the failures that are called one class?

    An intervention that needs nobody's annotation. Of the failures called a class, some serve to
    find a region, a window, a strip or the frame, and how to replace it: blurred, in-painted from its
    surroundings, or borrowed from recognised images of other labels. On the others it is tested in
    two ways. Is a failure recognised once the region is replaced, more often than with random other
    places of the same size replaced (the region is needed)? And is a recognised image of another
    label called the class once it has the failures' content of the region, more often than with that
    of recognised images (the region is enough)? Both must hold, and the larger p-value of the two
    paired tests counts, as in every intersection-union test: covering what distinguishes a T-shirt
    from a shirt mends failures too, but it turns no sandal into a shirt.

    Two causes hide each other. Where the Grad-CAMs of the failures called a class fall into clusters
    (spectral relevance analysis), the same is done for the largest clusters by themselves, with their
    own search and test, but for those that a place which was found before mends.

    Reference:
        R. L. Berger, "Multiparameter hypothesis testing and acceptance sampling", Technometrics 24
        (1982) 295-300; S. Lapuschkin et al., "Unmasking Clever Hans predictors and assessing what
        machines really learn", Nature Communications 10 (2019) 1096, for the clusters.
    """

    kind: ClassVar[ClaimKind] = "robustness"
    needs: ClassVar[frozenset[Need]] = frozenset({"model"})
    renamed: ClassVar[Mapping[str, str]] = {
        "search_pictures": "search_images",
        "test_pictures": "test_images",
    }

    min_mended: float = Field(0.1, ge=0, le=1)
    """Smallest share of the failures that is told, less the share mended by covering other places;
    its interval must lie above."""
    min_turned: float = Field(0.05, ge=0, le=1)
    """Likewise of the recognised images that the content turns to the class."""
    search_images: int = Field(12, ge=_FEWEST_SEARCHED)
    """Failures on which the region is searched, a third of them at most."""
    test_images: int = Field(80, ge=20)
    """Largest number of failures on which it is tested."""
    max_classes: int = Field(4, ge=1)
    """Classes that are examined at most, those that most failures are called first. Each takes about
    120 forward passes for a search image and 8 for a test image."""
    max_clusters: int = Field(2, ge=0)
    """Clusters of maps that are examined within a class at most, the largest first; 0 for none. Each
    takes as many passes as a class, and finding them a map for each failure, 500 a class at most."""

    def examine(self, audit: AuditData) -> Examination:
        """Intervenes for every class that enough failures are called."""
        if audit.model is None:
            return _skipped("the model is not at hand to be asked again")
        enough = _enough(audit)
        counts = _called(audit)
        asked = [int(k) for k in np.argsort(-counts, kind="stable") if counts[k] >= enough]
        if not asked:
            return _skipped(f"no class is called for {enough} failures or more")
        claims: list[Claim] = []
        reasons: list[str] = []
        for code in asked[: self.max_classes]:
            whole = self._drawn(audit, code)
            if min(len(whole.search.hosts), len(whole.test.hosts)) < _FEWEST_SEARCHED:
                reasons.append(
                    f"{audit.classes[code]}: too few images of other labels are recognised"
                )
                continue
            place = place_of(audit.model, whole)
            claims.append(self._claim(audit, audit.model, whole, place))
            parts, more = self._parts(audit, audit.model, whole, place)
            claims += [self._claim(audit, audit.model, *part) for part in parts]
            if more:
                reasons.append(
                    f"{more} more clusters of maps of failures called "
                    f"{quoted(audit.classes[code])} were left out (checks.{NAME}.max_clusters)"
                )
        if len(asked) > self.max_classes:
            left = [audit.classes[code] for code in asked[self.max_classes :]]
            reasons.append(
                f"failures called {several(left)} were left out, as there are more of other classes "
                f"(checks.{NAME}.max_classes)"
            )
        return Examination(
            tuple(claims), tuple(Skipped(check=NAME, reason=reason) for reason in reasons)
        )

    def _parts(
        self, audit: AuditData, model: ModelAccess, whole: Mistaken, place: Place
    ) -> tuple[list[tuple[Mistaken, Place, FailureCluster]], int]:
        """Clusters of a class's failures that may have a place of their own, and how many are left.

        All is decided on failures to search on: no trial has a say in what is tried.
        """
        parts: list[tuple[Mistaken, Place, FailureCluster]] = []
        if not self.max_clusters:
            return parts, 0
        known = [place] if mends(model, whole.search, place).mean() >= _CLEAR else []
        left = 0
        for kind in failure_clusters(audit, model, whole.code, _enough(audit)):
            part = self._drawn(audit, whole.code, kind)
            if any(mends(model, part.search, one).mean() > _MOST for one in known):
                continue
            if len(parts) == self.max_clusters:
                left += 1
                continue
            known.append(place_of(model, part))
            parts.append((part, known[-1], kind))
        return parts, left

    def _drawn(self, audit: AuditData, code: int, kind: FailureCluster | None = None) -> Mistaken:
        among = None if kind is None else kind.rows
        return Mistaken.drawn(audit, code, self.search_images, self.test_images, among=among)

    def _claim(
        self,
        audit: AuditData,
        model: ModelAccess,
        drawn: Mistaken,
        place: Place,
        kind: FailureCluster | None = None,
    ) -> Claim:
        trial = tried(model, drawn, place, audit.seed)
        region = place.region
        (needed, p_needed), (enough, p_enough) = trial.needed, trial.enough(audit.seed)
        holds = needed.low > self.min_mended and enough.low > self.min_turned
        key = SliceKey(predicted=audit.classes[drawn.code])
        attention = [
            float(part[0]) for part in attention_by_region(model, drawn.test, drawn.code, [region])
        ]
        marked = _marks(audit, drawn, trial.mended) if holds else []
        return Claim(
            check=NAME,
            kind=self.kind,
            title=f"Covering {region.words} mends {_percent(trial.mended)} of the "
            f"{_whom(str(key.predicted), kind)}; covering other places, {_percent(trial.mended_elsewhere)}",
            slice=key,
            effect=Effect.measured(
                "failures corrected, less those corrected at other places", needed, "points"
            )
            if holds
            else None,
            limit=self.min_mended,
            # A place that mends less than others, or misleads less, is no evidence of the claim.
            p_value=max(p_needed, p_enough) if min(needed.value, enough.value) > 0 else 1.0,
            support=len(drawn.test.rows),
            samples=_mended(audit, drawn, trial),
            statement=(
                *_division(str(key.predicted), drawn, kind),
                *_statement(str(key.predicted), drawn, trial, attention, marked),
            ),
            action=LOOK_THERE,
            limits=_LIMITS,
            evidence=tuple(_evidence(audit, drawn, trial, attention, marked, kind)),
            weight=max(0.0, needed.value) * drawn.total,
            # A property of the images says less of a cause than its place does.
            explained_by=tuple(
                mark.name for mark in marked if mark.tells and mark.name in audit.attributes
            ),
            confirms=(key,) if holds else (),
            accounts_for=_accounted(model, drawn, trial) if holds else frozenset(),
        )


def _enough(audit: AuditData) -> int:
    """Failures that an intervention needs."""
    return max(audit.min_support, 3 * _FEWEST_SEARCHED)


def _called(audit: AuditData) -> Integers:
    """(K,) how many failures each class is called for."""
    frame = audit.predictions
    called = frame["predicted"].cat.codes.to_numpy()[frame["failure"].to_numpy(dtype=bool)]
    return np.bincount(called, minlength=len(audit.classes))


def _mended(audit: AuditData, drawn: Mistaken, trial: RegionTest) -> tuple[str, ...]:
    """Ids of failures that are mended, those first that covering another place does not mend."""
    elsewhere = trial.mended_elsewhere
    rows = np.concatenate([drawn.test.rows[trial.mended & one] for one in (~elsewhere, elsewhere)])
    return tuple(audit.predictions["sample"].iloc[rows[:_SHOWN]].astype(str))


def _accounted(model: ModelAccess, drawn: Mistaken, trial: RegionTest) -> frozenset[int]:
    """Positions of all failures called the class, tried or not, that are mended."""
    others = (drawn.search, *drawn.rest.parts(_AT_ONCE))
    mended = [one.rows[mends(model, one, trial.place)] for one in others]
    return frozenset(np.concatenate([drawn.test.rows[trial.mended], *mended]).tolist())


def _evidence(
    audit: AuditData,
    drawn: Mistaken,
    trial: RegionTest,
    attention: Sequence[float],
    marked: Sequence[DistinctiveValue],
    kind: FailureCluster | None,
) -> Iterator[EvidencePart]:
    """The intervention, the numbers around it, and the maps of the cluster."""
    called = audit.classes[drawn.code]
    yield Intervention(
        method="cover-region",
        variant=trial.place.way,
        region=trial.place.region.box(),
        effects=(
            InterventionEffect(
                name="failures corrected when the region is masked",
                value=Estimate.of(share(trial.mended)),
                control=Estimate.of(share(trial.mended_elsewhere)),
                control_name="at other places of the same size",
                unit="share",
            ),
            InterventionEffect(
                name=f"images of other labels flipped to {called} by the failures' content",
                value=Estimate.of(share(trial.turned)),
                control=Estimate.of(share(trial.turned_by_plain)),
                control_name="by the content of correctly classified images",
                unit="share",
            ),
        ),
        flipped_to=called,
    )
    yield Quantities(items=tuple(_quantities(audit, drawn, trial, attention, kind)))
    if marked:
        yield Table(
            title="Attribute values that distinguish the corrected failures",
            columns=("attribute", "value", "among them", "among the others"),
            rows=tuple((one.name, one.value, one.inside, one.outside) for one in marked),
            units=(None, None, "share", "share"),
        )
    if kind is not None:
        yield MapShift(
            place=kind.place,
            mean_map=grid(kind.own),
            mean_map_of_others=grid(kind.others),
            difference=grid(kind.own - kind.others),
        )


def _quantities(
    audit: AuditData,
    drawn: Mistaken,
    trial: RegionTest,
    attention: Sequence[float],
    kind: FailureCluster | None,
) -> Iterator[Quantity]:
    for way, one in trial.mended_when.items():
        yield Quantity(
            name=f"failures corrected by the infill {way}", value=Estimate.of(one), unit="share"
        )
    if not np.isnan(attention).any():
        names = ("in the failures", "in correctly classified images of the class")
        for name, part in zip(names, attention, strict=True):
            yield Quantity(name=f"evidence in the region, {name}", value=part, unit="share")
    called = int(_called(audit)[drawn.code])
    yield Quantity(name="failures predicted as the class", value=called, unit="count")
    if kind is not None:
        yield Quantity(name="failures in the cluster", value=len(kind.rows), unit="count")
        yield Quantity(name="clusters of their maps", value=kind.clusters, unit="count")


def _whom(called: str, kind: FailureCluster | None) -> str:
    """The failures that a claim speaks of."""
    where = "" if kind is None else f" whose evidence lies at the {kind.place}"
    return f"failures called {quoted(called)}{where}"


def _division(called: str, drawn: Mistaken, kind: FailureCluster | None) -> tuple[str, ...]:
    if kind is None:
        return ()
    return (
        (
            f"The Grad-CAMs of the failures called {quoted(called)} fall into {kind.clusters} clusters; in "
            f"one, of {drawn.total} failures, the evidence lies rather at the {kind.place}, and it was "
            "looked at by itself."
        ),
    )


def _marks(audit: AuditData, drawn: Mistaken, mended: Mask) -> list[DistinctiveValue]:
    """What marks the mended failures, among those tried and recognised images of their labels."""
    frame = audit.predictions
    label, predicted = codes(frame["label"]), codes(frame["predicted"])
    known = np.flatnonzero((predicted == label) & np.isin(label, drawn.test.label))
    rows = np.concatenate([drawn.test.rows, known])
    failure = np.arange(len(rows)) < len(drawn.test.rows)
    inside = failure.copy()
    inside[failure] = mended
    doubt = 1 - frame["confidence"].to_numpy(dtype=np.float64)[rows]
    nobody = np.zeros(len(rows), dtype=np.bool_)
    sample_split = SampleSplit(
        rows, label[rows], predicted[rows], failure, failure - doubt, search=nobody
    )
    return distinctive_values(audit, sample_split, inside)


def _statement(
    called: str,
    drawn: Mistaken,
    trial: RegionTest,
    attention: Sequence[float],
    marked: Sequence[DistinctiveValue],
) -> Iterator[str]:
    region, way = trial.place.region, trial.place.way
    yield (
        f"An intervention: in {len(drawn.test.rows)} failures called {quoted(called)}, {region.words} "
        f"({percent(region.area)} of it) was {_DONE[way]}."
    )
    yield (
        f"{_percent(trial.mended)} of them are then recognised ({interval(share(trial.mended))}); with "
        f"random other places of the same size, {_percent(trial.mended_elsewhere)}."
    )
    yield (
        "What the failures show there was put into "
        f"{len(drawn.test.hosts)} recognised images of other labels: {_percent(trial.turned)} of these "
        f"are then called {quoted(called)} ({interval(share(trial.turned))}); with what recognised "
        f"images of the failures' labels show there, {_percent(trial.turned_by_plain)}."
    )
    if not np.isnan(attention).any():
        yield (
            f"In the Grad-CAMs of {quoted(called)}, {percent(attention[0])} of the evidence lies there "
            f"in these failures, and {percent(attention[1])} in images of it that are recognised."
        )
    if marked:
        yield f"What marks those that it mends: {several([str(mark) for mark in marked], _MARKS)}."


def _percent(done: Mask) -> str:
    return percent(share(done).value)


def _skipped(reason: str) -> Examination:
    return Examination(skipped=(Skipped(check=NAME, reason=reason),))
