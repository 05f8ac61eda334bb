"""Region results: a tested region as sentences and as evidence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from auditor.discovery.failure_clusters import FailureCluster
from auditor.discovery.slice_description import DistinctiveValue, named, tables_of
from auditor.imaging.location import grid
from auditor.interventions.class_failures import ClassFailures
from auditor.interventions.infill import InfillMethod
from auditor.interventions.region_effects import FILLED, Mask, RegionTest, share_of
from auditor.interventions.staged_test import stopped_sentence
from auditor.phrasing import class_name, interval, percent, plural, quoted, several
from auditor.records import (
    Estimate,
    EvidencePart,
    Intervention,
    InterventionEffect,
    InterventionExample,
    MapShift,
    Quantities,
    Quantity,
)

_MAX_VALUES = 2
"""Distinctive attribute values that the text names at most."""


@dataclass(frozen=True)
class RegionResult:
    """What is known of a region, for the texts and the evidence of a claim.

    Attributes:
        predicted: the predicted class.
        failures: the failures that were examined.
        n_failures: number of all failures with the predicted class.
        test: the test of the region.
        cluster: the cluster that the failures belong to; None for all failures of the class.
        evidence_in_region: mean share of the evidence for the class in the region, in the failures and
            in correctly classified images of the class; None if there is no evidence.
        values: attribute values that distinguish the corrected failures.
        examples: failures before and after the region was masked.
        corrected_by_infill: (n,) whether each tested failure is corrected, by each way to fill the
            region; empty where only the one of the test was tried.
    """

    predicted: str
    failures: ClassFailures
    n_failures: int
    test: RegionTest
    cluster: FailureCluster | None
    evidence_in_region: tuple[float, float] | None
    values: tuple[DistinctiveValue, ...]
    examples: tuple[InterventionExample, ...] = ()
    corrected_by_infill: Mapping[InfillMethod, Mask] = field(default_factory=dict)

    def title(self) -> str:
        """The claim in one sentence."""
        test = self.test
        where = "" if self.cluster is None else f" whose evidence lies at the {self.cluster.place}"
        return (
            f"Masking {test.masked.region.description} corrects {_percent(test.corrected)} of failures "
            f"predicted as {quoted(self.predicted)}{where}; elsewhere, {_percent(test.corrected_by_control)}"
        )

    def sentences(self) -> Iterator[str]:
        """What was done and observed, one sentence each."""
        test, predicted, cluster = self.test, quoted(self.predicted), self.cluster
        region = test.masked.region
        if cluster is not None:
            yield (
                f"The Grad-CAMs of the failures predicted as {predicted} fall into "
                f"{plural(cluster.n_clusters, 'cluster')}. One of them, with {self.failures.total} "
                "failures and more of the evidence at "
                f"the {cluster.place}, was examined alone."
            )
        yield (
            f"An intervention: in {plural(len(test.corrected), 'failure')} predicted as {predicted}, "
            f"{region.description} ({percent(region.area)} of its area) was {FILLED[test.masked.method]}."
        )
        yield (
            f"This corrects {_percent(test.corrected)} of them ({interval(share_of(test.corrected))}); "
            "masking random other places of the same size corrects "
            f"{_percent(test.corrected_by_control)}."
        )
        yield (
            f"With the failures' content of this region, {_percent(test.flipped)} of "
            f"{len(test.flipped)} correctly classified images of other labels are predicted as "
            f"{predicted} ({interval(share_of(test.flipped))}); with the content of correctly classified "
            f"images of the failures' labels, {_percent(test.flipped_by_control)}."
        )
        if self.evidence_in_region is not None:
            in_failures, in_class = (percent(one) for one in self.evidence_in_region)
            yield (
                f"In the Grad-CAMs of {predicted}, {in_failures} of the evidence lies in this region in "
                f"these failures, and {in_class} in correctly classified images of {predicted}."
            )
        shown = named(self.values)
        if shown:
            names = several([str(one) for one in shown], _MAX_VALUES)
            yield f"Attribute values that distinguish the corrected failures: {names}."
        yield from stopped_sentence(len(test.corrected), test.n_planned)

    def evidence(self) -> Iterator[EvidencePart]:
        """The intervention, further numbers, the distinctive values, and the maps of the cluster."""
        test, cluster = self.test, self.cluster
        yield Intervention(
            method="cover-region",
            variant=test.masked.method,
            region=test.masked.region.box(),
            effects=(
                InterventionEffect(
                    name="failures corrected when the region is masked",
                    value=Estimate.of(share_of(test.corrected)),
                    control=Estimate.of(share_of(test.corrected_by_control)),
                    control_name="at other places of the same size",
                    unit="share",
                ),
                InterventionEffect(
                    name=f"images of other labels flipped to {class_name(self.predicted)} by the "
                    "failures' content",
                    value=Estimate.of(share_of(test.flipped)),
                    control=Estimate.of(share_of(test.flipped_by_control)),
                    control_name="by the content of correctly classified images",
                    unit="share",
                ),
            ),
            flipped_to=self.predicted,
            examples=self.examples,
        )
        yield Quantities(items=tuple(self._quantities()))
        yield from tables_of(self.values)
        if cluster is not None:
            yield MapShift(
                place=cluster.place,
                mean_map=grid(cluster.mean_map),
                mean_map_of_others=grid(cluster.mean_map_of_others),
                difference=grid(cluster.mean_map - cluster.mean_map_of_others),
            )

    def _quantities(self) -> Iterator[Quantity]:
        for method, corrected in self.corrected_by_infill.items():
            name = f"failures corrected with the infill {method}"
            yield Quantity(name=name, value=Estimate.of(share_of(corrected)), unit="share")
        if self.evidence_in_region is not None:
            images = ("failures", "correctly classified images of the class")
            for noun, value in zip(images, self.evidence_in_region, strict=True):
                yield Quantity(name=f"evidence in the region, in {noun}", value=value, unit="share")
        yield Quantity(
            name="failures with the predicted class", value=self.n_failures, unit="count"
        )
        if self.cluster is not None:
            size, clusters = len(self.cluster.rows), self.cluster.n_clusters
            yield Quantity(name="failures in the cluster", value=size, unit="count")
            yield Quantity(name="clusters of maps", value=clusters, unit="count")


def _percent(mask: Mask) -> str:
    return percent(share_of(mask).value)
