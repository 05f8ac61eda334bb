"""Correction over causes first, then within each cause that is found.

A single bias is significant in many image properties and maps at once. If all tests were corrected
together, these discoveries would weaken the bound for everything else. The false discovery rate is
therefore controlled over causes, and over the tests within each cause that is found. A cause is a set of
attributes; slices without an attribute are one cause. Properties computed from the images, and slices
without an attribute, are separate families: however many of them are found, the bound for annotated
attributes stays the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from auditor.records import Claim
from auditor.statistics import Floats, Integers, q_values

Level = Literal["intervention", "data or maps", "image property", "image property within label"]
SHARES: dict[Level, float] = {
    "intervention": 0.3,
    "data or maps": 0.3,
    "image property": 0.3,
    "image property within label": 0.1,
}
"""Shares of the levels; the shares of levels without a test go to the others in proportion."""


@dataclass(frozen=True)
class AdjustedByCause:
    """Adjusted p-values of tested claims.

    Attributes:
        q_values: (n,) smallest alpha at which each claim is significant, over all causes.
        within: (n,) the same within its cause, given that the cause is found.
        shares: (n,) share of each claim in alpha; they sum to one.
        shares_within: (n,) share of each claim within its cause; they sum to one for each cause.
    """

    q_values: Floats
    within: Floats
    shares: Floats
    shares_within: Floats


def adjust_by_cause(claims: Sequence[Claim]) -> AdjustedByCause:
    """Adjusts the p-values of claims over causes and within them.

    Args:
        claims: each with a p-value.

    Returns:
        The adjusted p-values, which are never below the p-values. A claim is significant at a level if
        its cause is, and if it is significant within its cause at that level times the share of causes
        that are found.

    Reference:
        Y. Benjamini and M. Bogomolov, "Selective inference on multiple families of hypotheses", JRSS
        B 76 (2014) 297-318, procedure 1, with Simes' p-value of each cause; weights: C. R. Genovese,
        K. Roeder and L. Wasserman, Biometrika 93 (2006) 509-524.
    """
    p_values = np.array([one.p_value for one in claims], dtype=np.float64)
    shares = _shares(claims)
    cause = _codes([frozenset(one.slice.attributes) for one in claims])
    n_causes = int(cause.max(initial=-1)) + 1
    share_of_cause = np.bincount(cause, shares, n_causes)
    # Within a cause: Benjamini-Hochberg on p / w, with the mean weight 1. Its smallest value is
    # Simes' p-value of the cause.
    within = np.empty(len(claims))
    for code in range(n_causes):
        members = np.flatnonzero(cause == code)
        weights = shares[members] / share_of_cause[code] * len(members)
        within[members] = q_values(np.minimum(p_values[members] / weights, 1.0))
    # Over the causes of a family: the same, with the mean weight 1 over causes, at its share of alpha.
    family = _codes([(one.computed, bool(one.slice.attributes)) for one in claims])
    reached = np.ones(len(claims))
    for code in range(int(family.max(initial=-1)) + 1):
        members = np.flatnonzero(family == code)
        own = _codes(cause[members].tolist())
        n_own = int(own.max(initial=-1)) + 1
        scaled = np.minimum(within[members] / (share_of_cause[cause[members]] * n_own), 1.0)
        reached[members] = _over_causes(scaled, own, n_own)
    return AdjustedByCause(
        q_values=np.fmax(reached, p_values),
        within=np.fmax(within, p_values),
        shares=shares,
        shares_within=shares / share_of_cause[cause],
    )


def _level_of(claim: Claim) -> Level:
    """The level of a claim, which determines its share of alpha."""
    if claim.kind in {"data", "map"}:
        return "data or maps"
    if claim.computed:
        return "image property" if claim.slice.label is None else "image property within label"
    return "intervention"


def _shares(claims: Sequence[Claim]) -> Floats:
    """Share of each claim in alpha: evenly over the groups of its level, then over their tests."""
    group = [(_level_of(one), frozenset(one.slice.attributes), one.check) for one in claims]
    sizes = Counter(group)
    of_level = Counter(level for level, _, _ in sizes)
    spent = sum(SHARES[level] for level in of_level)
    return np.array(
        [SHARES[one[0]] / spent / of_level[one[0]] / sizes[one] for one in group], dtype=np.float64
    )


def _codes(names: Sequence[Hashable]) -> Integers:
    place: dict[Hashable, int] = {}
    return np.array([place.setdefault(name, len(place)) for name in names], dtype=np.int64)


def _over_causes(scaled: Floats, cause: Integers, n_causes: int) -> Floats:
    """The level at which each claim becomes significant.

    At a level, the k causes with the smallest values are found if Benjamini-Hochberg finds k; a
    claim is significant if its own value is up to the level times k over the number of causes.
    """
    least = np.ones(n_causes)
    np.minimum.at(least, cause, scaled)
    level_of_k = np.sort(q_values(least))
    k = np.arange(1, n_causes + 1)
    adjusted = np.ones(len(scaled))
    for count, level in zip(k, level_of_k, strict=True):
        adjusted = np.minimum(adjusted, np.maximum(level, scaled * n_causes / count))
    return adjusted
