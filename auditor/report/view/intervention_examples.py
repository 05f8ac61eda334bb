"""Images before and after an intervention, with what the model predicts for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from auditor.phrasing import count, percent, sentence_start, signed_points
from auditor.records import ImagePrediction, Intervention, InterventionExample

_EFFECTS: Mapping[str, str] = {
    "swap-region": "how much lower the label’s probability is with the region of the side that has the "
    "higher error rate for that label, instead of the other side’s",
    "cover-region": "how much masking the region raises the label’s probability",
    "transfer-style": "how much lower the label’s probability is with the style of the side that has the "
    "higher error rate for that label, instead of the other side’s",
}
"""What an example's effect is, by method."""


@dataclass(frozen=True)
class ExampleImage:
    """An image of an example, and what the model predicts for it.

    Attributes:
        image: its reference.
        title: how it was changed; ``Original`` for the unchanged image.
        changed: whether it was changed.
        correct: whether the predicted class is the label.
        predicted: the predicted class.
        confidence: its probability as text.
        label_probability: the label's probability as text.
        alt: alternative text.
    """

    image: str
    title: str
    changed: bool
    correct: bool
    predicted: str
    confidence: str
    label_probability: str
    alt: str


@dataclass(frozen=True)
class ExampleView:
    """One image before and after an intervention.

    Attributes:
        rank: its place among the tested images, such as ``Median effect``.
        effect: in points.
        sample: its id.
        label: its label.
        images: unchanged first.
    """

    rank: str
    effect: str
    sample: str
    label: str
    images: tuple[ExampleImage, ...]


def examples_of(part: Intervention) -> tuple[ExampleView, ...]:
    """The examples of an intervention whose images are stored, the largest effect first."""
    return tuple(_example(one) for one in part.examples if one.before.image)


def rule_of(part: Intervention, n_tested: int) -> str:
    """How the examples were chosen, and what their effect is; empty without examples.

    Args:
        part: the intervention.
        n_tested: number of images that it was tested on.
    """
    if not examples_of(part):
        return ""
    return (
        f"Chosen by rank and not by hand: of the {count(n_tested)} images that were tested, those with the "
        "largest, the median and the smallest effect, and those at both quartiles. The effect is "
        f"{_EFFECTS[part.method]}."
    )


def _example(one: InterventionExample) -> ExampleView:
    return ExampleView(
        rank=f"{sentence_start(one.rank)} effect" if "quartile" not in one.rank else _quartile(one),
        effect=signed_points(one.change),
        sample=one.sample,
        label=one.label,
        images=tuple(_image(one, each) for each in (one.before, *one.after)),
    )


def _quartile(one: InterventionExample) -> str:
    return f"{sentence_start(one.rank)} of the effect"


def _image(one: InterventionExample, shown: ImagePrediction) -> ExampleImage:
    title = shown.how or "Original"
    correct = shown.predicted == one.label
    confidence, of_label = percent(shown.confidence), percent(shown.label_probability)
    donor = "" if shown.donor is None else f", sample {shown.donor}"
    probability = "" if correct else f"; probability of the label {one.label}: {of_label}"
    return ExampleImage(
        image=shown.image,
        title=title,
        changed=bool(shown.how),
        correct=correct,
        predicted=shown.predicted,
        confidence=confidence,
        label_probability=of_label,
        alt=f"Sample {one.sample}, {title[:1].lower()}{title[1:]}{donor}: predicted {shown.predicted} with "
        f"{confidence}{probability}.",
    )
