"""Slices of other attributes whose gap a finding explains, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from auditor.judging.graded_claim import GradedClaim
from auditor.phrasing import amount, several, slice_name
from auditor.records import HeldFixed

_IN_TITLE = 2
_IN_SENTENCE = 6
_EXPLAINS = frozenset({"explains", "reverses"})


def title_of_explained(leading: GradedClaim, others: Sequence[GradedClaim]) -> str:
    """Addition to the title of a finding; empty if it explains no other slice.

    Args:
        leading: the leading claim of the finding.
        others: its further claims.
    """
    explained, _ = _by_relation(leading, others)
    return f"; it also explains {several(explained, _IN_TITLE)}" if explained else ""


def explained_sentences(leading: GradedClaim, others: Sequence[GradedClaim]) -> Iterator[str]:
    """Sentences on slices of other attributes that have the cause of the finding.

    Args:
        leading: the leading claim of the finding.
        others: its further claims.
    """
    explained, related = _by_relation(leading, others)
    if explained:
        yield f"It also explains gaps of other attributes: {several(explained, _IN_SENTENCE)}."
    if related:
        yield (
            "Gaps of other attributes that the data cannot separate from it, or that it explains in part: "
            f"{several(related, _IN_SENTENCE)}."
        )


def _by_relation(
    leading: GradedClaim, others: Sequence[GradedClaim]
) -> tuple[list[str], list[str]]:
    """The explained slices, and those that are related otherwise: the clearest of each attribute."""
    own = set(leading.claim.slice.attributes)
    if not own or leading.verdict == "untestable":
        return [], []
    explained: list[str] = []
    related: list[str] = []
    known: set[frozenset[str]] = set()
    for one in others:
        names = frozenset(one.claim.slice.attributes)
        effect = one.claim.effect
        if not names or names & own or names in known or effect is None:
            continue
        known.add(names)
        text = f"{slice_name(one.claim.slice)} ({amount(effect.value, effect.unit)})"
        (explained if _is_explained(one) else related).append(text)
    return explained, related


def _is_explained(one: GradedClaim) -> bool:
    """Whether other attributes are shown to explain its gap."""
    held = one.claim.part(HeldFixed)
    if held is None:
        return False
    if held.state is not None:
        return held.state in _EXPLAINS
    return any(gap.state in _EXPLAINS for gap in held.gaps)
