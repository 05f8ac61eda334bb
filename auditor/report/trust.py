"""What an audit's own measures say of its maps, in plain words.

The measures are those of the run's ``sanity``; one that this file does not know is shown by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from auditor.report import words


@dataclass(frozen=True)
class Measure:
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
            "How much of the map would lie elsewhere if gradients were not averaged over the picture: "
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
            "Rank correlation with the edges of the picture, which know no network: near 1, the detail "
            "view is little more than edges."
        ),
    ),
}
_AGAINST = "_random"


def measures(sanity: Mapping[str, Any]) -> tuple[Measure, ...]:
    """All measures of a run, each beside its value for a random order where there is one."""
    made = []
    for key, raw in sanity.items():
        if key.endswith(_AGAINST) and key.removesuffix(_AGAINST) in sanity:
            continue
        name, meaning = _KNOWN.get(key, (words.phrase(key).capitalize(), ""))
        text = _number(raw)
        if key + _AGAINST in sanity:
            text += f"; in random order {_number(sanity[key + _AGAINST])}"
        made.append(Measure(name, text, meaning))
    return tuple(made)


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
    n = sanity.get("n_samples")
    if said and isinstance(n, int | float):
        said.append(f"Measured on {words.count(int(n))} samples.")
    return " ".join(said)


def _number(raw: Any) -> str:
    if isinstance(raw, float):
        return f"{raw:.0f}" if raw.is_integer() else f"{raw:.2f}".replace("-", "−")
    return words.value(raw)
