"""The charts of a finding: error rates, numbers of samples, predictions, values of an attribute."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from auditor.phrasing import count, percent, reading_order, slice_name
from auditor.records import SliceKey, SliceRecord
from auditor.report.charts.canvas import Chart
from auditor.report.charts.curves import curve_charts
from auditor.report.charts.rows import BarRow, ChartText, IntervalRow, bar_chart, interval_chart
from auditor.report.charts.value_spreads import value_spread_chart
from auditor.report.view.confusion import ConfusionMatrix
from auditor.report.view.findings import FindingView
from auditor.report.view.marks import Marks

_MOST_ROWS = 12
"""Rows of a chart, unless a single label needs more."""
_MOST_PREDICTIONS = 8
_MOST_COUNTS = 16
"""Bars of the numbers of samples, unless a single value needs more."""


def finding_charts(finding: FindingView, confusion: ConfusionMatrix) -> tuple[Chart, ...]:
    """The charts that show a finding.

    A finding about the data is shown by the numbers of samples, any other one about an attribute by
    error rates, and one about a label by its predictions. Comparisons of an attribute's values come
    first, curves last.
    """
    spreads = [
        value_spread_chart(
            one, finding.record.slice.attributes.get(one.part.attribute), finding.marks
        )
        for one in finding.value_spreads
    ]
    by_label = any(one.label is not None for one in finding.cells)
    # Without labels, both would show the same error rates.
    own = None if any(spreads) and not by_label else _own_chart(finding, confusion)
    return tuple(one for one in (*spreads, own, *curve_charts(finding.curves)) if one is not None)


def _own_chart(finding: FindingView, confusion: ConfusionMatrix) -> Chart | None:
    record = finding.record
    if finding.cells and record.kind == "data":
        return _sample_counts(finding.anchor, finding.cells, finding.attributes[0])
    if finding.cells and record.effect is not None:
        return _error_rates(
            finding.anchor, finding.cells, record.slice, finding.attributes, finding.marks
        )
    if record.slice.label in confusion.classes and record.effect is not None:
        return _predictions(
            finding.anchor, confusion, record.slice.label or "", record.slice.predicted
        )
    return None


def _error_rates(
    name: str,
    cells: Iterable[SliceRecord],
    subject: SliceKey,
    attributes: Sequence[str],
    marks: Marks,
) -> Chart:
    known = [one for one in cells if one.error_rate is not None]
    # The wide intervals of values with very few samples would hide the others.
    shown, omitted = _most_different([one for one in known if one.gap is not None] or known)
    rows = [_rate_row(one, subject, marks) for one in shown]
    by_label = any(one.label for one in shown)
    by = " and ".join([*(["label"] if by_label else []), *attributes])
    title = f"Error rate by {by}{'' if by_label else ', all labels together'}, with 95 % intervals"
    title += " (failures of samples)"
    if omitted:
        title += f"; the labels where it differs most, {count(omitted)} more under Slices"
    description = "; ".join(f"{row.name}: {percent(row.value / 100)}, {row.note}" for row in rows)
    text = ChartText(name, title, description, "error rate in %")
    return interval_chart(text, rows, "narrow")


def _rate_row(one: SliceRecord, subject: SliceKey, marks: Marks) -> IntervalRow:
    assert one.error_rate is not None
    ((attribute, value),) = one.attributes.items()
    rate = one.error_rate
    return IntervalRow(
        slice_name(one) if one.label is None else f"{one.label} · {attribute} {value}",
        100 * rate.value,
        100 * rate.low,
        100 * rate.high,
        marks.slice(one.attributes, one.label),
        subject.attributes.get(attribute) == value and subject.label in {None, one.label},
        f"{count(one.n_failures)} of {count(one.support)}",
    )


def _most_different(cells: Sequence[SliceRecord]) -> tuple[list[SliceRecord], int]:
    """The cells of the labels whose error rates differ most, and how many labels are left out."""
    by_label: dict[str, list[SliceRecord]] = {}
    for one in sorted(cells, key=lambda cell: (cell.label or "", *reading_order(cell.attributes))):
        by_label.setdefault(one.label or "", []).append(one)

    def spread(label: str) -> float:
        rates = [one.error_rate.value for one in by_label[label] if one.error_rate is not None]
        return max(rates) - min(rates)

    per_label = max((len(group) for group in by_label.values()), default=1)
    n_labels = max(1, _MOST_ROWS // per_label)
    chosen = sorted(by_label, key=lambda label: (-spread(label), label))[:n_labels]
    shown = [one for label in by_label if label in chosen for one in by_label[label]]
    return shown[: 2 * _MOST_ROWS], len(by_label) - len(chosen)


def _sample_counts(name: str, cells: Sequence[SliceRecord], attribute: str) -> Chart:
    """Samples of each value, split by label."""
    own = [one for one in cells if attribute in one.attributes]
    labels = sorted({one.label or "" for one in own})
    sizes: dict[str, int] = {}
    for one in own:
        value = one.attributes[attribute]
        sizes[value] = sizes.get(value, 0) + one.support
    n_labels = min(len(labels), max(2, 2 * _MOST_ROWS // len(sizes)))
    largest = sorted(sizes, key=lambda value: (-sizes[value], value))
    largest = largest[: max(1, _MOST_COUNTS // n_labels)]
    ordered = sorted(
        (
            one
            for one in own
            if (one.label or "") in labels[:n_labels] and one.attributes[attribute] in largest
        ),
        key=lambda cell: (reading_order(cell.attributes), cell.label or ""),
    )
    rows = [
        BarRow(
            " · ".join(filter(None, (one.attributes[attribute], one.label))),
            one.support,
            second=one.label != labels[0],
        )
        for one in ordered
    ]
    title = f"Audited samples by {attribute} and label"
    if len(largest) < len(sizes):
        title += f"; the {len(largest)} largest values, {count(len(sizes) - len(largest))} more under Slices"
    return bar_chart(ChartText(name, title, "", "samples"), rows)


def _predictions(name: str, confusion: ConfusionMatrix, label: str, predicted: str | None) -> Chart:
    counts = confusion.counts[confusion.classes.index(label)]
    ranked = sorted(zip(confusion.classes, counts, strict=True), key=lambda one: (-one[1], one[0]))
    rows = [
        BarRow(f"predicted {one}", n, one == predicted)
        for one, n in ranked[:_MOST_PREDICTIONS]
        if n
    ]
    title = f"Predictions for samples with the label {label}"
    return bar_chart(ChartText(name, title, "", "samples"), rows)
