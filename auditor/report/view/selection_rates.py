"""Selection rates and impact ratios, where a model chooses people and the configuration says so.

``about.selected`` names the class that counts as selected, ``about.sensitive`` the attributes whose
categories are compared. Rates are those of the predictions; labels play no part in them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pandas as pd

from auditor.records import MISSING, AuditResult


@dataclass(frozen=True)
class Category:
    """One category, or an intersection of categories.

    Attributes:
        names: one a compared attribute.
        support: people (samples) in it.
        selected: how many of them are predicted to be the selected class.
        rate: ``selected / support``.
        ratio: its rate divided by that of the most selected category; None where none is selected.
    """

    names: tuple[str, ...]
    support: int
    selected: int
    rate: float
    ratio: float | None


@dataclass(frozen=True)
class Comparison:
    """The categories of one attribute, or of two crossed.

    Attributes:
        attributes: their names.
        categories: in the order of their names.
        unknown: samples that are left out because a category of theirs is unknown.
    """

    attributes: tuple[str, ...]
    categories: tuple[Category, ...]
    unknown: int


@dataclass(frozen=True)
class Selection:
    """Selection rates of an audit.

    Attributes:
        selected: the class that counts as selected.
        comparisons: each sensitive attribute, then each pair of them.
        absent: sensitive attributes that the data does not have.
    """

    selected: str
    comparisons: tuple[Comparison, ...]
    absent: tuple[str, ...]


def selection(result: AuditResult, samples: pd.DataFrame) -> Selection | None:
    """Counts who is selected.

    Args:
        result: the audit, whose configuration names the class and the attributes.
        samples: the evaluated samples, with ``predicted`` and the attributes.

    Returns:
        The rates; None where the configuration names no class of the model, or no attribute.
    """
    stated = result.provenance.config.get("about")
    about: Mapping[str, Any] = stated if isinstance(stated, dict) else {}
    chosen, names = about.get("selected"), tuple(str(one) for one in about.get("sensitive") or ())
    if not names or chosen not in {one.name for one in result.classes}:
        return None
    present = [name for name in names if name in samples]
    selected = samples["predicted"].astype(str) == str(chosen)
    sets: list[tuple[str, ...]] = [(name,) for name in present]
    sets += list(combinations(present, 2))
    return Selection(
        selected=str(chosen),
        comparisons=tuple(_compared(samples, selected, one) for one in sets),
        absent=tuple(name for name in names if name not in present),
    )


def _compared(
    samples: pd.DataFrame, selected: pd.Series[bool], attributes: Sequence[str]
) -> Comparison:
    values = samples[list(attributes)].astype(object)
    unknown = (values.isna() | (values == MISSING)).any(axis=1)
    known = values[~unknown].astype(str).assign(**{"": selected[~unknown]})
    tallied = known.groupby(list(attributes))[""].agg(["size", "sum"])
    highest = float((tallied["sum"] / tallied["size"]).max()) if len(tallied) else 0.0
    categories = tuple(
        Category(
            names=tuple(map(str, key if isinstance(key, tuple) else (key,))),
            support=int(n),
            selected=int(k),
            rate=k / n,
            ratio=k / n / highest if highest > 0 else None,
        )
        for key, n, k in zip(tallied.index, tallied["size"], tallied["sum"], strict=True)
    )
    return Comparison(tuple(attributes), categories, int(unknown.sum()))
