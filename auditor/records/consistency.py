"""Whether the parts of a result agree with each other, as the documents rely on.

Types alone do not say that a table is rectangular, that an interval is not upside down, or that a class
exists. An audit writes only results that agree; a file of another hand may hold anything.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, ValidationError

from auditor.records.attributes import AttributeRecord
from auditor.records.base import Estimate
from auditor.records.decisions import DecisionRecord, absent
from auditor.records.evidence import (
    Contingency,
    Curve,
    Grid,
    ImageDifference,
    ImagePrediction,
    MapShift,
    MetricComparison,
    RegionBox,
    Table,
    ValueSpread,
)
from auditor.records.expectations import sentence
from auditor.records.explanations import (
    FailureMap,
    MapRecord,
    MeanMap,
    PanelRecord,
    SheetImage,
    UnitRecord,
)
from auditor.records.metric_names import metric_named
from auditor.records.metrics import MetricValue, OperatingCurve, ReliabilityDiagram
from auditor.records.provenance import RunInfo, StatedConfiguration
from auditor.records.result import AuditResult

Fault = tuple[str, str]
"""The place of a fault, such as ``findings.3.effect``, and what was expected and came."""

_PROBABILITIES = frozenset({"p_value", "q_value", "level", "alpha", "interval_confidence"})
_SIGNED = frozenset({"seed"})
"""Integers that are no counts."""
_SLACK = 1e-9
"""Rounding of a bound that was computed."""
_YEARS = (1970, 9000)
_REFERENCE = re.compile(r"explanations/[\w.-]+\.parquet#[0-9]{1,9}", re.ASCII)


def faults(result: AuditResult) -> Iterator[Fault]:
    """What does not agree, in the order of the document."""
    yield from _configuration(result)
    for place, record in _records(result, ""):
        for name, text in _numbers(record):
            yield f"{place}{name}", text
        for kind, rule in _RULES.items():
            if isinstance(record, kind):
                for name, text in rule(record):
                    yield f"{place}{name}".rstrip("."), text
    yield from _names(result)


def _records(record: BaseModel, place: str) -> Iterator[tuple[str, BaseModel]]:
    """All records with their places, each ending in a dot."""
    yield place, record
    for name in type(record).model_fields:
        yield from _inner(getattr(record, name), f"{place}{name}.")


def _inner(value: Any, place: str) -> Iterator[tuple[str, BaseModel]]:
    if isinstance(value, BaseModel):
        yield from _records(value, place)
    elif isinstance(value, list | tuple):
        for position, one in enumerate(value):
            yield from _inner(one, f"{place}{position}.")
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _inner(one, f"{place}{key}.")


def _configuration(result: AuditResult) -> Iterator[Fault]:
    try:
        StatedConfiguration.model_validate(result.provenance.config)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, ("provenance", "config", *first["loc"])))
        yield place, f"{sentence(first)}; got {str(first['input'])[:80]!r}"


def _numbers(record: BaseModel) -> Iterator[Fault]:
    for name in type(record).model_fields:
        value = getattr(record, name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if isinstance(value, int) and value < 0 and name not in _SIGNED:
            yield name, f"expected a count of at least 0; got {value}"
        if name in _PROBABILITIES and not 0 <= value <= 1 + _SLACK:
            yield name, f"expected a probability from 0 to 1; got {value}"


def _interval(one: Estimate) -> Iterator[Fault]:
    if one.low > one.high + _SLACK:
        yield "", f"expected `low` up to `high`; got {one.low:g} and {one.high:g}"


def _run(one: RunInfo) -> Iterator[Fault]:
    if not _YEARS[0] <= one.created_at.year < _YEARS[1]:
        yield "created_at", f"expected a year of this era; got {one.created_at.year}"


def _attribute(one: AttributeRecord) -> Iterator[Fault]:
    edges = one.edges or ()
    if any(left >= right for left, right in pairwise(edges)):
        yield "edges", f"expected ascending numbers; got {edges}"


def _decision(one: DecisionRecord) -> Iterator[Fault]:
    if len(one.thresholds) != len(one.positive):
        yield (
            "thresholds",
            f"expected one for each of {len(one.positive)} positive classes; got {len(one.thresholds)}",
        )
    if one.task == "binary" and len(one.positive) != 1:
        yield "positive", f"expected one class in a binary task; got {len(one.positive)}"
    if one.task == "multi-label" and not one.positive:
        yield "positive", "expected the labels of a multi-label task; got none"


def _box(one: RegionBox) -> Iterator[Fault]:
    left, upper, right, lower = one.box
    if not (-_SLACK <= left <= right <= 1 + _SLACK and -_SLACK <= upper <= lower <= 1 + _SLACK):
        yield "box", f"expected left, upper, right and lower edge from 0 to 1; got {one.box}"


def _grid(name: str, grid: Grid) -> Iterator[Fault]:
    widths = sorted({len(row) for row in grid})
    if len(widths) != 1 or not widths[0]:
        yield name, f"expected rows of the same length, at least 1; got lengths {widths}"


def _map_shift(one: MapShift) -> Iterator[Fault]:
    for name in ("mean_map", "mean_map_of_others", "difference"):
        yield from _grid(name, getattr(one, name))


def _image_difference(one: ImageDifference) -> Iterator[Fault]:
    yield from _grid("brightness", one.brightness)


def _contingency(one: Contingency) -> Iterator[Fault]:
    widths = {len(row) for row in one.counts}
    if len(one.counts) != len(one.labels) or not widths <= {len(one.values)}:
        yield (
            "counts",
            (
                f"expected {len(one.labels)} rows of {len(one.values)} counts; got {len(one.counts)} rows of "
                f"{sorted(widths)}"
            ),
        )


def _table(one: Table) -> Iterator[Fault]:
    n = len(one.columns)
    for position, row in enumerate(one.rows):
        if len(row) != n:
            yield f"rows.{position}", f"expected {n} cells, one per column; got {len(row)}"
    if one.units and len(one.units) != n:
        yield "units", f"expected none, or {n}, one per column; got {len(one.units)}"


def _spread(one: ValueSpread) -> Iterator[Fault]:
    values = [each.value for each in one.values]
    yield from _unique("values", values)
    for name in one.furthest_apart:
        if name not in values:
            yield "furthest_apart", f"expected values out of {_few(values)}; got {name!r}"
    if not any(each.compared_with is not None for each in one.values):
        yield "values", "expected at least one that is compared with another; got none"


def _metric(name: str) -> Callable[[Any], Iterator[Fault]]:
    def rule(one: Any) -> Iterator[Fault]:
        stated = getattr(one, name)
        try:
            if stated is not None:
                metric_named(stated)
        except ValueError as error:
            yield name, str(error)

    return rule


def _curve(one: OperatingCurve) -> Iterator[Fault]:
    if len(one.x) != len(one.y) or not one.x:
        yield "y", f"expected as many values as `x`, at least 1; got {len(one.x)} and {len(one.y)}"
    yield from _metric("chosen_by")(one)


def _at_least_one(name: str) -> Callable[[Any], Iterator[Fault]]:
    def rule(one: Any) -> Iterator[Fault]:
        if not getattr(one, name):
            yield name, "expected at least 1; got none"

    return rule


def _reference(*names: str) -> Callable[[Any], Iterator[Fault]]:
    def rule(one: Any) -> Iterator[Fault]:
        for name in names:
            stated = getattr(one, name)
            for reference in (stated,) if isinstance(stated, str) else stated:
                if not _REFERENCE.fullmatch(reference):
                    example = "explanations/maps-00000.parquet#12"
                    yield name, f"expected a reference such as {example!r}; got {reference[:80]!r}"

    return rule


def _failure_map(one: FailureMap) -> Iterator[Fault]:
    for position, point in enumerate(one.points):
        if point.slice is not None and not 0 <= point.slice < len(one.slices):
            expected = f"expected a position among {len(one.slices)} slices"
            yield f"points.{position}.slice", f"{expected}; got {point.slice}"


def _image(one: ImagePrediction) -> Iterator[Fault]:
    if one.image:
        yield from _reference("image")(one)


_RULES: Mapping[type[BaseModel], Callable[[Any], Iterator[Fault]]] = {
    Estimate: _interval,
    RunInfo: _run,
    AttributeRecord: _attribute,
    DecisionRecord: _decision,
    RegionBox: _box,
    MapShift: _map_shift,
    ImageDifference: _image_difference,
    Contingency: _contingency,
    Table: _table,
    ValueSpread: _spread,
    MetricValue: _metric("metric"),
    MetricComparison: _metric("metric"),
    OperatingCurve: _curve,
    Curve: _at_least_one("points"),
    ReliabilityDiagram: _at_least_one("bins"),
    MapRecord: _reference("map", "image"),
    MeanMap: _reference("map"),
    PanelRecord: _reference("panel"),
    UnitRecord: _reference("images"),
    FailureMap: _failure_map,
    ImagePrediction: _image,
    SheetImage: _reference("image"),
}


def _names(result: AuditResult) -> Iterator[Fault]:
    """Names of classes, attributes and findings that do not exist, or exist twice."""
    classes = [one.name for one in result.classes]
    yield from _unique("classes", classes)
    yield from _unique("attributes", [one.name for one in result.attributes])
    findings = [one.id for one in result.findings]
    yield from _unique("findings", findings)
    for position, pair in enumerate(result.confusion):
        for name in ("label", "predicted"):
            if getattr(pair, name) not in classes:
                place = f"confusion.{position}.{name}"
                yield place, _expected(getattr(pair, name), "class", classes)
    positive = result.decision.positive
    needed = (
        [*positive, *map(absent, positive)] if result.decision.task == "multi-label" else positive
    )
    for name in needed:
        if name not in classes:
            yield "decision.positive", _expected(name, "class", classes)
    for position, unit in enumerate(result.explanations.units):
        if unit.finding not in findings:
            yield (
                f"explanations.units.{position}.finding",
                _expected(unit.finding, "finding", findings),
            )


def _unique(place: str, names: Iterable[str]) -> Iterator[Fault]:
    twice = [name for name, n in Counter(names).items() if n > 1]
    if twice:
        yield place, f"expected different names; {twice[0]!r} occurs more than once"


def _expected(name: str, what: str, known: Sequence[str]) -> str:
    return f"expected the name of a {what} out of {_few(known)}; got {name!r}"


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:8]))
    return f"{shown} …" if len(names) > 8 else shown or "(none)"
