"""Claims made by hand, and short ways to read their evidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from auditor.checks import Check
from auditor.records import (
    AuditData,
    Claim,
    Effect,
    Estimate,
    Examination,
    Quantities,
    Skipped,
    SliceKey,
)


class FixedClaims(Check):
    """A check that returns the claims it was given."""

    claims: tuple[Claim, ...]
    model_config: ClassVar[Any] = {"arbitrary_types_allowed": True, "frozen": True}

    def examine(self, audit: AuditData) -> Examination:  # noqa: ARG002 - the interface has it
        """Returns the claims."""
        return Examination(self.claims, (Skipped(check="stub", reason="the rest"),))


def claim(
    attributes: Mapping[str, str],
    effect: tuple[float, float, float] | None,
    p_value: float | None,
    **changes: Any,
) -> Claim:
    """A claim on a slice with an effect (value, low, high) and a p-value."""
    key = SliceKey(attributes=dict(attributes), label=changes.pop("label", None))
    fields: dict[str, Any] = {
        "check": "stub",
        "kind": "outcome",
        "title": f"about {key}",
        "limit": 0.05,
        "support": 50,
        "samples": (),
        "statement": (f"On {key}.",),
        "action": "Act.",
        "limits": "Limits.",
    }
    measured = (
        None
        if effect is None
        else Effect(name="gap", unit="points", value=effect[0], low=effect[1], high=effect[2])
    )
    return Claim(slice=key, effect=measured, p_value=p_value, **(fields | changes))


def quantity(one: Claim, name: str) -> float | Estimate | None:
    """The number of that name in the evidence of a claim."""
    for part in one.evidence:
        if isinstance(part, Quantities):
            for item in part.items:
                if item.name == name:
                    return item.value
    raise KeyError(name)
