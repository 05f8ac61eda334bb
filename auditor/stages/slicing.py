"""Slicing: turn attributes into categories, and their values and intersections into slices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auditor.attributes.categories import Categories, categories_of, pooled_note
from auditor.attributes.cells import Cells, read_numbers, read_text, stored_cells
from auditor.attributes.computed import cut_computed
from auditor.attributes.slices import slices_of
from auditor.attributes.tails import tails
from auditor.attributes.typed_columns import typed_column
from auditor.config import SliceSection
from auditor.datasets.labels import label_codes
from auditor.phrasing import several
from auditor.records import (
    MISSING,
    OTHER_VALUES,
    AttributeRecord,
    AttributeSpec,
    AuditData,
    Clusters,
    Declarations,
    OrderedValues,
    Skipped,
    Slice,
)
from auditor.records.predictions import LABEL


@dataclass(frozen=True)
class Slicing:
    """The evaluated samples, divided into slices.

    Attributes:
        predictions: the evaluated samples with all attributes as categoricals: numbers are cut into
            bands, rare values of very many are ``(other values)``, missing ones ``(missing)``.
        reference: the training data with the same categories, without the rows whose label is not a
            class; or None.
        attributes: those that can be compared, because they have several values, but not one per
            sample.
        slices: see `slices_of`.
        skipped: attributes that were left out or pooled, and why.
        records: every attribute with its type.
        ordered: the values of the ordered attributes.
        computed: the computed properties that can be compared.
        computed_slices: every value of them, and every value within every label.
        declared: reference values and roles that the configuration states.
    """

    predictions: pd.DataFrame
    reference: pd.DataFrame | None
    attributes: tuple[str, ...]
    slices: tuple[Slice, ...]
    skipped: tuple[Skipped, ...]
    records: tuple[AttributeRecord, ...]
    ordered: Mapping[str, OrderedValues] = field(default_factory=dict)
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
            ordered=self.ordered,
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
    types: Mapping[str, AttributeSpec] | None = None,
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
        types: types of attributes whose columns hold numbers or text accordingly; those of all
            others are guessed.

    Returns:
        The frames with categorical attributes, and the slices.
    """
    predictions = usable.copy(deep=False)  # only columns are replaced
    trained, skipped = _known_labels(reference, classes)
    found: dict[str, Categories] = {}
    for name in attributes:
        cells, spec = _typed(predictions[name], name, (types or {}).get(name), section)
        found[name] = categories_of(
            cells,
            spec,
            stated_edges=section.edges.get(name),
            quantiles=section.quantiles,
            min_support=section.min_support,
        )
        predictions[name] = found[name].column
        if trained is not None and name in trained:
            trained[name] = _of_reference(trained[name], cells, found[name])
    skipped += _notes(found, section, trained)
    kept = [name for name, one in found.items() if one.record.left_out is None]
    ends = {name: tuple(tails(found[name], section.min_support)) for name in kept}
    varied, uniform = cut_computed(predictions, computed, section)
    declared, unusable = _declared(section, predictions, kept)
    return Slicing(
        predictions=predictions,
        reference=trained,
        attributes=tuple(kept),
        slices=tuple(
            slices_of(
                predictions,
                kept,
                ends,
                most_crossed=section.most_crossed,
                smallest_crossed=section.min_support,
            )
        ),
        skipped=(*skipped, *uniform, *unusable),
        records=tuple(one.record for one in found.values()),
        ordered={name: one.ordered for name, one in found.items() if one.ordered is not None},
        computed=tuple(varied),
        computed_slices=tuple(slices_of(predictions, varied, {}, most_crossed=1)),
        declared=declared,
    )


def _declared(
    section: SliceSection, predictions: pd.DataFrame, kept: Sequence[str]
) -> tuple[Declarations, list[Skipped]]:
    """The reference values and roles of attributes that are compared."""
    references, notes = {}, []
    for name, value in section.reference.items():
        if name not in kept:
            continue
        values = [str(one) for one in predictions[name].cat.categories]
        if value in values:
            references[name] = value
        else:
            notes.append(
                f"{name}: the reference value {value!r} does not occur; its values are "
                f"{several(values, 6)}"
            )
    roles = {name: role for name, role in section.roles.items() if name in kept}
    return Declarations(references, roles), [Skipped(check="slices", reason=one) for one in notes]


def _typed(
    column: pd.Series, name: str, spec: AttributeSpec | None, section: SliceSection
) -> tuple[Cells, AttributeSpec]:
    """The cells of an attribute and its type."""
    if spec is not None:
        return stored_cells(column), spec
    typed = typed_column(column, None, name, has_edges=name in section.edges)
    return typed.cells, typed.spec


def _of_reference(column: pd.Series, audited: Cells, found: Categories) -> pd.Categorical:
    """An attribute of the training data in the categories of the audited data."""
    cells = read_text(column) if audited.numbers is None else read_numbers(column)
    return found.rule.categories(cells, first=[str(one) for one in found.column.categories])


def _notes(
    found: Mapping[str, Categories], section: SliceSection, trained: pd.DataFrame | None
) -> list[Skipped]:
    """What is said of attributes that were left out, pooled, or not cut as the configuration says."""
    stated: dict[str, Iterable[str]] = {
        "edges": section.edges,
        "a reference value": section.reference,
        "a role": section.roles,
    }
    notes = [
        f"{name}: the configuration gives {what}, but the data has no such attribute"
        for what, names in stated.items()
        for name in names
        if name not in found
    ]
    for name, one in found.items():
        record = one.record
        if record.left_out is not None:
            notes.append(f"{name}: {record.left_out}")
            continue
        if name in section.edges and record.edges is None:
            notes.append(
                f"{name}: the configuration gives edges, but the values were not cut: the attribute is "
                f"{record.type}"
            )
        if record.n_pooled:
            notes.append(pooled_note(record, int((one.column == OTHER_VALUES).sum())))
        if trained is not None and name in trained and _disjoint(one, trained[name]):
            notes.append(
                f"{name}: the training data has none of the values of the audited data; check whether "
                "both spell them in the same way"
            )
    return [Skipped(check="slices", reason=note) for note in notes]


def _disjoint(found: Categories, reference: pd.Series) -> bool:
    """Whether the training data has values, but none of the audited data."""
    audited = set(found.column.categories) - {MISSING}
    values = set(reference.cat.remove_unused_categories().cat.categories) - {MISSING}
    return bool(values) and audited.isdisjoint(values)


def _known_labels(
    reference: pd.DataFrame | None, classes: Sequence[str]
) -> tuple[pd.DataFrame | None, list[Skipped]]:
    """The rows of the training data whose label is a class of the model."""
    if reference is None:
        return None, []
    labels = reference[LABEL]
    indices = label_codes(labels, classes)
    known = indices >= 0
    trained = reference.loc[known].reset_index(drop=True)
    trained[LABEL] = pd.Categorical.from_codes(indices[known], pd.Index(list(classes)))
    if known.all():
        return trained, []
    unknown = sorted({str(label) for label in labels[~known]})
    reason = (
        f"{int((~known).sum())} of {len(known)} rows of the reference have a label that is not a "
        f"class of the model, such as {unknown[0]!r}; they were left out"
    )
    return trained, [Skipped(check="reference", reason=reason)]
