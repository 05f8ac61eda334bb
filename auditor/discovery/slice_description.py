"""What marks a slice that was found in the images: attribute values that are frequent in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auditor.discovery.sample_splitting import Mask, SampleSplit, stratified_failures
from auditor.phrasing import percent
from auditor.records import AuditData
from auditor.records.predictions import codes
from auditor.statistics import Integers

_NAMED = 0.2
"""A value is named that is so much more frequent in a slice than in the rest (a share)."""
_TELLS = 0.3
"""From here on a value with a gap of its own and the slice have one cause."""
_REMAINS = 0.5
"""An attribute explains a slice if less than this part of its gap is left with it held fixed."""
_CONCERNED = 0.1
"""Labels with such a share of some failures are those that have them."""


@dataclass(frozen=True)
class DistinctiveValue:
    """An attribute value that is more frequent in a slice than in the rest.

    Attributes:
        name: of the attribute.
        value: its value.
        inside: its share in the slice.
        outside: its share in the rest.
        tells: whether it has a gap of its own and marks the slice so clearly that both have one
            cause, or whether little of the slice's gap is left with it held fixed.
    """

    name: str
    value: str
    inside: float
    outside: float
    tells: bool

    def __str__(self) -> str:
        return (
            f"{self.name} = {self.value} in {percent(self.inside)} instead of "
            f"{percent(self.outside)}"
        )


def distinctive_values(
    audit: AuditData, sample_split: SampleSplit, inside: Mask, within: str = "label"
) -> list[DistinctiveValue]:
    """The most frequent value of each attribute in the slice against the rest, clearest first.

    Args:
        audit: of the audit.
        sample_split: its samples; those of the half for the test are compared.
        inside: (n,) the slice.
        within: what the slice was compared within, ``label`` or ``predicted``.
    """
    test = sample_split.test
    frame = audit.predictions.iloc[sample_split.rows]
    strata = codes(frame[within])
    plain = float(sample_split.gap(inside, strata).gap.value[0])
    stratum, failure, member = strata[test], sample_split.failure[test], inside[test]
    # A value may fare worse only where the slice fails: there it has to show.
    concerned = where_frequent(stratum, member & failure)
    others = ~member & np.isin(stratum, stratum[member])
    found: list[DistinctiveValue] = []
    for name in ("label", *audit.attributes, *audit.computed):
        value = codes(frame[name])
        names = [str(one) for one in frame[name].cat.categories]
        own = np.bincount(value[test][member], minlength=len(names)) / max(member.sum(), 1)
        rest = np.bincount(value[test][others], minlength=len(names)) / max(others.sum(), 1)
        best = int((own - rest).argmax())
        more = float(own[best] - rest[best])
        alone = stratified_failures(
            failure[concerned], (value[test] == best)[concerned], stratum[concerned]
        ).gap
        held = float(sample_split.gap(inside, strata * len(names) + value).gap.value[0])
        clear = more >= _TELLS and float(alone.low[0]) > 0
        tells = name != "label" and (clear or not held >= _REMAINS * plain)
        if more >= _NAMED or tells:
            found.append(
                DistinctiveValue(name, names[best], float(own[best]), float(rest[best]), tells)
            )
    return sorted(found, key=lambda mark: mark.outside - mark.inside)


def where_frequent(strata: Integers, failures: Mask) -> Mask:
    """(n,) whether a sample's stratum is one that has such failures, beside a stray one."""
    counts = np.bincount(strata[failures], minlength=int(strata.max(initial=0)) + 1)
    return np.asarray((counts >= _CONCERNED * max(counts.sum(), 1))[strata], dtype=np.bool_)
