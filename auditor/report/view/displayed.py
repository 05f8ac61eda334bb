"""A result with the display names that its configuration gives to classes, attributes and values.

HTML, PDF and Markdown are built from it, so that no template and no chart has to know of display names.
The sentences of a result have them already. JSON, CSV, SARIF and JUnit keep the names of the data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from auditor.records import AuditResult, PopulationValue
from auditor.records.attributes import AttributeRecord
from auditor.records.base import Record, SliceKey
from auditor.records.clusters import ClusterRecord
from auditor.records.decisions import DecisionRecord
from auditor.records.display_names import DisplayNames
from auditor.records.evidence import (
    ComparedValue,
    Contingency,
    Curve,
    HeldFixed,
    HeldFixedGap,
    ImagePrediction,
    IntersectionContrast,
    Intervention,
    InterventionExample,
    MediatedPart,
    MetricComparison,
    SampleRef,
    SliceComparison,
    ValueSpread,
)
from auditor.records.explanations import MapRecord, MeanMap, SheetImage
from auditor.records.metrics import MetricValue, OperatingCurve
from auditor.records.outcome import CriterionResult
from auditor.records.population import PopulationRecord
from auditor.records.predictions import LABEL, PREDICTED
from auditor.records.provenance import Provenance
from auditor.records.result import ClassRecord, ConfusionPair, SliceRecord
from auditor.records.selection import RateTable, SelectionRates

_CLASSES: Mapping[type[Record], tuple[str, ...]] = {
    ClassRecord: ("name",),
    ConfusionPair: ("label", "predicted"),
    Contingency: ("labels",),
    CriterionResult: ("class_name",),
    DecisionRecord: ("positive", "negated"),
    ImagePrediction: ("predicted",),
    Intervention: ("flipped_to",),
    InterventionExample: ("label",),
    MapRecord: ("target",),
    MeanMap: ("label",),
    MetricComparison: ("class_name",),
    MetricValue: ("class_name",),
    OperatingCurve: ("class_name",),
    SampleRef: ("label",),
    SheetImage: ("label", "predicted"),
    SliceComparison: ("most_predicted",),
    SliceKey: ("label", "predicted"),
    SliceRecord: ("label",),
}
"""Fields with the name of a class, or with several."""
_ATTRIBUTES: Mapping[type[Record], tuple[str, ...]] = {
    AttributeRecord: ("name",),
    ClusterRecord: ("name",),
    Contingency: ("attribute",),
    Curve: ("x_name",),
    HeldFixed: ("held", "through"),
    HeldFixedGap: ("attribute",),
    MeanMap: ("attribute",),
    MediatedPart: ("attribute",),
    PopulationRecord: ("names",),
    PopulationValue: ("attribute",),
    ValueSpread: ("attribute",),
}
"""Fields with the name of an attribute, or with several."""
_VALUES: Mapping[type[Record], tuple[str, tuple[str, ...]]] = {
    AttributeRecord: ("name", ("order",)),
    Contingency: ("attribute", ("values",)),
    MeanMap: ("attribute", ("value",)),
    PopulationValue: ("attribute", ("value",)),
    ValueSpread: ("attribute", ("furthest_apart",)),
}
"""The field with the name of an attribute, and those with one or several of its values."""


def with_display_names(result: AuditResult, names: DisplayNames) -> AuditResult:
    """A result as people read it.

    Computed properties are named in words even where there are no display names.

    Args:
        result: of an audit.
        names: the display names of its configuration; may be empty.
    """
    # The maps of thousands of images name no computed property.
    kept = frozenset() if names else frozenset({"explanations"})
    fields = {name: getattr(result, name) for name in AuditResult.model_fields}
    renamed = {name: one if name in kept else _renamed(one, names) for name, one in fields.items()}
    return AuditResult.model_construct(result.model_fields_set, **renamed)


def table_with_display_names(
    table: pd.DataFrame, attributes: Sequence[str], names: DisplayNames
) -> pd.DataFrame:
    """Samples or decisions as people read them.

    Args:
        table: with label, predicted class and attributes.
        attributes: names of its attribute columns.
        names: the display names.
    """
    if not names:
        return table
    columns = {name: table[name].map(names.of_class) for name in (LABEL, PREDICTED)}
    for name in attributes:
        columns[name] = table[name].map(_cell_names(name, names), na_action="ignore")
    return table.assign(**columns).rename(columns=names.attributes)


def _cell_names(attribute: str, names: DisplayNames) -> Callable[[Any], Any]:
    """The display name of a cell; a cell without one stays as it is."""

    def shown(cell: Any) -> Any:
        text = str(cell)
        name = names.of_value(attribute, text)
        return cell if name == text else name

    return shown


def _renamed(value: Any, names: DisplayNames) -> Any:
    """A record, or a container of records, with display names."""
    if isinstance(value, Record):
        return _renamed_record(value, names)
    if isinstance(value, list | tuple):
        return type(value)(_renamed(one, names) for one in value)
    if isinstance(value, dict):
        return {key: _renamed(one, names) for key, one in value.items()}
    return value


def _renamed_record(record: Record, names: DisplayNames) -> Record:
    kind = type(record)
    fields = {name: _renamed(getattr(record, name), names) for name in kind.model_fields}
    for name in _CLASSES.get(kind, ()):
        fields[name] = _each(fields[name], names.of_class)
    for name in _ATTRIBUTES.get(kind, ()):
        fields[name] = _each(fields[name], names.of_attribute)
    if kind in _VALUES:
        source, targets = _VALUES[kind]
        of_value = names.values_of(getattr(record, source))
        fields |= {name: _each(fields[name], of_value) for name in targets}
    fields |= _special(record, names)
    # A copy would keep the cached properties of the original.
    return kind.model_construct(record.model_fields_set, **fields)


def _special(record: Record, names: DisplayNames) -> dict[str, Any]:
    """The fields in which names stand otherwise than in the tables above."""
    if isinstance(record, SliceKey | SliceRecord):
        return {"attributes": names.of_slice(record.attributes)}
    if isinstance(record, ValueSpread):
        of_value = names.values_of(record.attribute)
        compared = record.model_dump()["values"]
        shown = ("value", "compared_with")
        return {
            "values": tuple(
                ComparedValue(**one | {name: _each(one[name], of_value) for name in shown})
                for one in compared
            )
        }
    if isinstance(record, Curve):
        of_value = names.values_of(record.x_name)
        points = (one.model_copy(update={"name": of_value(one.name)}) for one in record.points)
        return {"points": tuple(points)}
    if isinstance(record, RateTable | SelectionRates):
        return _selection(record, names)
    if isinstance(record, IntersectionContrast):
        gaps = record.against_each.items()
        return {
            "against_each": {
                " and ".join(map(names.of_attribute, key.split(" and "))): gap for key, gap in gaps
            }
        }
    return {"config": _stated(record, names)} if isinstance(record, Provenance) else {}


def _selection(record: RateTable | SelectionRates, names: DisplayNames) -> dict[str, Any]:
    """Selection rates, and their tables."""
    if isinstance(record, SelectionRates):
        absent = _each(record.absent, names.of_attribute)
        return {"selected": names.of_class(record.selected), "absent": absent}
    categories = tuple(
        one.model_copy(update={"names": tuple(map(names.of_value, record.attributes, one.names))})
        for one in record.categories
    )
    return {"attributes": _each(record.attributes, names.of_attribute), "categories": categories}


def _stated(record: Provenance, names: DisplayNames) -> dict[str, Any]:
    """The configuration, where documents compare it with classes and attributes."""
    about = record.stated.about
    selected = None if about.selected is None else names.of_class(about.selected)
    changed = {"sensitive": [names.of_attribute(one) for one in about.sensitive]}
    given = record.config.get("about")
    known = given if isinstance(given, dict) else {}
    return {**record.config, "about": {**known, **changed, "selected": selected}}


def _each(value: Any, rename: Any) -> Any:
    """A name, or each of several; nothing where there is none."""
    if value is None:
        return None
    if isinstance(value, list | tuple):
        return type(value)(rename(one) for one in value)
    return rename(value)
