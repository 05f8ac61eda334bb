"""Describes a slice that was found in the images by the attribute values that are frequent in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from auditor.discovery.sample_splitting import Mask, SampleSplit, failure_gap
from auditor.phrasing import attribute_name, class_name, percent, value_name
from auditor.records import AuditData, SampleGroup, SampleGroups, SampleRef, Table
from auditor.records.predictions import codes
from auditor.statistics import Integers

_MIN_DIFFERENCE = 0.2
"""Smallest difference of a value's shares in the slice and in the rest for which it is listed."""
_SAME_CAUSE = 0.3
"""From this difference on, a value that has a gap of its own has the same cause as the slice."""
_MAX_REMAINDER = 0.5
"""An attribute explains a slice if less than this part of its gap is left with it held fixed."""
_MIN_FAILURE_SHARE = 0.1
"""A stratum counts as affected if it has at least this share of the failures."""


@dataclass(frozen=True)
class DistinctiveValue:
    """An attribute value that is more frequent in a slice than in the rest.

    Attributes:
        name: name of the attribute.
        value: the value.
        inside: its share in the slice.
        outside: its share in the rest.
        explains: whether the attribute explains the slice: the value has a gap of its own and is so
            frequent in the slice that both have the same cause, or little of the slice's gap is left
            with the attribute held fixed.
        sensitive: whether the attribute is marked as sensitive. Images of the slice are shown, so that a
            value that most of them have would tell that of single samples.
    """

    name: str
    value: str
    inside: float
    outside: float
    explains: bool
    sensitive: bool = False

    @property
    def shown_value(self) -> str:
        """The value in words; that of ``label`` is a class."""
        return class_name(self.value) if self.name == "label" else value_name(self.name, self.value)

    @property
    def condition(self) -> str:
        """Attribute and value in words."""
        return f"{attribute_name(self.name)} = {self.shown_value}"

    def __str__(self) -> str:
        return f"{self.condition} in {percent(self.inside)} instead of {percent(self.outside)}"


def distinctive_values(
    audit: AuditData, sample_split: SampleSplit, inside: Mask, within: str = "label"
) -> list[DistinctiveValue]:
    """Finds the attribute values that distinguish a slice from the rest.

    Of each attribute, the value with the largest difference of shares is considered.

    Args:
        audit: the audited data.
        sample_split: the samples; those of the test half are compared.
        inside: (n,) membership of the slice.
        within: the column, ``label`` or ``predicted``, that was held fixed for the slice.

    Returns:
        The values with the largest difference of shares first.
    """
    test = sample_split.test
    frame = audit.predictions.iloc[sample_split.rows]
    strata = codes(frame[within])
    slice_gap = float(sample_split.gap(inside, strata).gap.value[0])
    stratum, failure, member = strata[test], sample_split.failure[test], inside[test]
    # A value may have a higher error rate in the slice's strata only: its gap is computed there.
    affected = in_affected_strata(stratum, member & failure)
    others = ~member & np.isin(stratum, stratum[member])
    found: list[DistinctiveValue] = []
    for name in ("label", *audit.attributes, *audit.computed):
        value = codes(frame[name])
        names = [str(one) for one in frame[name].cat.categories]
        own = np.bincount(value[test][member], minlength=len(names)) / max(member.sum(), 1)
        rest = np.bincount(value[test][others], minlength=len(names)) / max(others.sum(), 1)
        best = int((own - rest).argmax())
        difference = float(own[best] - rest[best])
        value_gap = failure_gap(
            failure[affected], (value[test] == best)[affected], stratum[affected]
        ).gap
        remainder = float(sample_split.gap(inside, strata * len(names) + value).gap.value[0])
        same_cause = difference >= _SAME_CAUSE and float(value_gap.low[0]) > 0
        # Written with "not" so that it also holds for NaN, where nothing is left to compare.
        explained = not remainder >= _MAX_REMAINDER * slice_gap
        explains = name != "label" and (same_cause or explained)
        if difference >= _MIN_DIFFERENCE or explains:
            found.append(
                DistinctiveValue(
                    name,
                    names[best],
                    float(own[best]),
                    float(rest[best]),
                    explains,
                    sensitive=name in audit.declared.sensitive,
                )
            )
    return sorted(found, key=lambda one: one.outside - one.inside)


def named(values: Iterable[DistinctiveValue]) -> list[DistinctiveValue]:
    """The values that sentences and tables name: none of a sensitive attribute."""
    return [one for one in values if not one.sensitive]


def describe(
    values: Sequence[DistinctiveValue], typical: pd.DataFrame
) -> tuple[Table | SampleGroups, ...]:
    """Describes a slice as parts of a claim's evidence.

    Args:
        values: its distinctive attribute values; without any, there is no table of them.
        typical: rows of ``AuditData.predictions``, the most typical sample first.

    Returns:
        A table of the values, and the typical samples.
    """
    members = tuple(
        SampleRef(sample=str(sample), label=str(label))
        for sample, label in zip(typical["sample"], typical["label"], strict=True)
    )
    samples = SampleGroups(title="Typical images", groups=(SampleGroup(members=members),))
    return (*tables_of(values), samples)


def tables_of(values: Iterable[DistinctiveValue]) -> tuple[Table, ...]:
    """Distinctive attribute values as a part of a claim's evidence; empty if none may be named."""
    shown = named(values)
    return (_table(shown),) if shown else ()


def _table(values: Sequence[DistinctiveValue]) -> Table:
    return Table(
        title="Distinctive attribute values",
        columns=("attribute", "value", "share in the slice", "share in the rest"),
        rows=tuple(
            (attribute_name(one.name), one.shown_value, one.inside, one.outside) for one in values
        ),
        units=(None, None, "share", "share"),
    )


def in_affected_strata(strata: Integers, failures: Mask) -> Mask:
    """Whether each sample's stratum has a substantial share of the failures.

    Args:
        strata: (n,) codes of the strata, from 0.
        failures: (n,) the failures.

    Returns:
        (n,), True in strata with at least a tenth of the failures.
    """
    counts = np.bincount(strata[failures], minlength=int(strata.max(initial=0)) + 1)
    affected = counts >= _MIN_FAILURE_SHARE * max(counts.sum(), 1)
    return np.asarray(affected[strata], dtype=np.bool_)
