"""Split: attributes become categories, and their values and pairs of values become slices."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auditor.config import SliceSection
from auditor.imaging import properties
from auditor.records import MISSING, AuditData, Skipped, Slice, SliceKey
from auditor.records.predictions import property_name

_MOST_VALUES = 50
"""A text attribute with more values names samples (file, patient, date) rather than kinds of them."""


@dataclass(frozen=True)
class Slicing:
    """The data cut into slices.

    Attributes:
        predictions: the evaluated samples with every attribute of ``attributes`` as a categorical:
            numbers cut into bands, missing values as ``(missing)``.
        reference: the training data cut likewise, without the rows whose label is no class; or None.
        attributes: those that can be compared: neither of one value nor naming each sample.
        slices: every attribute value; every attribute value within every label; then pairs of
            values of two attributes that hold the smallest support. In the order of the attributes
            and of their categories.
        computed: the computed properties that can be compared.
        computed_slices: every value of them, and every value within every label.
        skipped: attributes that were left out, and why.
        edges: inner edges of the bands of each numeric attribute; a band holds its lower edge.
    """

    predictions: pd.DataFrame
    reference: pd.DataFrame | None
    attributes: tuple[str, ...]
    slices: tuple[Slice, ...]
    skipped: tuple[Skipped, ...]
    edges: dict[str, tuple[float, ...]]
    computed: tuple[str, ...] = ()
    computed_slices: tuple[Slice, ...] = ()

    def audit_data(
        self,
        classes: Sequence[str],
        *,
        alpha: float,
        min_support: int,
        seed: int,
        probabilities: NDArray[np.float32] | None = None,
    ) -> AuditData:
        """What the checks examine, as far as it needs neither model nor images.

        Args:
            classes: class names in index order.
            alpha: false discovery rate of the audit.
            min_support: smallest slice that is tested.
            seed: of permutations and bootstraps.
            probabilities: (n, K) softmax probabilities, or None.
        """
        return AuditData(
            predictions=self.predictions,
            classes=tuple(classes),
            attributes=self.attributes,
            slices=self.slices,
            reference=self.reference,
            alpha=alpha,
            min_support=min_support,
            seed=seed,
            computed=self.computed,
            computed_slices=self.computed_slices,
            probabilities=probabilities,
        )


def slice_samples(
    usable: pd.DataFrame,
    reference: pd.DataFrame | None,
    classes: Sequence[str],
    attributes: Sequence[str],
    section: SliceSection,
    computed: Sequence[str] = (),
) -> Slicing:
    """Cuts the evaluated samples into slices.

    Args:
        usable: the evaluated samples as `mine` returns them.
        reference: the training data's ``label`` (class names) and attributes, or None.
        classes: class names in index order.
        attributes: names of the attribute columns.
        section: smallest support, bands and their edges.
        computed: names of the columns of computed properties. Those that are the same for nearly
            all samples are left out, and none is crossed with another.

    Returns:
        The frames with categorical attributes, and the slices.
    """
    predictions = usable.copy()
    trained, skipped = _reference(reference, classes)
    kept: list[str] = []
    bands: dict[str, tuple[float, ...]] = {}
    skipped += [
        Skipped(
            check="slices", reason=f"{name}: edges are given, but the data has no such attribute"
        )
        for name in section.edges
        if name not in attributes
    ]
    for name in attributes:
        column = _Column(usable[name])
        edges = column.edges(section.edges.get(name), section.quantiles)
        predictions[name] = column.cut(edges)
        if trained is not None and name in trained:
            trained[name] = _Column(trained[name], numeric=edges is not None).cut(
                edges, first=list(predictions[name].cat.categories)
            )
        reason = _unfit(predictions[name], banded=edges is not None)
        if reason is not None:
            skipped.append(Skipped(check="slices", reason=f"{name}: {reason}"))
            continue
        kept.append(name)
        if edges is not None:
            bands[name] = edges
    varied, uniform = _computed(predictions, computed, section, bands)
    skipped += uniform
    single = section.model_copy(update={"intersections": False})
    return Slicing(
        predictions=predictions,
        reference=trained,
        attributes=tuple(kept),
        slices=tuple(_slices(predictions, kept, section)),
        skipped=tuple(skipped),
        edges=bands,
        computed=tuple(varied),
        computed_slices=tuple(_slices(predictions, varied, single)),
    )


def _computed(
    predictions: pd.DataFrame,
    names: Sequence[str],
    section: SliceSection,
    bands: dict[str, tuple[float, ...]],
) -> tuple[list[str], list[Skipped]]:
    """Cuts the columns of computed properties; returns those that can be compared."""
    varied, uniform = [], []
    for name in names:
        column = _Column(predictions[name])
        alike = _alike(column.numbers, properties.NEGLIGIBLE.get(property_name(name)))
        edges = None if alike else column.edges(section.edges.get(name), section.quantiles)
        predictions[name] = column.cut(edges)
        sizes = predictions[name].value_counts()
        if alike or int((sizes >= section.min_support).sum()) < 2:
            uniform.append(name)
            continue
        varied.append(name)
        if edges is not None:
            bands[name] = edges
    if not uniform:
        return varied, []
    reason = (
        f"{', '.join(uniform)}: nearly all images are alike in it, or fewer than "
        f"{section.min_support} differ; there is nothing to compare"
    )
    return varied, [Skipped(check="image-properties", reason=reason)]


def _alike(numbers: NDArray[np.float64] | None, negligible: float | None) -> bool:
    """Whether the middle 95 % of some numbers differ by less than anybody would notice."""
    if numbers is None or negligible is None:
        return False
    finite = numbers[np.isfinite(numbers)]
    # Where some files have the number and others have none, that itself can be compared.
    if 0 < len(finite) < len(numbers):
        return False
    low, high = np.quantile(finite, (0.025, 0.975)) if len(finite) else (0.0, 0.0)
    return bool(high - low < negligible)


def _reference(
    reference: pd.DataFrame | None, classes: Sequence[str]
) -> tuple[pd.DataFrame | None, list[Skipped]]:
    if reference is None:
        return None, []
    codes = pd.Index(list(classes)).get_indexer(pd.Index(reference["label"].astype("str")))
    known = codes >= 0
    trained = reference.loc[known].reset_index(drop=True)
    trained["label"] = pd.Categorical.from_codes(codes[known], pd.Index(list(classes)))
    if known.all():
        return trained, []
    strangers = sorted(set(reference["label"].astype("str")[~known]))
    return trained, [
        Skipped(
            check="reference",
            reason=f"{int((~known).sum())} of {len(known)} rows of the reference have a label that is "
            f"no class of the model, such as {strangers[0]!r}; they were left out",
        )
    ]


def _unfit(column: pd.Series, *, banded: bool) -> str | None:
    """Why samples can't be compared by an attribute, or None."""
    values = [value for value in column.cat.categories if value != MISSING]
    if not values:
        return "no sample has a value"
    if len(column.cat.categories) == 1:
        return f"every sample has the value {values[0]!r}; there is nothing to compare it with"
    present = int((column != MISSING).sum())
    if not banded and len(values) > min(_MOST_VALUES, max(present // 2, 2)):
        return (
            f"{len(values)} values for {present} samples: it names samples rather than kinds of them; "
            "group the values in the data to examine it"
        )
    return None


class _Column:
    """One attribute as text, and as numbers where it holds numbers.

    Attributes:
        numbers: (N,) float64, NaN where the value is missing; None for a column of words.
    """

    def __init__(self, column: pd.Series, *, numeric: bool | None = None) -> None:
        """Reads a column.

        Args:
            column: values of any type.
            numeric: whether to read numbers; None finds out. What is no number stays a word.
        """
        self._column = column
        if numeric is not False and pd.api.types.is_float_dtype(column):
            floats = column.to_numpy(dtype=np.float64, na_value=np.nan)
            # The same as below without writing every number down.
            self.numbers = None if numeric is None and bool(np.isnan(floats).all()) else floats
            return
        missing = np.array([value is None for value in self.text], dtype=bool)
        numbers = np.array([_number(value) for value in self.text], dtype=np.float64)
        whole = bool(np.array_equal(np.isnan(numbers), missing)) and not bool(missing.all())
        self.numbers = numbers if (whole if numeric is None else numeric) else None

    @cached_property
    def text(self) -> NDArray[np.object_]:
        """The cells as text, (N,); None where the value is missing."""
        return np.array([_text(value) for value in self._column.tolist()], dtype=object)

    def edges(self, stated: tuple[float, ...] | None, quantiles: int) -> tuple[float, ...] | None:
        """Inner edges of the bands, or None where each value is its own category."""
        if self.numbers is None:
            return None
        if stated is not None:
            return tuple(sorted(set(stated)))
        finite = self.numbers[np.isfinite(self.numbers)]
        distinct = np.unique(finite)
        if len(distinct) <= quantiles:
            return None
        wanted = np.unique(np.quantile(finite, np.arange(1, quantiles) / quantiles))
        # An edge at the least value would leave an empty band below it.
        if _whole(finite):  # a band of integers says the same with integer edges
            wanted = np.unique(np.ceil(wanted))
        inner = wanted[wanted > distinct[0]]
        if len(inner) == 0:
            return (float(distinct[1]),)
        return _rounded(inner, distinct)

    def cut(
        self, edges: tuple[float, ...] | None, first: list[str] | None = None
    ) -> pd.Categorical:
        """The column as categories.

        Args:
            edges: inner edges; None keeps the values.
            first: categories that shall come first, whether they occur or not.
        """
        if edges is None or self.numbers is None:
            labels = self.text
            order = sorted({value for value in labels if value is not None}, key=_natural)
        else:
            integers = _whole(self.numbers[np.isfinite(self.numbers)])
            names = np.array(_band_names(edges, integers=integers), dtype=object)
            known = ~np.isnan(self.numbers)
            bands = np.searchsorted(edges, np.where(known, self.numbers, 0.0), side="right")
            # In a reference, words may stand where the audited data has numbers: they stay words.
            labels = names[bands] if known.all() else np.where(known, names[bands], self.text)
            strangers = {value for value in labels[~known] if value is not None}
            used = set(bands[known])
            order = [name for k, name in enumerate(names) if k in used] + sorted(strangers)
        filled = np.array([MISSING if value is None else value for value in labels], dtype=object)
        order = [value for value in order if value != MISSING]
        if (filled == MISSING).any():
            order.append(MISSING)
        if first is not None:
            order = first + [value for value in order if value not in first]
        return pd.Categorical(filled, categories=order)


def _whole(numbers: NDArray[np.float64]) -> bool:
    return bool(np.all(np.mod(numbers, 1) == 0))


def _text(value: object) -> str | None:
    """A cell as text; None where it is missing."""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, float | np.floating):
        if np.isnan(value):
            return None
        # Integers with missing values arrive as floats: 3.0 is shown as 3.
        return str(int(value)) if np.isfinite(value) and value == int(value) else repr(float(value))
    return str(value).strip() or None


def _number(text: str | None) -> float:
    """A text as a number; NaN where it is none."""
    try:
        return np.nan if text is None else float(text)
    except ValueError:
        return np.nan


def _natural(value: str) -> tuple[int, float, str]:
    """Sorts numbers by size, before words by alphabet."""
    try:
        return (0, float(value), value)
    except ValueError:
        return (1, 0.0, value)


def _rounded(edges: NDArray[np.float64], distinct: NDArray[np.float64]) -> tuple[float, ...]:
    """Edges with as few digits as move them by at most a twentieth of the narrowest band."""
    ends = np.concatenate([distinct[:1], edges, distinct[-1:]])
    widths = np.diff(ends)
    digits = 1 - int(np.floor(np.log10(widths[widths > 0].min())))
    rounded = np.unique(np.round(edges, digits) + 0.0)  # "+ 0.0" makes a negative zero a zero
    return tuple(
        float(edge) for edge in rounded[(rounded > distinct[0]) & (rounded <= distinct[-1])]
    )


def _band_names(edges: tuple[float, ...], *, integers: bool) -> list[str]:
    shown = [f"{edge:.12g}" for edge in edges]
    whole = integers and all(edge == int(edge) for edge in edges)
    dash = "–" if edges and edges[0] >= 0 else " to "  # a dash before a minus sign can't be read
    middle = [
        (low if after - before == 1 else f"{low}{dash}{int(after) - 1}")
        if whole
        else f"{low}{dash}{high}"
        for (before, after), (low, high) in zip(
            itertools.pairwise(edges), itertools.pairwise(shown), strict=True
        )
    ]
    return [f"under {shown[0]}", *middle, f"{shown[-1]} and over"] if shown else ["any"]


def _slices(
    predictions: pd.DataFrame, attributes: list[str], section: SliceSection
) -> Iterator[Slice]:
    columns = {name: predictions[name].cat for name in attributes}
    values = {name: [str(value) for value in columns[name].categories] for name in attributes}
    codes = {name: columns[name].codes.to_numpy(dtype=np.int64) for name in attributes}
    labels = [str(value) for value in predictions["label"].cat.categories]
    label = predictions["label"].cat.codes.to_numpy(dtype=np.int64)
    for name in attributes:
        for code, rows in _groups(codes[name]):
            yield Slice(SliceKey(attributes={name: values[name][code]}), rows)
    for name in attributes:
        for code, rows in _groups(codes[name] * len(labels) + label):
            value, k = divmod(code, len(labels))
            yield Slice(SliceKey(attributes={name: values[name][value]}, label=labels[k]), rows)
    if not section.intersections:
        return
    for one, other in itertools.combinations(attributes, 2):
        for code, rows in _groups(codes[one] * len(values[other]) + codes[other]):
            if len(rows) >= section.min_support:
                first, second = divmod(code, len(values[other]))
                key = SliceKey(attributes={one: values[one][first], other: values[other][second]})
                yield Slice(key, rows)


def _groups(codes: NDArray[Any]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """The positions of every code, ascending; codes ascending too."""
    order = np.argsort(codes, kind="stable")
    present, starts = np.unique(codes[order], return_index=True)
    for code, rows in zip(present, np.split(order, starts[1:]), strict=True):
        yield int(code), rows
