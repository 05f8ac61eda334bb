"""What an audit's own measures say of its maps, in plain words.

The measures are those of the run's ``sanity``; one that this file does not know is shown by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from auditor.report import words


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
            "The class's probability while what the map marks is covered bit by bit, averaged; lower "
            "than for a random order: the map marks what the class rests on."
        ),
    ),
    "insertion_area": (
        "Insertion",
        "The same while what the map marks is uncovered first; higher than for a random order is good.",
    ),
    "occlusion_rank_correlation": (
        "Agreement with occlusion",
        (
            "Rank correlation of Grad-CAM with how much the probability drops when each place is "
            "covered: 1 is full agreement, 0 none."
        ),
    ),
    "hirescam_disagreement": (
        "Disagreement with HiResCAM",
        (
            "How much of the map would lie elsewhere if gradients were not averaged over the image: "
            "0 is none."
        ),
    ),
    "randomization_grad_cam": (
        "Grad-CAM after the weights are randomized",
        (
            "Rank correlation with the map of the trained network; near 0 is good: the map shows what "
            "the network learnt."
        ),
    ),
    "randomization_guided_backprop": (
        "Guided backpropagation after the weights are randomized",
        "The same for the detail view; what stays is not learnt. No number rests on it.",
    ),
    "edge_rank_correlation": (
        "Guided backpropagation against an edge detector",
        (
            "Rank correlation with the edges of the image, which know no network: near 1, the detail "
            "view is little more than edges."
        ),
    ),
}
_AGAINST = "_random"


def measures(sanity: Mapping[str, Any]) -> tuple[MapMeasure, ...]:
    """All measures of a run, each beside its value for a random order where there is one."""
    made = []
    for key, raw in sanity.items():
        if key == "localisation" and isinstance(raw, Mapping):
            made += _located(raw)
            continue
        if key.endswith(_AGAINST) and key.removesuffix(_AGAINST) in sanity:
            continue
        name, meaning = _KNOWN.get(key, (words.phrase(key).capitalize(), ""))
        text = _number(raw)
        if key + _AGAINST in sanity:
            text += f"; in random order {_number(sanity[key + _AGAINST])}"
        made.append(MapMeasure(name, text, meaning))
    return tuple(made)


def _located(found: Mapping[str, float]) -> list[MapMeasure]:
    """Whether the label's maps lie on the object, where boxes or masks say where that is."""
    n = int(found.get("n_samples", 0))
    if "pointing_game" not in found:
        return [MapMeasure("The object", "–", "No sample has a box or mask inside the image.")]
    share = found["object_share"]
    made = [
        MapMeasure(
            "The maps’ highest point",
            f"on the object in {words.percent(found['pointing_game'])} of {words.count(n)} samples",
            (
                "The pointing game: where Grad-CAM for the label is highest, is there the object? A "
                f"point chosen blindly would be on it in {words.percent(share)}."
            ),
        )
    ]
    if "mass_inside" in found:
        made.append(
            MapMeasure(
                "Evidence on the object",
                f"{words.percent(found['mass_inside'])} of it, on {words.percent(share)} of the image",
                (
                    "How much of Grad-CAM for the label lies on the object. As large as the object’s "
                    "share of the image: no better than a map that is the same everywhere."
                ),
            )
        )
    if "box_found" in found:
        made.append(
            MapMeasure(
                "Object found by its map",
                f"in {words.percent(found['box_found'])} of {words.count(n)} samples",
                (
                    "A box around the brightest part of Grad-CAM and the object’s own box share at "
                    "least half of the area that they cover together."
                ),
            )
        )
    return made


def sentence(sanity: Mapping[str, Any]) -> str:
    """The measures in a sentence or two for the first page; empty where there are none."""
    said = []
    deleted, chance = sanity.get("deletion_area"), sanity.get("deletion_area_random")
    if isinstance(deleted, float) and isinstance(chance, float):
        said.append(
            f"Covering what Grad-CAM marks leaves the class a probability of {deleted:.2f} on "
            f"average; covering at random, {chance:.2f}."
        )
    randomized = sanity.get("randomization_grad_cam")
    if isinstance(randomized, float):
        said.append(
            "With random weights the maps correlate "
            f"{f'{randomized:.2f}'.replace('-', '−')} with the real ones (0 is best)."
        )
    located = sanity.get("localisation")
    if isinstance(located, Mapping) and "mass_inside" in located:
        said.append(
            f"{words.percent(located['mass_inside'])} of the evidence for the label lies on the "
            f"object, which covers {words.percent(located['object_share'])} of the image."
        )
    n = sanity.get("n_samples")
    if said and isinstance(n, int | float):
        said.append(f"Measured on {words.count(int(n))} samples.")
    return " ".join(said)


def _number(raw: Any) -> str:
    if isinstance(raw, float):
        return f"{raw:.0f}" if raw.is_integer() else f"{raw:.2f}".replace("-", "−")
    return words.value(raw)
