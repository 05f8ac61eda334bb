"""Correction for multiple testing over a whole audit: over causes first, then within each cause.

A cause is what a finding is about: an attribute, or a pair of attributes. One strong cause shows in a
dozen tests at once. If all tests were corrected together, these dozen discoveries would loosen the
bound for everything else: in simulated audits of a model with one planted cause, an innocent
attribute was accused in 14 %. The false discovery rate is therefore controlled over causes, and
within each cause that is found, over its tests.

An audit also asks few coarse questions (does an attribute value have a higher error rate?), many finer
ones (within each label?) and very many about pairs of values. With equal weights the fine ones would
drown the coarse ones. Each level has a fixed share of the error that the audit may make, divided
evenly over its attributes and checks (a check may count more than once) and then over their tests.
The shares were fixed before any result was seen, and the bound holds for any fixed shares.

A planted bias also shows in many image properties and in slices without an attribute. These were not
asked for by the user. They are families of their own: however many of them are found, the bound for
annotated attributes stays the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from auditor.records import Claim, MultipleTestingRecord
from auditor.statistics import Floats, Integers, q_values
from auditor.statistics.intervals import two_sided_z

CONFIDENCE = 0.95

Level = Literal[
    "value",
    "value within label",
    "pair of values",
    "data or maps",
    "image property",
    "image property within label",
]
SHARES: dict[Level, float] = {
    "value": 0.7,
    "value within label": 0.2,
    "pair of values": 0.05,
    "data or maps": 0.05,
    # Many, and not asked for by the user: they come on top, so that they take at most a tenth of it.
    "image property": 0.07,
    "image property within label": 0.03,
}
"""Shares of the levels; the shares of levels without a test go to the others in proportion."""


@dataclass(frozen=True)
class Correction:
    """Adjusted p-values of an audit's claims.

    Attributes:
        q_values: (n,) adjusted p-values, one a claim; NaN where nothing was tested.
        weights: (n,) each claim's share of the error times the number of tests; 0 where nothing was
            tested.
        alpha: false discovery rate.
        n_causes: how many causes were tested.
        n_selected: (n,) for each claim, how many causes of its family were found.
        check_weights: checks that count more than once within a level.
    """

    q_values: Floats
    weights: Floats
    alpha: float
    n_causes: int
    n_selected: Integers
    check_weights: Mapping[str, float]

    @property
    def n_tests(self) -> int:
        """How many hypotheses were tested."""
        return int((~np.isnan(self.q_values)).sum())

    @property
    def n_significant(self) -> int:
        """How many of them are significant after the correction."""
        return int((self.q_values <= self.alpha).sum())

    def widening(self, index: int) -> float:
        """Factor on the half-widths of a claim's interval that accounts for its selection.

        Reference:
            Y. Benjamini and D. Yekutieli, "False discovery rate-adjusted multiple confidence
            intervals for selected parameters", JASA 100 (2005) 71-81, definition 1; here with the
            claim's own weight, and causes for what is selected.
        """
        if not self.n_selected[index]:
            return 1.0
        share = float(self.weights[index]) / self.n_tests * int(self.n_selected[index])
        return two_sided_z(1 - (1 - CONFIDENCE) * min(share, 1.0)) / two_sided_z(CONFIDENCE)

    def account(self, by_check: Mapping[str, int]) -> MultipleTestingRecord:
        """The account of the correction, as it is written to ``audit.json``.

        Args:
            by_check: number of tests of each check.
        """
        return MultipleTestingRecord(
            n_tests=self.n_tests,
            n_significant=self.n_significant,
            n_causes=self.n_causes,
            correction="Benjamini–Hochberg over attributes and pairs of them (computed properties and "
            "slices without an attribute apart), then within each",
            alpha=self.alpha,
            interval_confidence=CONFIDENCE,
            shares={str(level): share for level, share in SHARES.items()},
            weights=dict(self.check_weights),
            by_check=dict(by_check),
        )


def adjust(claims: Sequence[Claim], alpha: float, check_weights: Mapping[str, float]) -> Correction:
    """Adjusts the p-values of all claims together.

    Args:
        claims: everything that was examined; claims without a p-value do not count.
        alpha: false discovery rate.
        check_weights: by check, how often it counts within a level; checks that are missing count once.

    Returns:
        The adjusted values; never below the p-value itself. A claim is significant at a level if its
        cause is, and if it is one of its cause's at that level times the share of causes found.

    Reference:
        Y. Benjamini and M. Bogomolov, "Selective inference on multiple families of hypotheses", JRSS
        B 76 (2014) 297-318, procedure 1, with Simes' p-value of each cause; weights: C. R. Genovese,
        K. Roeder and L. Wasserman, Biometrika 93 (2006) 509-524.
    """
    p_values = np.array(
        [np.nan if one.p_value is None else one.p_value for one in claims], dtype=np.float64
    )
    tested = np.flatnonzero(~np.isnan(p_values))
    examined = [one for one in claims if one.p_value is not None]
    shares = _shares(examined, check_weights)
    cause = _codes([frozenset(one.slice.attributes) for one in examined])
    n_causes = int(cause.max(initial=-1)) + 1
    share_of_cause = np.bincount(cause, shares, n_causes)
    # Within a cause: Benjamini-Hochberg on p / w, with the mean weight 1. Its smallest value is
    # Simes' p-value of the cause.
    within = np.empty(len(tested))
    for code in range(n_causes):
        members = np.flatnonzero(cause == code)
        weights = shares[members] / share_of_cause[code] * len(members)
        within[members] = q_values(np.minimum(p_values[tested[members]] / weights, 1.0))
    # Over the causes of a family: the same, with the mean weight 1 over them, at the family's part.
    family = _codes([(one.computed, bool(one.slice.attributes)) for one in examined])
    reached = np.ones(len(tested))
    selected = np.zeros(len(claims), dtype=np.int64)
    for code in range(int(family.max(initial=-1)) + 1):
        members = np.flatnonzero(family == code)
        own = _codes(cause[members].tolist())
        n_own = int(own.max(initial=-1)) + 1
        scaled = np.minimum(within[members] / (share_of_cause[cause[members]] * n_own), 1.0)
        reached[members] = _over_causes(scaled, own, n_own)
        found = np.fmax(reached[members], p_values[tested[members]]) <= alpha
        selected[tested[members]] = len(np.unique(own[found]))
    adjusted = np.full(len(claims), np.nan)
    adjusted[tested] = np.fmax(reached, p_values[tested])
    all_weights = np.zeros(len(claims))
    all_weights[tested] = shares * len(tested)
    return Correction(adjusted, all_weights, alpha, n_causes, selected, check_weights)


def level_of(claim: Claim) -> Level:
    """How coarse the question of a claim is."""
    if claim.kind in {"data", "map"}:
        return "data or maps"
    if claim.computed:
        return "image property" if claim.slice.label is None else "image property within label"
    if len(claim.slice.attributes) > 1:
        return "pair of values"
    return "value" if claim.slice.label is None else "value within label"


def _shares(claims: Sequence[Claim], check_weights: Mapping[str, float]) -> Floats:
    """Each claim's share of the error; they sum to one."""
    group = [(level_of(one), frozenset(one.slice.attributes), one.check) for one in claims]
    sizes = Counter(group)
    weight = {one: check_weights.get(one[2], 1.0) for one in sizes}
    of_level: dict[Level, float] = {}
    for one in sizes:
        of_level[one[0]] = of_level.get(one[0], 0.0) + weight[one]
    spent = sum(SHARES[level] for level in of_level)
    return np.array(
        [SHARES[one[0]] / spent * weight[one] / of_level[one[0]] / sizes[one] for one in group],
        dtype=np.float64,
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
