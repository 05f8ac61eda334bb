"""Samples as a report shows them: the image, its maps, and where their evidence lies in words."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from auditor.imaging.location import EvidenceLocation, locate_evidence
from auditor.phrasing import any_value
from auditor.records import MISSING, AuditResult, Finding, MapRecord, Role, Verdict
from auditor.report.view.map_files import MapFiles, cam_of
from auditor.report.view.probabilities import Probabilities

_NOT_COMPUTED = EvidenceLocation(0.0, "", "was not computed")
"""Of a sample without a map."""


@dataclass(frozen=True)
class MapView:
    """One explained target of a sample.

    Attributes:
        target: the class explained.
        role: whether it is the predicted class or the label.
        reference: ``file#row`` of its images.
        mass: sum of the unnormalised Grad-CAM.
        location: where its evidence lies.
        negated: whether the class has no output, so that the negated one of its opposite is explained.
    """

    target: str
    role: Role
    reference: str
    mass: float
    location: EvidenceLocation
    negated: bool = False

    @property
    def empty(self) -> bool:
        """Whether no part of the image supports the class, so that there is nothing to draw."""
        return self.mass <= 0

    @property
    def remark(self) -> str:
        """Addition to the role in captions."""
        return ", negated output" if self.negated else ""


@dataclass(frozen=True)
class SampleCard:
    """One sample with its image and maps.

    Attributes:
        anchor: its address in the document; it depends on the sample's id only.
        sample: its id.
        path: its file.
        label: its class.
        predicted: the predicted class.
        confidence: softmax probability of the predicted class, 0 to 1.
        loss: cross-entropy.
        probabilities: the classes with the largest ones; empty where they are not stored by class.
        attributes: names and values, in the order of the data.
        image: reference of the image as the network saw it.
        maps: its maps by role.
        findings: anchors of the findings that name it.
        verdicts: their verdicts, each once.
        failure: whether it is misclassified.
        fault: why the failure may be the data's fault; empty where nothing suggests it.
    """

    anchor: str
    sample: str
    path: str
    label: str
    predicted: str
    confidence: float
    loss: float
    probabilities: Probabilities
    attributes: tuple[tuple[str, str], ...]
    image: str
    maps: tuple[MapView, ...]
    findings: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    failure: bool
    fault: str

    def map(self, role: Role) -> MapView | None:
        """The map of that role; None where it was not explained."""
        return next((one for one in self.maps if one.role == role), None)


@dataclass(frozen=True)
class MeanView:
    """The mean Grad-CAM of an attribute value within a class."""

    attribute: str
    value: str
    label: str
    n: int
    reference: str
    location: EvidenceLocation


@dataclass(frozen=True)
class SampleSources:
    """What is known of the explained samples.

    Attributes:
        samples: rows of ``predictions.parquet`` by sample.
        probabilities: the largest ones by sample.
        attributes: names of the attributes.
        findings: those that name a sample, the most severe first.
        negated: classes without an output.
    """

    samples: pd.DataFrame
    probabilities: Mapping[str, Probabilities]
    attributes: tuple[str, ...]
    findings: Mapping[str, list[Finding]]
    negated: Collection[str] = ()


def read_sample_cards(
    files: MapFiles,
    records: Sequence[MapRecord],
    sources: SampleSources,
    faults: Mapping[str, str],
) -> list[SampleCard]:
    """Samples with their maps, in the order of the records.

    Args:
        files: of the run folder.
        records: their maps.
        sources: what is known of the samples.
        faults: why the failure of a sample may be the data's fault.
    """
    attributes, findings, negated = sources.attributes, sources.findings, sources.negated
    by_sample: dict[str, list[MapRecord]] = defaultdict(list)
    for record in records:
        by_sample[record.sample].append(record)
    cams = files.rows((record.map for record in records), ("cam", "cam_height", "cam_width"))
    rows: dict[Hashable, dict[Hashable, Any]] = sources.samples.loc[list(by_sample)].to_dict(
        "index"
    )
    cards = []
    for sample, maps in by_sample.items():
        row = rows[sample]
        cards.append(
            SampleCard(
                anchor=anchor("sample", sample),
                sample=sample,
                path=str(row["path"]),
                label=str(row["label"]),
                predicted=str(row["predicted"]),
                confidence=float(row["confidence"]),
                loss=float(row["loss"]),
                probabilities=sources.probabilities.get(sample, ()),
                attributes=tuple((name, _value(row[name])) for name in attributes),
                image=maps[0].image,
                maps=tuple(
                    MapView(
                        one.target,
                        one.role,
                        one.map,
                        one.mass,
                        _location(cams[one.map]),
                        one.target in negated,
                    )
                    for one in maps
                ),
                findings=tuple(anchor("finding", one.id) for one in findings.get(sample, ())),
                verdicts=tuple(sorted({one.verdict for one in findings.get(sample, ())})),
                failure=row["label"] != row["predicted"],
                fault=faults.get(sample, ""),
            )
        )
    return cards


def read_means(files: MapFiles, result: AuditResult) -> tuple[MeanView, ...]:
    """The mean maps of the run."""
    records = result.explanations.means
    rows = files.rows((one.map for one in records), ("cam", "cam_height", "cam_width"))
    return tuple(
        MeanView(one.attribute, one.value, one.label, one.n, one.map, _location(rows[one.map]))
        for one in records
    )


def _location(row: Mapping[str, Any]) -> EvidenceLocation:
    cam = cam_of(row)
    return _NOT_COMPUTED if cam is None else locate_evidence(cam)


def anchor(kind: str, name: str) -> str:
    """An address that depends on the name only, safe in a URL and in HTML."""
    return f"{kind}-{hashlib.sha256(name.encode()).hexdigest()[:10]}"


def _value(cell: Any) -> str:
    return MISSING if pd.isna(cell) else any_value(cell)
