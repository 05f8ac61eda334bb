"""The evidence behind a claim, as typed parts: the report shows each by its type.

A check returns any number of parts. Evidence without a specific type goes into ``Quantities`` (numbers
with their units) or ``Table``, which every report can show.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from auditor.records.base import Estimate, Record, Unit

Grid = tuple[tuple[float, ...], ...]
"""A small map as rows of numbers."""

HeldFixedState = Literal["explains", "reverses", "inseparable", "weakens", "remains", "undecided"]
"""Conclusion about a gap with other attributes held fixed. ``explains``: the remaining gap is shown to be
negligible, by an interval within the limit. A remaining gap that is not significant is not enough."""


class SliceComparison(Record):
    """Error rate of a slice against that of the rest of the same labels.

    The judge copies it into the record of the slice.
    """

    type: Literal["slice-comparison"] = "slice-comparison"
    error_rate: Estimate | None
    rest_error_rate: float | None = None
    """Of the rest, with labels in the proportion of the slice; a share, 0 to 1."""
    gap: Estimate | None = None
    """None if it could not be tested."""
    ratio: Estimate | None = None
    """Error rate as a multiple of that of the rest, up to 1000; None if the rest has no failure."""
    detectable_gap: float | None = None
    """Smallest gap that would have been found in 80 % of audits with this support (a share)."""
    excluded_gap: float | None = None
    """Gaps of this size and above are excluded by the 95 % interval (a share); None where not tested. Where
    the severity follows the gap with other attributes held fixed, of that gap."""
    most_predicted: str | None = None
    """The class that most failures of the slice are predicted as."""


class ComparedValue(Record):
    """One value of an attribute, compared with another one."""

    value: str
    support: int
    error_rate: Estimate | None
    gap: Estimate | None
    """Error rate minus that of the value with which it is compared, within labels; the intervals of all
    values hold jointly. None for that value itself, and if no label has samples of both."""
    compared_with: str | None


class ValueSpread(Record):
    """Spread of the error rates of the values of an attribute, within labels.

    The intervals account for all pairs of values.
    """

    type: Literal["value-spread"] = "value-spread"
    attribute: str
    compared_with: Literal["best", "reference"]
    values: tuple[ComparedValue, ...]
    largest_difference: Estimate
    """Largest difference of two error rates (a share)."""
    smallest_ratio: Estimate | None
    """Smallest ratio of two error rates, 0 to 1; None if there are no failures."""
    smallest_accuracy_ratio: Estimate | None
    """Smallest ratio of two accuracies, 0 to 1: the four-fifths rule requires 0.8."""
    furthest_apart: tuple[str, str]
    """The value with the largest error rate and the one with the smallest."""


class IntersectionContrast(Record):
    """Two or three attribute values together, against fewer of them, and against the sum of these."""

    type: Literal["intersection-contrast"] = "intersection-contrast"
    against_each: dict[str, Estimate]
    """Gap to the other samples with the same value of that attribute; of three values, with the same values
    of two attributes, such as ``site and age``."""
    beyond_sum: Estimate
    """Error rate beyond the sum of what both values add; of three values, of what values and pairs add."""


class HeldFixedGap(Record):
    """A gap with one other attribute held fixed."""

    attribute: str
    gap: Estimate | None
    """The remaining gap; None if nothing can be compared."""
    p_value: float | None
    state: HeldFixedState
    effective_samples: int
    """Number of samples, half of them in the slice, that would carry as much information."""


class MediatedPart(Record):
    """The part of a gap that goes through one attribute, which is declared as a mediator."""

    attribute: str
    part: Estimate


class HeldFixed(Record):
    """The gap that remains when other attributes are held fixed."""

    type: Literal["held-fixed"] = "held-fixed"
    gaps: tuple[HeldFixedGap, ...]
    """One attribute at a time, by strata."""
    jointly: Estimate | None = None
    """With several attributes held fixed jointly, by a regression; None if it was not computed."""
    held: tuple[str, ...] = ()
    """The attributes that are held fixed jointly."""
    state: HeldFixedState | None = None
    """Conclusion about the gap with them held fixed; None if it was not computed."""
    through: tuple[str, ...] = ()
    """Those of them that are shown to account for a part of the gap, the largest part first."""
    mediated: tuple[MediatedPart, ...] = ()
    """The parts that go through attributes declared as mediators."""
    not_mediated: Estimate | None = None
    """The remaining gap without these parts."""
    sentences: tuple[str, ...] = ()
    """The same in words, for documents without the table."""


class RegionBox(Record):
    """A rectangle of the image, or all that lies outside of it."""

    place: str
    """In words, such as ``upper left corner``."""
    box: tuple[float, float, float, float]
    """Left, upper, right and lower edge as shares of the image's width and height, 0 to 1."""
    outside: bool = False
    """Whether the region is what lies outside of the box."""


class InterventionEffect(Record):
    """What an intervention changed, beside a control intervention."""

    name: str
    """What was counted, such as ``failures corrected``."""
    value: Estimate
    control: Estimate
    control_name: str
    """What the control did, such as ``at other places of the same size``."""
    unit: Unit


class ImagePrediction(Record):
    """What the model predicts for an image, before or after it was changed."""

    how: str = ""
    """How the image was changed, in words; empty where it was not."""
    donor: str | None = None
    """The sample whose content or style it was given; None without a donor."""
    predicted: str
    confidence: float
    """Probability of the predicted class, 0 to 1."""
    label_probability: float
    """Probability of the label, 0 to 1."""
    image: str = ""
    """``file#row`` below the run folder."""


ExampleRank = Literal["largest", "upper quartile", "median", "lower quartile", "smallest"]


class InterventionExample(Record):
    """One image before and after an intervention."""

    sample: str
    label: str
    rank: ExampleRank
    """Its place among all tested images, ordered by `change`, the largest first."""
    change: float
    """Change of the label's probability as the intervention is meant to show it: the probability that
    the label loses with the content of the side with more errors instead of the other side's, or that it
    gains when a region is masked; -1 to 1."""
    before: ImagePrediction
    after: tuple[ImagePrediction, ...]


class Intervention(Record):
    """Images were changed in one respect, and the predictions compared."""

    type: Literal["intervention"] = "intervention"
    method: Literal["swap-region", "cover-region", "transfer-style"]
    variant: str | None = None
    """How, where the method has variants: the infill of a region, or the style transferred."""
    region: RegionBox | None = None
    """What was changed; None where it was the image as a whole."""
    effects: tuple[InterventionEffect, ...]
    flipped_to: str | None = None
    """The class that most flipped predictions went to."""
    examples: tuple[InterventionExample, ...] = ()
    """Images at fixed ranks of the effect, the largest first; empty in results of versions without them."""


class MapShift(Record):
    """Mean attribution maps of a slice and of the others, as shares of the evidence."""

    type: Literal["map-shift"] = "map-shift"
    place: str | None
    """In words where the slice has more of the evidence."""
    mean_map: Grid
    mean_map_of_others: Grid
    difference: Grid


class ImageDifference(Record):
    """How the mean image of a slice differs in brightness from that of the others."""

    type: Literal["image-difference"] = "image-difference"
    description: str
    """Where the difference is largest, such as ``brighter at the lower right corner``."""
    brightness: Grid
    """Standardised differences of the means (in standard deviations), place by place."""


class Contingency(Record):
    """Counts of label by attribute value."""

    type: Literal["contingency"] = "contingency"
    source: Literal["audited", "reference"]
    attribute: str
    labels: tuple[str, ...]
    values: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    """One row per label, one column per value."""


class SampleRef(Record):
    """A sample of the audited data, or of the training data."""

    sample: str
    """Its id; of the training data, its row, such as ``row 17``."""
    label: str | None
    """None where it is not known."""
    source: Literal["audited", "reference"] = "audited"


class SampleGroup(Record):
    """Samples that belong together, such as copies of one image."""

    members: tuple[SampleRef, ...]
    note: str = ""
    """How they match, in words."""

    @property
    def has_different_labels(self) -> bool:
        """Whether two members have known labels that differ."""
        return len({one.label for one in self.members if one.label is not None}) > 1


class SampleGroups(Record):
    """Groups of samples, such as near-duplicates or matches in the training data."""

    type: Literal["sample-groups"] = "sample-groups"
    title: str
    groups: tuple[SampleGroup, ...]


class CurvePoint(Record):
    """A point of a curve."""

    name: str
    """Name of the band or value."""
    x: float
    """Mean of the numbers in a band, or position of a value."""
    y: Estimate
    fitted: float | None = None
    """Fitted value, such as that of a straight line."""
    support: int


class SmoothPoint(Record):
    """A point of a smooth curve, with its pointwise interval."""

    x: float
    y: Estimate


class Curve(Record):
    """A quantity along an ordered attribute."""

    type: Literal["curve"] = "curve"
    title: str
    x_name: str
    """Name of the attribute."""
    x_is_position: bool
    """Whether `x` is only a position, so that the axis shows the names of the points."""
    y_name: str
    """Name of the quantity, such as ``error rate``."""
    y_unit: Unit
    points: tuple[CurvePoint, ...]
    smooth: tuple[SmoothPoint, ...] = ()
    """A smooth fit over the numbers; empty for values without numbers, or with too few failures."""


class Quantity(Record):
    """A number with its unit, and its interval where it has one."""

    name: str
    value: float | Estimate | None
    unit: Unit


class Quantities(Record):
    """Further numbers behind a claim."""

    type: Literal["quantities"] = "quantities"
    items: tuple[Quantity, ...]


class MetricComparison(Record):
    """A metric of a slice beside that of the rest."""

    type: Literal["metric-comparison"] = "metric-comparison"
    metric: str
    """Its name, such as ``balanced-accuracy``."""
    class_name: str | None
    """The class that it is about; None for a metric of all classes or labels together."""
    unit: Unit
    own: Estimate
    rest: Estimate


class Table(Record):
    """A table of texts and numbers."""

    type: Literal["table"] = "table"
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | float | None, ...], ...]
    units: tuple[Unit | None, ...] = ()
    """Of the numbers in each column; empty: plain numbers."""


EvidencePart = Annotated[
    SliceComparison
    | ValueSpread
    | IntersectionContrast
    | HeldFixed
    | Intervention
    | MapShift
    | ImageDifference
    | Contingency
    | SampleGroups
    | Curve
    | Quantities
    | MetricComparison
    | Table,
    Field(discriminator="type"),
]
