"""Says before anything is shown whether a method means something on this model."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from auditor.autograd.graph import Rule, activation_name, kind
from auditor.autograd.recording import Recording

Status = Literal["valid", "partial", "undefined"]


@dataclass(frozen=True)
class Preflight:
    """What the forward really passed, and what that means for a method.

    Attributes:
        status: ``"valid"``; ``"partial"``: the method's rule covers only some of the activations;
            ``"undefined"``: it covers none, and the map would be the plain gradient.
        reason: one sentence for the report.
        rectifiers: how many rectifiers the forward passed, counted by operation, not by module.
        others: the other activations that it passed, name → how many.
    """

    status: Status
    reason: str
    rectifiers: int
    others: dict[str, int] = field(default_factory=dict)

    @property
    def share_of_others(self) -> float:
        """Share of the activations that are no rectifier, 0 to 1; 0 where there are none."""
        n_others = sum(self.others.values())
        return n_others / max(1, self.rectifiers + n_others)


def preflight(recording: Recording, rule: Rule) -> Preflight:
    """The verdict on a method, from the recorded forward.

    Args:
        recording: open.
        rule: what the method does at rectifiers; ``"plain"`` where it does nothing there.

    Returns:
        The verdict. A method without a rule is valid on every differentiable model.
    """
    counts: Counter[str] = Counter()
    rectifiers = 0
    for node in recording.nodes:
        match kind(node):
            case "rectifier":
                rectifiers += 1
            case "activation":
                counts[activation_name(node)] += 1
    others = dict(counts.most_common())
    if rule == "plain":
        return Preflight("valid", "the method needs no rectifiers", rectifiers, others)
    n_others = sum(others.values())
    listed = ", ".join(f"{count} × {name}" for name, count in others.items())
    if not rectifiers:
        passed = f"only {listed}" if listed else "no activation at all"
        return Preflight(
            "undefined",
            f"the model's forward passes no rectifier ({passed}): the method's rule would act "
            "nowhere and its map would be the plain gradient",
            0,
            others,
        )
    if n_others:
        share = n_others / (rectifiers + n_others)
        return Preflight(
            "partial",
            f"{n_others} of {rectifiers + n_others} activations ({share:.0%}) are no rectifiers "
            f"({listed}): they hand the plain gradient back",
            rectifiers,
            others,
        )
    return Preflight(
        "valid", f"all {rectifiers} activations of the forward are rectifiers", rectifiers, others
    )
