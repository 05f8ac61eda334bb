"""What was explained, how, and how far the maps can be trusted."""

from __future__ import annotations

from typing import Literal

from auditor.records.base import Estimate, Record, SliceKey

Role = Literal["predicted", "label"]


class MapRecord(Record):
    """One explained sample and target; the images lie in ``explanations/``."""

    sample: str
    target: str
    role: Role
    map: str
    """``file#row`` below the run folder: the unnormalised Grad-CAM and both overlays."""
    image: str
    """``file#row`` below the run folder: the image as the network saw it."""
    mass: float
    """Sum of the unnormalised Grad-CAM over its positions."""


class PreflightRecord(Record):
    """Whether guided backpropagation is defined for this network."""

    status: Literal["valid", "partial", "undefined"]
    reason: str


class MeanMap(Record):
    """The mean Grad-CAM of an attribute value within a class."""

    attribute: str
    value: str
    label: str
    n: int
    map: str
    """``file#row`` below the run folder."""


class PanelRecord(Record):
    """One sample whose maps are shown beside an edge detector's, which sees no model at all."""

    sample: str
    gradient: str
    """The detail method shown: ``guided-backprop``, or ``gradient`` where that is undefined."""
    panel: str
    """``file#row`` below the run folder."""


class UnitRecord(Record):
    """A channel of the target layer that carries much of the evidence behind a finding."""

    finding: str
    channel: int
    share: float
    """Its part of the positive evidence for the predicted classes of the finding's samples."""
    images: list[str]
    """``file#row`` of the audited images that excite it most, the strongest first."""


class LocalisationRecord(Record):
    """Whether the label's maps lie on the object, where boxes or masks locate it."""

    n_samples: float
    """Number of samples with an object in the image."""
    pointing_game: float | None = None
    """Share of the samples whose map has its highest point on the object; None without samples."""
    object_share: float | None = None
    """Share of the image that the object covers."""
    box_found: float | None = None
    """Share of the samples in which a box around the map's brightest part matches the object's."""
    mass_inside: float | None = None
    """Share of the map that lies on the object."""


MapTestName = Literal["deletion", "insertion", "occlusion", "randomization", "edges"]


class MapTestRecord(Record):
    """A test of the maps with its pass mark, see `auditor.map_metrics.pass_marks`."""

    test: MapTestName
    explainer: Literal["grad-cam", "guided-backprop"]
    """Whose maps were tested."""
    n_samples: int
    """Number of samples with a result."""
    value: Estimate
    """Deletion and insertion: mean difference from a random order, more is better, −1 to 1. The other
    tests: mean rank correlation, −1 to 1."""
    mark: float
    """The pass mark: ``randomization`` and ``edges`` must not be above it, the others must be."""
    passed: bool
    """Whether the whole interval is on the right side of the mark."""
    map_area: float | None = None
    """Deletion and insertion: mean probability of the class in the order of the map."""
    random_area: float | None = None
    """The same in random order."""


SanityRecord = dict[str, float | LocalisationRecord | None]
"""Measures of the maps by name, and ``localisation``."""


class MatchedImageRecord(Record):
    """An image that a finding about the data shows beside others, such as a copy."""

    sample: str
    """Its id; of the training data, its row, such as ``row 17``."""
    source: Literal["audited", "reference"]
    path: str
    """Its file; empty where it has none."""
    image: str
    """``file#row`` below the run folder."""


class SheetImage(Record):
    """An image of a contact sheet."""

    sample: str
    label: str
    predicted: str
    failure: bool
    image: str
    """``file#row`` below the run folder."""


class ContactSheet(Record):
    """Samples of a slice of a finding, drawn at random: failures and correctly classified ones."""

    slice: SliceKey
    n_failures: int
    """Failures in the slice."""
    n_correct: int
    """Correctly classified samples in the slice."""
    images: list[SheetImage]
    """The failures first."""


class EmbeddedFailure(Record):
    """Place of a failure on the map of failures."""

    sample: str
    x: float
    y: float
    slice: int | None = None
    """Position in `FailureMap.slices` of the first slice that holds it; None if none does."""


class FailureMap(Record):
    """The failures on a plane: images that the model sees as similar are close to each other."""

    method: Literal["pca"]
    n_failures: int
    """Number of all failures, of which `points` are a random sample where there are very many."""
    explained: float
    """Share of the variance of the features on the plane, 0 to 1."""
    slices: list[SliceKey] = []
    """Slices of findings, those of the most severe ones first."""
    points: list[EmbeddedFailure]


class ExplanationsRecord(Record):
    """What was explained, how, and how far the maps can be trusted."""

    explainer: str
    """The detail view: ``guided-grad-cam``, ``gradient`` where that is undefined, or what was asked for."""
    preflight: PreflightRecord
    sanity: SanityRecord = {}
    """Measures without a pass mark; in older results, all of them."""
    map_tests: list[MapTestRecord] = []
    """Empty in older results, and where no map could be tested."""
    failures: list[MapRecord] = []
    contrasts: list[MapRecord] = []
    """Correctly classified samples of the same slices, for comparison."""
    means: list[MeanMap] = []
    panels: list[PanelRecord] = []
    units: list[UnitRecord] = []
    matches: list[MatchedImageRecord] = []
    """Images of the groups in findings about the data."""
    sheets: list[ContactSheet] = []
    """Contact sheets of the slices of findings."""
    failure_map: FailureMap | None = None
    """None in older results, and where there are too few failures."""
