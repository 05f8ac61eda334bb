"""Curves among the evidence of a finding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from auditor.records import ClaimRecord, Curve

_SHOWN = 2
"""Maximum number of curves shown for a finding."""


@dataclass(frozen=True)
class CurveView:
    """A quantity along an ordered attribute.

    Attributes:
        reference: name of its drawing, unique in the document.
        part: the curve.
    """

    reference: str
    part: Curve


def curve_views(parts: Sequence[Curve], anchor: str) -> tuple[CurveView, ...]:
    """Curves with the names of their drawings.

    Args:
        parts: the curves.
        anchor: address of the part of the document that shows them.
    """
    return tuple(CurveView(f"{anchor}-curve-{place}", part) for place, part in enumerate(parts))


def curves(claims: Sequence[ClaimRecord], anchor: str) -> tuple[CurveView, ...]:
    """The curves among the claims of a finding.

    Args:
        claims: the finding first, then its supporting claims.
        anchor: address of the finding.
    """
    found = [part for claim in claims for part in claim.evidence if isinstance(part, Curve)]
    return curve_views(found[:_SHOWN], anchor)
