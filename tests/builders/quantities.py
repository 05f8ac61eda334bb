"""Access to the numbers in a claim's evidence."""

from __future__ import annotations

from auditor.records import Claim, Estimate, Quantities


def quantity(claim: Claim, name: str) -> float | Estimate | None:
    """The value of a quantity in a claim's evidence."""
    part = claim.part(Quantities)
    assert part is not None
    (found,) = [one.value for one in part.items if one.name == name]
    return found
