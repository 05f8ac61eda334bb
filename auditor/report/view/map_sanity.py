"""What an audit's own measures show about its maps, in plain words.

The measures are those of the run's ``sanity``. One that this file does not know is shown by its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from auditor.phrasing import NOT_AVAILABLE, any_value, count, field_name, percent
from auditor.records.explanations import LocalisationRecord, SanityRecord


@dataclass(frozen=True)
class MapMeasure:
    """One measure of the maps.

    Attributes:
        name: what was measured.
        value: in numbers.
        meaning: how to read it; empty where the measure is unknown here.
    """

    name: str
    value: str
    meaning: str


_KNOWN: Mapping[str, tuple[str, str]] = {
    "deletion_area": (
        "Deletion",
        (
            "Mean probability of the class while the image is masked step by step, the strongest parts of "
            "the map first. Lower than for a random order is good: the map shows what the class depends on."
        ),
    ),
    "insertion_area": (
        "Insertion",
        (
            "Mean probability of the class while the image is revealed step by step, the strongest parts "
            "of the map first. Higher than for a random order is good."
        ),
    ),
    "occlusion_rank_correlation": (
        "Agreement with occlusion",
        (
            "Rank correlation of Grad-CAM with the drop of the probability when each place is masked: 1 is "
            "full agreement, 0 none."
        ),
    ),
    "hirescam_disagreement": (
        "Disagreement with HiResCAM",
        (
            "Share of the map that would lie elsewhere if gradients were not averaged over the image: 0 is "
            "no disagreement."
        ),
    ),
    "randomization_grad_cam": (
        "Grad-CAM after randomizing the weights",
        (
            "Rank correlation with the map of the trained network. Near 0 is good: the map depends on what "
            "the network has learned."
        ),
    ),
    "randomization_guided_backprop": (
        "Guided backpropagation after randomizing the weights",
        "The same for the detail view. What stays was not learned; no number is based on it.",
    ),
    "edge_rank_correlation": (
        "Guided backpropagation against an edge detector",
        (
            "Rank correlation with the edges of the image, which do not depend on any network. Near 1, the "
            "detail view shows little more than edges."
        ),
    ),
}
_RANDOM = "_random"
"""Ends the key of a measure's value for a random order."""


def measures(sanity: SanityRecord) -> tuple[MapMeasure, ...]:
    """All measures of a run, each beside its value for a random order where there is one."""
    found: list[MapMeasure] = []
    for key, raw in sanity.items():
        if isinstance(raw, LocalisationRecord):
            found += _localisation(raw)
            continue
        if key.endswith(_RANDOM) and key.removesuffix(_RANDOM) in sanity:
            continue
        name, meaning = _KNOWN.get(key, (field_name(key).capitalize(), ""))
        text = _number(raw)
        if key + _RANDOM in sanity:
            text += f"; in random order {_number(sanity[key + _RANDOM])}"
        found.append(MapMeasure(name, text, meaning))
    return tuple(found)


def _localisation(found: LocalisationRecord) -> Iterator[MapMeasure]:
    """Whether the label's maps lie on the object, where boxes or masks locate it."""
    n = int(found.n_samples)
    if found.pointing_game is None or found.object_share is None:
        yield MapMeasure("The object", NOT_AVAILABLE, "No sample has a box or mask in the image.")
        return
    share = percent(found.object_share)
    yield MapMeasure(
        "Highest point of the maps",
        f"on the object in {percent(found.pointing_game)} of {count(n)} samples",
        "The pointing game: is the highest point of Grad-CAM for the label on the object? A random "
        f"point would be on it in {share}.",
    )
    if found.mass_inside is not None:
        yield MapMeasure(
            "Evidence on the object",
            f"{percent(found.mass_inside)} of it, on {share} of the image",
            "How much of Grad-CAM for the label lies on the object. If this equals the object’s share "
            "of the image, the map is no better than a uniform one.",
        )
    if found.box_found is not None:
        yield MapMeasure(
            "Object found by its map",
            f"in {percent(found.box_found)} of {count(n)} samples",
            "A box around the brightest part of Grad-CAM and the object’s own box have an intersection "
            "over union of at least one half.",
        )


def summary(sanity: SanityRecord) -> str:
    """The measures in a sentence or two for the first page; empty where there are none."""
    sentences = []
    deleted, chance = sanity.get("deletion_area"), sanity.get("deletion_area_random")
    if isinstance(deleted, float) and isinstance(chance, float):
        sentences.append(
            f"Masking the strongest parts of Grad-CAM first leaves the class a mean probability of "
            f"{deleted:.2f}; masking in random order, {chance:.2f}."
        )
    randomized = sanity.get("randomization_grad_cam")
    if isinstance(randomized, float):
        sentences.append(
            "With random weights, the correlation with the real maps is "
            f"{_number(randomized)} (0 is best)."
        )
    found = sanity.get("localisation")
    if (
        isinstance(found, LocalisationRecord)
        and found.mass_inside is not None
        and found.object_share is not None
    ):
        sentences.append(
            f"{percent(found.mass_inside)} of the evidence for the label lies on the object, which "
            f"covers {percent(found.object_share)} of the image."
        )
    n = sanity.get("n_samples")
    if sentences and isinstance(n, int | float):
        sentences.append(f"Measured on {count(int(n))} samples.")
    return " ".join(sentences)


def _number(raw: float | LocalisationRecord | None) -> str:
    if isinstance(raw, float):
        return f"{raw:.0f}" if raw.is_integer() else f"{raw:.2f}".replace("-", "−")
    return any_value(raw)
