"""Map clusters: images with the same predicted class that are misclassified more often for some maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import Field

from auditor.checks import Check, Need
from auditor.discovery.cluster_groups import ClusterGroup, failing_group, group_stability
from auditor.discovery.sample_splitting import Mask, SampleSplit
from auditor.discovery.slice_description import (
    DistinctiveValue,
    describe,
    distinctive_values,
    named,
)
from auditor.imaging.location import evidence_shares, grid, place_of_gain
from auditor.phrasing import interval, percent, points, quoted, several, signed_points
from auditor.records import (
    AuditData,
    AuditSize,
    Claim,
    ClaimKind,
    Effect,
    Estimate,
    Examination,
    MapShift,
    Passes,
    Quantities,
    Quantity,
    Skipped,
    SliceKey,
)
from auditor.records.decisions import ONE_CLASS, TaskName
from auditor.records.predictions import codes
from auditor.registry import plugin
from auditor.statistics import Floats, Integers, Interval

NAME = "map-clusters"
_SHOWN = 12
"""Samples that are listed at most."""
_ONE_LABEL = 0.6
"""From this share of the failures on, one label makes a group a confusion of two classes."""


@plugin("check", NAME)
class MapClusters(Check):
    """Are images with one predicted class misclassified more often if the evidence is elsewhere?

    Spectral relevance analysis with a test. The Grad-CAMs of all images with one predicted class are
    clustered on a random half of them. The clusters are sorted by their error rate and cut where the
    gap is clearest. In the test half, the map alone decides which images belong to the group with the
    higher error rate. Its error rate there is compared with that of the other images with the same
    predicted class, and so is its excess: failure minus the error that the model's confidence
    implies. A model may fail on hard images at low confidence; with a shortcut it fails at high
    confidence. The larger p-value counts. A group is not reported if it changes when the search is
    repeated on parts of the maps. Where nearly all images with a predicted class are misclassified,
    there is no gap within it; the class's own error rate shows that.

    Reference:
        S. Lapuschkin et al., "Unmasking Clever Hans predictors and assessing what machines really
        learn", Nature Communications 10 (2019) 1096.
    """

    kind: ClassVar[ClaimKind] = "map"
    handles_clusters: ClassVar[bool] = True
    tasks: ClassVar[frozenset[TaskName]] = ONE_CLASS
    needs: ClassVar[frozenset[Need]] = frozenset({"model"})

    min_gap: float = Field(0.2, ge=0, le=1)
    """Smallest gap that is reported, in the error rate and in the excess: both intervals must lie
    above it. Every network has a higher error rate on some images with unusual maps."""
    min_failures: int = Field(8, ge=5)
    """Smallest number of failures with a predicted class in the search half."""
    max_classes: int = Field(5, ge=1)
    """Largest number of classes that are examined: those with the most failures predicted as them."""
    max_samples: int = Field(1000, ge=100)
    """Largest number of maps in all; of more images, a random sample."""
    min_stability: float = Field(0.6, ge=0, le=1)
    """Smallest mean overlap (Jaccard index) with the groups found on parts of the maps."""

    def passes(self, size: AuditSize) -> Passes:
        """One map of each sample that is examined."""
        number = 3.0 * min(self.max_samples, size.n_samples)
        return Passes(0.0 if size.n_failures < 2 * self.min_failures else number / 2, number)

    def examine(self, audit: AuditData) -> Examination:
        """Searches for groups on one half of the maps of each class and tests them on the other."""
        if audit.model is None:
            return Examination(skipped=(_skipped("the model is not available"),))
        drawn = self._drawn(audit)
        n_left_out = len(audit.classes) - len(drawn)
        skipped = [self._left_out(audit, n_left_out)] if n_left_out else []
        if not drawn:
            return Examination(skipped=tuple(skipped))
        predicted = codes(audit.predictions["predicted"])
        rows = np.concatenate(drawn)
        share, has_evidence = evidence_shares(audit.model.cams(rows, predicted[rows]))
        generator = np.random.default_rng(audit.seed)
        sample_split = SampleSplit.of(audit, rows[has_evidence], "predicted", generator)
        claims: list[Claim] = []
        without_group: list[str] = []
        for code in np.unique(predicted[rows]):
            claim = self._examined(audit, sample_split, share[has_evidence], int(code))
            if claim is None:
                without_group.append(quoted(audit.classes[code]))
            else:
                claims.append(claim)
        if without_group:
            names = several(without_group, len(without_group))
            skipped.append(
                _skipped(
                    f"images predicted as {names}: their maps form a single cluster, or their clusters "
                    "differ too little in the search half or have fewer than "
                    f"{audit.min_support} images in the test half"
                )
            )
        return Examination(tuple(claims), tuple(skipped))

    def _left_out(self, audit: AuditData, n: int) -> Skipped:
        return _skipped(
            f"{n} of {len(audit.classes)} classes: only the {self.max_classes} with the most failures "
            f"predicted as them are examined, and {2 * audit.min_support} images with this predicted "
            f"class and {2 * self.min_failures} failures among them are needed"
        )

    def _drawn(self, audit: AuditData) -> list[Integers]:
        """Draws random images with each of the predicted classes that most failures have.

        Which classes these are depends on how many of their images are misclassified, but not on
        which: under the null hypothesis, that is independent of the maps.
        """
        predicted = codes(audit.predictions["predicted"])
        failure = audit.predictions["failure"].to_numpy(dtype=np.bool_)
        n_failures = np.bincount(predicted[failure], minlength=len(audit.classes))
        n_images = np.bincount(predicted, minlength=len(audit.classes))
        enough = (n_images >= 2 * audit.min_support) & (n_failures >= 2 * self.min_failures)
        order = np.argsort(-n_failures, kind="stable")
        chosen = order[enough[order]][: self.max_classes]
        generator = np.random.default_rng(audit.seed)
        budget = self.max_samples
        drawn: list[Integers] = []
        # The smallest first: what they do not use of their share goes to the larger ones.
        for place, code in enumerate(chosen[np.argsort(n_images[chosen], kind="stable")]):
            rows = generator.permutation(np.flatnonzero(predicted == code))
            rows = rows[: budget // (len(chosen) - place)]
            budget -= len(rows)
            drawn.append(rows)
        return drawn

    def _examined(
        self, audit: AuditData, sample_split: SampleSplit, share: Floats, code: int
    ) -> Claim | None:
        """Tests the group of a class with the higher error rate; None if there is none to test."""
        of_class = sample_split.predicted == code
        search = np.flatnonzero(of_class & sample_split.search)
        test = np.flatnonzero(of_class & sample_split.test)
        if int(sample_split.failure[search].sum()) < self.min_failures:
            return None
        group = failing_group(
            share[search], sample_split.failure[search], audit.min_support, audit.seed
        )
        if group is None:
            return None
        inside = np.zeros(len(of_class), dtype=np.bool_)
        inside[test] = group.contains(share[test])
        if not audit.min_support <= int(inside.sum()) < len(test):
            return None
        return self._claim(_tested(audit, sample_split, share, group, inside), audit)

    def _claim(self, tested: _TestedGroup, audit: AuditData) -> Claim:
        large = tested.gap.low > self.min_gap and tested.excess.low > self.min_gap
        # Repeating the search takes longer than everything else and matters only for what is reported.
        stability = tested.stability(audit) if large else None
        effect = Effect.measured("error-rate gap of a cluster of maps", tested.gap, "points")
        name, place = quoted(tested.predicted), tested.place
        # What misleads a model draws images of many classes; those of one class may just be similar.
        label = tested.main_label(audit)
        mostly = "" if label is None else f" (mostly labelled {quoted(label)})"
        typical = audit.predictions.iloc[tested.typical_rows]
        return Claim(
            check=NAME,
            kind=self.kind,
            title=f"Predicted as {name} with the evidence at the {place}: {percent(tested.rate)} are "
            f"misclassified{mostly}, others {percent(tested.rest)}",
            slice=SliceKey(predicted=tested.predicted),
            effect=effect if stability is not None and stability >= self.min_stability else None,
            limit=self.min_gap,
            p_value=tested.p_value,
            support=int(tested.inside.sum()),
            samples=tuple(typical["sample"].astype(str)[typical["failure"]][:_SHOWN]),
            statement=_statement(tested, stability),
            action=f"Look at what these images show at the {place}. If it does not belong to {name}, "
            "add it as an attribute and audit again: then it can be tested by name.",
            limits="It shows that images with such maps are misclassified more often, not that what "
            "they show at that place misleads the model: two similar classes may have such maps as well.",
            evidence=(
                _quantities(tested, stability),
                *describe(tested.distinctive, typical.head(_SHOWN)),
                MapShift(
                    place=place,
                    mean_map=grid(tested.mean_map),
                    mean_map_of_others=grid(tested.mean_map_of_others),
                    difference=grid(tested.mean_map - tested.mean_map_of_others),
                ),
            ),
            weight=max(0.0, tested.gap.value) * int(tested.inside.sum()),
            # As long as it is unknown what these images show there, they are to be examined but do
            # not block the gate.
            ceiling="warning" if label is None else "note",
            explained_by=tuple(one.name for one in tested.distinctive if one.explains),
            accounts_for=frozenset(tested.failures.tolist()),
        )


@dataclass(frozen=True)
class _TestedGroup:
    """A group of map clusters in the test half, against the other images with the predicted class.

    Attributes:
        predicted: name of the predicted class.
        sample_split: all samples, n.
        share: (n, h, w) their maps.
        group: the clusters.
        inside: (n,) members of the group, in the test half.
        gap: gap in the error rate.
        excess: gap in the excess.
        p_value: the larger one of both tests.
        distinctive: attribute values that are frequent in it.
    """

    predicted: str
    sample_split: SampleSplit
    share: Floats
    group: ClusterGroup
    inside: Mask
    gap: Interval
    excess: Interval
    p_value: float
    distinctive: list[DistinctiveValue]

    @property
    def of_class(self) -> Mask:
        """Whether a sample has the predicted class, (n,)."""
        predicted = self.sample_split.predicted
        return np.asarray(predicted == predicted[self.inside][0], dtype=np.bool_)

    @property
    def others(self) -> Mask:
        """The other samples of the test half with the predicted class, (n,)."""
        return self.of_class & self.sample_split.test & ~self.inside

    @property
    def rate(self) -> float:
        """Error rate of the group."""
        return float(self.sample_split.failure[self.inside].mean())

    @property
    def rest(self) -> float:
        """Error rate of the others."""
        return float(self.sample_split.failure[self.others].mean())

    @property
    def mean_map(self) -> Floats:
        """Mean of the group's maps, (h, w)."""
        return np.asarray(self.share[self.inside].mean(0), dtype=np.float64)

    @property
    def mean_map_of_others(self) -> Floats:
        """Mean of the others' maps, (h, w)."""
        return np.asarray(self.share[self.others].mean(0), dtype=np.float64)

    @property
    def place(self) -> str:
        """Where the group has more of the evidence than the others, in words."""
        return place_of_gain(self.mean_map - self.mean_map_of_others)

    @property
    def typical_rows(self) -> Integers:
        """Positions in ``AuditData.predictions`` of its members, the nearest to a centre first."""
        members = np.flatnonzero(self.inside)
        distance = self.group.distance(self.share[members])
        return self.sample_split.rows[members[np.argsort(distance, kind="stable")]]

    @property
    def failures(self) -> Integers:
        """Positions in ``AuditData.predictions`` of all failures with such maps, of both halves."""
        failing = np.flatnonzero(self.of_class & self.sample_split.failure)
        return self.sample_split.rows[failing[self.group.contains(self.share[failing])]]

    def stability(self, audit: AuditData) -> float:
        """Mean overlap of the group with those found on parts of the search half."""
        return group_stability(
            self.sample_split, self.share, self.inside, audit.min_support, audit.seed
        )

    def main_label(self, audit: AuditData) -> str | None:
        """The label of most of its failures; None if there is none, or with only two classes."""
        rows = self.sample_split.rows[self.inside & self.sample_split.failure]
        if len(audit.classes) == 2 or not len(rows):
            return None
        counts = audit.predictions["label"].iloc[rows].value_counts()
        return str(counts.index[0]) if counts.iloc[0] >= _ONE_LABEL * len(rows) else None


def _tested(
    audit: AuditData, sample_split: SampleSplit, share: Floats, group: ClusterGroup, inside: Mask
) -> _TestedGroup:
    gaps = sample_split.gap(inside, sample_split.predicted)
    excess = sample_split.excess_gap(inside, sample_split.predicted)
    p_value = max(float(gaps.p_value[0]), excess.p_value)
    distinctive = distinctive_values(audit, sample_split, inside, "predicted")
    return _TestedGroup(
        predicted=audit.classes[int(sample_split.predicted[inside][0])],
        sample_split=sample_split,
        share=share,
        group=group,
        inside=inside,
        gap=gaps.gap[0],
        excess=excess.gap,
        p_value=p_value if np.isfinite(p_value) else 1.0,
        distinctive=[one for one in distinctive if one.name != "label"],
    )


def _statement(tested: _TestedGroup, stability: float | None) -> tuple[str, ...]:
    name, n_inside = quoted(tested.predicted), int(tested.inside.sum())
    sentences = [
        (
            f"Found on one half of the Grad-CAMs of images predicted as {name} and tested on the other: "
            f"of {n_inside + int(tested.others.sum())} images, {n_inside} have maps in the clusters with "
            f"the evidence at the {tested.place}."
        ),
        (
            f"{percent(tested.rate)} of these are misclassified, and {percent(tested.rest)} of the "
            f"others: a gap of {points(tested.gap.value)} ({interval(tested.gap, ' points')}), and of "
            f"{signed_points(tested.excess.value)} beyond what the model's confidence implies."
        ),
    ]
    shown = named(tested.distinctive)
    if shown:
        values = several([str(one) for one in shown[:2]])
        sentences.append(f"What distinguishes these images: {values}.")
    if stability is not None:
        sentences.append(
            f"When the search is repeated on parts of the maps, {percent(stability)} of the group stays "
            "the same."
        )
    return tuple(sentences)


def _quantities(tested: _TestedGroup, stability: float | None) -> Quantities:
    excess = Estimate.of(tested.excess)
    items = [
        Quantity(name="error rate", value=tested.rate, unit="share"),
        Quantity(name="error rate of the others", value=tested.rest, unit="share"),
        Quantity(name="gap beyond what the confidence implies", value=excess, unit="points"),
        Quantity(name="stability", value=stability, unit="share"),
        Quantity(name="clusters", value=tested.group.clusters.count, unit="count"),
        Quantity(name="clusters in the group", value=len(tested.group.chosen), unit="count"),
    ]
    return Quantities(items=tuple(items))


def _skipped(reason: str) -> Skipped:
    return Skipped(check=NAME, reason=reason)
