"""The numbers and tables behind a finding: one function for each type of evidence.

Evidence that the report shows elsewhere, as a drawing, chart or table, adds nothing here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import singledispatch

from auditor.phrasing import (
    NOT_AVAILABLE,
    amount,
    any_value,
    count,
    metric_value,
    points,
    sentence_start,
    with_limits,
)
from auditor.records import (
    Contingency,
    Curve,
    Estimate,
    HeldFixed,
    ImageDifference,
    IntersectionContrast,
    Intervention,
    MapShift,
    MetricComparison,
    Quantities,
    Record,
    SampleGroups,
    SampleRef,
    SliceComparison,
    Table,
    Unit,
    ValueSpread,
)
from auditor.report.view.metrics import title_of
from auditor.report.view.tables import TextTable

_DATA = {"audited": "audited data", "reference": "training data"}


@dataclass(frozen=True)
class Details:
    """The numbers and tables that a part of the evidence adds to a finding.

    Attributes:
        numbers: names and values.
        tables: each with a title.
    """

    numbers: tuple[tuple[str, str], ...] = ()
    tables: tuple[TextTable, ...] = ()


@singledispatch
def details(part: Record) -> Details:
    """The numbers and tables of a part of the evidence.

    Raises:
        TypeError: the report does not know parts of this type.
    """
    raise TypeError(
        f"expected a part of the evidence (auditor.records.EvidencePart); got {type(part).__name__}"
    )


@details.register(HeldFixed)
@details.register(Intervention)
@details.register(MapShift)
@details.register(ImageDifference)
def _shown_elsewhere(_part: Record) -> Details:
    return Details()


@details.register
def _slice_comparison(part: SliceComparison) -> Details:
    numbers = (
        ("error rate", _quantity(part.error_rate, "share")),
        *_rates_of_gap(part),
        ("gap", _quantity(part.gap, "points")),
        ("ratio of error rates", _quantity(part.ratio, "ratio")),
        (
            "smallest detectable gap",
            NOT_AVAILABLE if part.detectable_gap is None else points(part.detectable_gap),
        ),
        ("most failures predicted as", part.most_predicted or NOT_AVAILABLE),
    )
    return Details(tuple(one for one in numbers if one[1] != NOT_AVAILABLE))


def _rates_of_gap(part: SliceComparison) -> Iterator[tuple[str, str]]:
    """The rates whose difference is the gap; their labels may be weighted differently."""
    rest = part.rest_error_rate
    if rest is None:
        return
    weighted = None if part.gap is None else rest + part.gap.value
    if weighted is None or part.error_rate is None or abs(weighted - part.error_rate.value) < 0.001:
        yield "error rate of the rest", _quantity(rest, "share")
        return
    yield "error rate, labels weighted alike", _quantity(weighted, "share")
    yield "error rate of the rest, labels weighted alike", _quantity(rest, "share")


@details.register
def _value_spread(part: ValueSpread) -> Details:
    worst, best = part.furthest_apart
    numbers = (
        (
            "largest difference of two values",
            f"{with_limits(part.largest_difference, 'points')}, {worst} and {best}",
        ),
        ("smallest ratio of two error rates", _quantity(part.smallest_ratio, "ratio")),
        (
            "smallest ratio of two accuracies (four-fifths rule: at least 0.8)",
            _quantity(part.smallest_accuracy_ratio, "ratio"),
        ),
    )
    return Details(tuple(one for one in numbers if one[1] != NOT_AVAILABLE))


@details.register
def _intersection(part: IntersectionContrast) -> Details:
    gaps = [
        (f"gap to other samples with the same {name}", gap)
        for name, gap in part.against_each.items()
    ]
    added = "both values" if len(part.against_each) == 2 else "its values and pairs"
    gaps.append((f"error rate beyond the sum of what {added} add", part.beyond_sum))
    return Details(tuple((name, with_limits(gap, "points")) for name, gap in gaps))


@details.register
def _quantities(part: Quantities) -> Details:
    return Details(tuple((one.name, _quantity(one.value, one.unit)) for one in part.items))


@details.register
def _metric_comparison(part: MetricComparison) -> Details:
    name = title_of(part)
    return Details(
        (
            (name, metric_value(part.own, part.unit)),
            (f"{name}, other samples", metric_value(part.rest, part.unit)),
        )
    )


@details.register
def _contingency(part: Contingency) -> Details:
    rows = (
        (label, *(count(number) for number in row))
        for label, row in zip(part.labels, part.counts, strict=True)
    )
    title = f"Samples by label and {part.attribute} in the {_DATA[part.source]}"
    return Details(tables=(TextTable(title, ("label", *part.values), tuple(rows)),))


@details.register
def _curve(part: Curve) -> Details:
    fitted = any(point.fitted is not None for point in part.points)
    rows = (
        (
            point.name,
            with_limits(point.y, part.y_unit),
            *([_quantity(point.fitted, part.y_unit)] if fitted else []),
            count(point.support),
        )
        for point in part.points
    )
    columns = (part.x_name, part.y_name, *(["straight line"] if fitted else []), "samples")
    return Details(tables=(TextTable(sentence_start(part.title), columns, tuple(rows)),))


@details.register
def _sample_groups(part: SampleGroups) -> Details:
    noted = any(group.note for group in part.groups)
    rows = (
        (", ".join(_member(one) for one in group.members), *([group.note] if noted else []))
        for group in part.groups
    )
    columns = ("samples (label)", *(["match"] if noted else []))
    return Details(tables=(TextTable(sentence_start(part.title), columns, tuple(rows)),))


@details.register
def _table(part: Table) -> Details:
    units = part.units or (None,) * len(part.columns)
    rows = (
        tuple(_cell(cell, unit) for cell, unit in zip(row, units, strict=True)) for row in part.rows
    )
    return Details(tables=(TextTable(sentence_start(part.title), part.columns, tuple(rows)),))


def _member(one: SampleRef) -> str:
    notes = [one.label, "training data" if one.source == "reference" else None]
    known = [note for note in notes if note is not None]
    return f"{one.sample} ({', '.join(known)})" if known else one.sample


def _quantity(value: float | Estimate | None, unit: Unit) -> str:
    if value is None:
        return NOT_AVAILABLE
    return with_limits(value, unit) if isinstance(value, Estimate) else amount(value, unit)


def _cell(cell: str | float | None, unit: Unit | None) -> str:
    if isinstance(cell, str):
        return cell
    if cell is None or unit is None:
        return any_value(cell)
    return amount(cell, unit)
