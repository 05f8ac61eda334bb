"""Slicing: turn attributes into categories, and their values and pairs of values into slices."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auditor.comparisons.attribute_bands import AttributeColumn
from auditor.config import SliceSection
from auditor.imaging import properties
from auditor.phrasing import several
from auditor.records import MISSING, AuditData, Clusters, Declarations, Skipped, Slice, SliceKey
from auditor.records.predictions import LABEL, codes, property_name

_MOST_VALUES = 50
"""A text attribute with more values identifies samples (by file, patient, date) rather than groups."""


@dataclass(frozen=True)
class Slicing:
    """The evaluated samples, divided into slices.

    Attributes:
        predictions: the evaluated samples with all attributes as categoricals: numbers are cut into
            bands, missing values are ``(missing)``.
        reference: the training data with the same categories, without the rows whose label is not a
            class; or None.
        attributes: those that can be compared, because they have several values, but not one per
            sample.
        slices: every attribute value; every attribute value within every label; then pairs of
            values of two attributes with at least the smallest support. In the order of the
            attributes and of their categories.
        skipped: attributes that were left out, and why.
        edges: inner edges of the bands of each numeric attribute; a band includes its lower edge.
        computed: the computed properties that can be compared.
        computed_slices: every value of them, and every value within every label.
        declared: reference values and roles that the configuration states.
    """

    predictions: pd.DataFrame
    reference: pd.DataFrame | None
    attributes: tuple[str, ...]
    slices: tuple[Slice, ...]
    skipped: tuple[Skipped, ...]
    edges: dict[str, tuple[float, ...]]
    computed: tuple[str, ...] = ()
    computed_slices: tuple[Slice, ...] = ()
    declared: Declarations = field(default_factory=Declarations)

    def audit_data(
        self,
        classes: Sequence[str],
        *,
        alpha: float,
        min_support: int,
        seed: int,
        probabilities: NDArray[np.float32] | None = None,
        clusters: Clusters | None = None,
    ) -> AuditData:
        """What the checks examine, without model and images.

        Args:
            classes: class names in index order.
            alpha: false discovery rate of the audit.
            min_support: smallest slice that is tested.
            seed: of permutations and bootstraps.
            probabilities: (n, K) softmax probabilities, or None.
            clusters: which samples belong together, or None.
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
            declared=self.declared,
            clusters=None if clusters is None or clusters.independent else clusters,
        )


def slice_samples(
    usable: pd.DataFrame,
    reference: pd.DataFrame | None,
    classes: Sequence[str],
    attributes: Sequence[str],
    section: SliceSection,
    computed: Sequence[str] = (),
) -> Slicing:
    """Divides the evaluated samples into slices.

    Args:
        usable: the evaluated samples, as `find_failures` returns them.
        reference: the training data's ``label`` (class names) and attributes, or None.
        classes: class names in index order.
        attributes: names of the attribute columns.
        section: smallest support, bands and their edges.
        computed: names of the columns of computed properties. Those that hardly vary are left out,
            and none is crossed with another attribute.

    Returns:
        The frames with categorical attributes, and the slices.
    """
    predictions = usable.copy()
    trained, skipped = _known_labels(reference, classes)
    skipped += _unknown(section, attributes)
    kept: list[str] = []
    bands: dict[str, tuple[float, ...]] = {}
    for name in attributes:
        edges = _cut(predictions, trained, name, section)
        reason = _not_comparable(predictions[name], banded=edges is not None)
        if reason is not None:
            skipped.append(Skipped(check="slices", reason=f"{name}: {reason}"))
            continue
        kept.append(name)
        if edges is not None:
            bands[name] = edges
    varied, uniform = _cut_computed(predictions, computed, section, bands)
    skipped += uniform
    declared, unusable = _declared(section, predictions, kept)
    skipped += unusable
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
        declared=declared,
    )


def _unknown(section: SliceSection, attributes: Sequence[str]) -> list[Skipped]:
    """What the configuration states of attributes that the data does not have."""
    stated: dict[str, Iterable[str]] = {
        "edges": section.edges,
        "a reference value": section.reference,
        "a role": section.roles,
    }
    return [
        Skipped(
            check="slices",
            reason=f"{name}: the configuration gives {what}, but the data has no such attribute",
        )
        for what, names in stated.items()
        for name in names
        if name not in attributes
    ]


def _declared(
    section: SliceSection, predictions: pd.DataFrame, kept: Sequence[str]
) -> tuple[Declarations, list[Skipped]]:
    """The reference values and roles of attributes that are compared."""
    references, skipped = {}, []
    for name, value in section.reference.items():
        if name not in kept:
            continue
        values = [str(one) for one in predictions[name].cat.categories]
        if value in values:
            references[name] = value
        else:
            reason = (
                f"{name}: the reference value {value!r} does not occur; its values are "
                f"{several(values, 6)}"
            )
            skipped.append(Skipped(check="slices", reason=reason))
    roles = {name: role for name, role in section.roles.items() if name in kept}
    return Declarations(references, roles), skipped


def _cut(
    predictions: pd.DataFrame, trained: pd.DataFrame | None, name: str, section: SliceSection
) -> tuple[float, ...] | None:
    """Makes an attribute categorical in both frames; returns the edges of its bands."""
    column = AttributeColumn(predictions[name])
    edges = column.edges(section.edges.get(name), section.quantiles)
    predictions[name] = column.cut(edges)
    if trained is not None and name in trained:
        trained[name] = AttributeColumn(trained[name], numeric=edges is not None).cut(
            edges, first=list(predictions[name].cat.categories)
        )
    return edges


def _cut_computed(
    predictions: pd.DataFrame,
    names: Sequence[str],
    section: SliceSection,
    bands: dict[str, tuple[float, ...]],
) -> tuple[list[str], list[Skipped]]:
    """Makes computed properties categorical; returns those that can be compared."""
    varied, uniform = [], []
    for name in names:
        column = AttributeColumn(predictions[name])
        hardly_varies = _hardly_varies(
            column.numbers, properties.NEGLIGIBLE.get(property_name(name))
        )
        edges = None if hardly_varies else column.edges(section.edges.get(name), section.quantiles)
        predictions[name] = column.cut(edges)
        sizes = predictions[name].value_counts()
        if hardly_varies or int((sizes >= section.min_support).sum()) < 2:
            uniform.append(name)
            continue
        varied.append(name)
        if edges is not None:
            bands[name] = edges
    if not uniform:
        return varied, []
    reason = (
        f"{', '.join(uniform)}: the same for nearly all images, or different in fewer than "
        f"{section.min_support}; there is nothing to compare"
    )
    return varied, [Skipped(check="image-properties", reason=reason)]


def _hardly_varies(numbers: NDArray[np.float64] | None, negligible: float | None) -> bool:
    """Whether the range of the middle 95 % of the values is negligible."""
    if numbers is None or negligible is None:
        return False
    finite = numbers[np.isfinite(numbers)]
    # If only some files have the number, that itself can be compared.
    if 0 < len(finite) < len(numbers):
        return False
    low, high = np.quantile(finite, (0.025, 0.975)) if len(finite) else (0.0, 0.0)
    return bool(high - low < negligible)


def _known_labels(
    reference: pd.DataFrame | None, classes: Sequence[str]
) -> tuple[pd.DataFrame | None, list[Skipped]]:
    """The rows of the training data whose label is a class of the model."""
    if reference is None:
        return None, []
    labels = reference[LABEL].astype("str")
    indices = pd.Index(list(classes)).get_indexer(pd.Index(labels))
    known = indices >= 0
    trained = reference.loc[known].reset_index(drop=True)
    trained[LABEL] = pd.Categorical.from_codes(indices[known], pd.Index(list(classes)))
    if known.all():
        return trained, []
    unknown = sorted(set(labels[~known]))
    reason = (
        f"{int((~known).sum())} of {len(known)} rows of the reference have a label that is not a "
        f"class of the model, such as {unknown[0]!r}; they were left out"
    )
    return trained, [Skipped(check="reference", reason=reason)]


def _not_comparable(column: pd.Series, *, banded: bool) -> str | None:
    """Why samples can't be compared by an attribute; None where they can."""
    values = [value for value in column.cat.categories if value != MISSING]
    if not values:
        return "no sample has a value"
    if len(column.cat.categories) == 1:
        return f"every sample has the value {values[0]!r}; there is nothing to compare it with"
    present = int((column != MISSING).sum())
    if not banded and len(values) > min(_MOST_VALUES, max(present // 2, 2)):
        return (
            f"{len(values)} values for {present} samples: it identifies samples rather than groups; "
            "to examine it, group its values in the data"
        )
    return None


def _slices(
    predictions: pd.DataFrame, attributes: list[str], section: SliceSection
) -> Iterator[Slice]:
    values = {
        name: [str(value) for value in predictions[name].cat.categories] for name in attributes
    }
    value_of = {name: codes(predictions[name]) for name in attributes}
    labels = [str(value) for value in predictions[LABEL].cat.categories]
    label = codes(predictions[LABEL])
    for name in attributes:
        for code, rows in _rows_by_code(value_of[name]):
            yield Slice(SliceKey(attributes={name: values[name][code]}), rows)
    for name in attributes:
        for code, rows in _rows_by_code(value_of[name] * len(labels) + label):
            value, k = divmod(code, len(labels))
            yield Slice(SliceKey(attributes={name: values[name][value]}, label=labels[k]), rows)
    if not section.intersections:
        return
    for one, other in itertools.combinations(attributes, 2):
        for code, rows in _rows_by_code(value_of[one] * len(values[other]) + value_of[other]):
            if len(rows) >= section.min_support:
                first, second = divmod(code, len(values[other]))
                key = SliceKey(attributes={one: values[one][first], other: values[other][second]})
                yield Slice(key, rows)


def _rows_by_code(code_of: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """The positions of every code; codes and positions in ascending order."""
    order = np.argsort(code_of, kind="stable")
    present, starts = np.unique(code_of[order], return_index=True)
    for code, rows in zip(present, np.split(order, starts[1:]), strict=True):
        yield int(code), rows
