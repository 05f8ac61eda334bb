"""Every chart of every document, as SVG text: functions of view data, one style, one place.

matplotlib draws with stand-in colours, which become CSS variables in HTML, so that a chart follows
light and dark, and fixed colours in the PDF. Texts stay texts. Equal input gives equal bytes.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Literal

from auditor.records import SliceRecord
from auditor.report import words
from auditor.report.view.findings import FindingView
from auditor.report.view.report_view import Confusion, ReportView

Width = Literal["narrow", "wide"]

_INCHES: Mapping[Width, float] = {"narrow": 3.7, "wide": 7.6}
_POINTS_PER_INCH = 72
_TEXT = 9.0  # points; a chart is shown at its own size or a little larger

# Stand-ins, all different and in no palette: what they become is decided by `Chart.themed`.
_INK, _MUTED, _RULE, _MAIN, _STRONG = "#010203", "#010305", "#010507", "#01070b", "#010b0d"
_ROLES = {"ink": _INK, "muted": _MUTED, "rule": _RULE, "main": _MAIN, "strong": _STRONG}

VARIABLES: Mapping[str, str] = {role: f"var(--chart-{role})" for role in _ROLES}
"""Colours of a chart inside HTML: defined in the shared style sheet for light and dark."""
FIXED: Mapping[str, str] = {
    "ink": "#1b2530",
    "muted": "#566270",
    "rule": "#d9dde2",
    "main": "#2b5c8a",
    "strong": "#c2500a",
}
"""Colours of a chart on white paper; blue and orange differ in lightness as well."""

ASSOCIATION_CHECKS = frozenset({"label-association", "representation"})
"""Checks that are about how many samples there are, not about how they fare."""
LARGEST_RATES = 12
"""Rows of a finding's chart, if one label alone does not need more."""
LARGEST_FOREST = 30
"""Rows of the chart of all slices; the table beside it has every slice."""


@dataclass(frozen=True)
class Chart:
    """A drawing with its words.

    Attributes:
        name: unique in the document.
        title: what it shows, as its caption.
        description: what can be read from it, for those who can't see it.
        svg: the drawing with stand-in colours.
    """

    name: str
    title: str
    description: str
    svg: str

    def themed(self, colours: Mapping[str, str]) -> str:
        """The drawing in colours by role, see `VARIABLES` and `FIXED`."""
        svg = self.svg
        for role, stand_in in _ROLES.items():
            svg = svg.replace(stand_in, colours[role])
        return svg


@dataclass(frozen=True)
class _Row:
    name: str
    value: float
    low: float
    high: float
    strong: bool = False
    note: str = ""


def of_finding(finding: FindingView, confusion: Confusion) -> Chart | None:
    """The chart that shows a finding: rates, counts or predictions; None where there is none."""
    record = finding.record
    name = finding.anchor
    if finding.cells and record.check in ASSOCIATION_CHECKS:
        return _counts(name, finding.cells, finding.attributes[0])
    if finding.cells and record.effect is not None:
        return _rates(name, finding.cells, record.slice.attributes, finding.attributes)
    if record.slice.label in confusion.classes and record.effect is not None:
        return _predictions(name, confusion, record.slice.label or "", record.slice.predicted)
    return None


def of_gaps(view: ReportView, width: Width) -> Chart | None:
    """Gaps of the tested slices against the rest, the largest first; None if none was tested."""
    tested = [one for one in view.slices if one.gap is not None]
    # Intersections and classes within a value repeat what the simple slices say: those go first.
    simple = [one for one in tested if len(one.attributes) == 1 and one.label is None]
    crossed = [one for one in tested if one not in simple]
    chosen = sorted(simple, key=_gap_of, reverse=True)
    chosen += sorted(crossed, key=_gap_of, reverse=True)[: max(0, LARGEST_FOREST - len(simple))]
    rows = []
    for one in chosen[:LARGEST_FOREST]:
        assert one.gap is not None
        over = view.max_gap is not None and one.gap.low > 0 and one.gap.value > view.max_gap
        rows.append(
            _Row(
                words.slice_name(one),
                100 * one.gap.value,
                100 * one.gap.low,
                100 * one.gap.high,
                over,
                f"n = {words.count(one.support)}",
            )
        )
    if not rows:
        return None
    worst = rows[0]
    omitted = len(tested) - len(rows)
    return _forest(
        f"gaps-{width}",
        "Error rate of each slice minus that of the rest, in percentage points, with 95 % "
        "intervals" + (f"; {omitted} more in the table" if omitted else ""),
        f"{len(rows)} slices. Largest gap: {worst.name}, {worst.value:+.0f} points "
        f"({worst.low:+.0f} to {worst.high:+.0f}). All numbers are in the table that follows.",
        rows,
        width,
        axis="percentage points more errors than the rest",
        zero=0.0,
        limit=None if view.max_gap is None else 100 * view.max_gap,
    )


def _rates(
    name: str,
    cells: Iterable[SliceRecord],
    accused: Mapping[str, str],
    attributes: Sequence[str],
) -> Chart:
    shown, omitted = _most_different([one for one in cells if one.error_rate is not None])
    rows = []
    for one in shown:
        assert one.error_rate is not None
        ((attribute, value),) = one.attributes.items()
        rate = one.error_rate
        rows.append(
            _Row(
                words.slice_name(one)
                if one.label is None
                else f"{one.label} · {attribute} {value}",
                100 * rate.value,
                100 * rate.low,
                100 * rate.high,
                accused.get(attribute) == value,
                f"{words.count(one.n_failures)} of {words.count(one.support)}",
            )
        )
    by = " and ".join([*(["label"] if any(one.label for one in shown) else []), *attributes])
    return _forest(
        name,
        f"Error rate by {by}{'' if any(one.label for one in shown) else ', all labels together'}, "
        "with 95 % intervals (failures of samples)"
        + (f"; the labels where it differs most, {omitted} more under Slices" if omitted else ""),
        "; ".join(f"{row.name}: {row.value:.0f} %, {row.note}" for row in rows),
        rows,
        "narrow",
        axis="error rate in %",
        zero=0.0,
    )


def _most_different(cells: Sequence[SliceRecord]) -> tuple[list[SliceRecord], int]:
    """The cells of the labels whose error rates lie furthest apart, and how many labels are left."""
    by_label: dict[str, list[SliceRecord]] = {}
    for one in sorted(cells, key=lambda cell: (cell.label or "", *words.in_order(cell.attributes))):
        by_label.setdefault(one.label or "", []).append(one)

    def spread(label: str) -> float:
        rates = [one.error_rate.value for one in by_label[label] if one.error_rate is not None]
        return max(rates) - min(rates)

    per_label = max((len(group) for group in by_label.values()), default=1)
    n_labels = max(1, LARGEST_RATES // per_label)
    chosen = sorted(by_label, key=lambda label: (-spread(label), label))[:n_labels]
    shown = [one for label in by_label if label in chosen for one in by_label[label]]
    return shown[: 2 * LARGEST_RATES], len(by_label) - len(chosen)


def _counts(name: str, cells: Sequence[SliceRecord], attribute: str) -> Chart:
    """Samples of each value, split by label: bars side by side, not stacked, to be comparable."""
    mine = [one for one in cells if attribute in one.attributes]
    labels = sorted({one.label or "" for one in mine})
    mine = [
        one
        for one in mine
        if one.label in labels[: max(2, 2 * LARGEST_RATES // max(1, len(mine) // len(labels)))]
    ]
    largest = max(one.support for one in mine)
    rows = [
        (
            " · ".join(filter(None, (one.attributes[attribute], one.label))),
            one.support,
            one.label == labels[0],
        )
        for one in sorted(
            mine, key=lambda cell: (words.in_order(cell.attributes), cell.label or "")
        )
    ]
    return _bars(
        name,
        f"Audited samples by {attribute} and label",
        rows,
        largest,
        axis="samples",
    )


def _predictions(name: str, confusion: Confusion, label: str, predicted: str | None) -> Chart:
    counts = confusion.counts[confusion.classes.index(label)]
    ranked = sorted(zip(confusion.classes, counts, strict=True), key=lambda one: (-one[1], one[0]))
    rows = [(f"called {one}", n, one == predicted) for one, n in ranked[:8] if n]
    return _bars(
        name,
        f"What samples with the label {label} were called",
        rows,
        max([n for _, n, _ in rows], default=1),
        axis="samples",
    )


def _gap_of(one: SliceRecord) -> float:
    return one.gap.value if one.gap is not None else float("-inf")


def _forest(
    name: str,
    title: str,
    description: str,
    rows: Sequence[_Row],
    width: Width,
    *,
    axis: str,
    zero: float,
    limit: float | None = None,
) -> Chart:
    figure, axes, step = _canvas(len(rows), width, notes=True)
    for place, row in enumerate(rows):
        y = -place * step
        colour = _STRONG if row.strong else _MAIN
        axes.plot([row.low, row.high], [y, y], color=colour, lw=1.6, solid_capstyle="butt")
        axes.plot(
            [row.value],
            [y],
            marker="D" if row.strong else "o",
            ms=5.5 if row.strong else 4.5,
            color=colour,
            mec=colour,
        )
        _name(axes, row.name, y, width, strong=row.strong)
        axes.annotate(
            row.note,
            (1, y + (0.42 if width == "narrow" else 0)),
            xycoords=axes.get_yaxis_transform(),
            xytext=(0 if width == "narrow" else 8, 0),
            textcoords="offset points",
            ha="right" if width == "narrow" else "left",
            va="center",
            color=_MUTED,
            fontsize=_TEXT - 1,
            annotation_clip=False,
        )
    low = min(*(row.low for row in rows), zero, limit or zero)
    high = max(*(row.high for row in rows), zero, limit or zero)
    pad = 0.04 * ((high - low) or 1)
    axes.set_xlim(low - (pad if low < zero else 0), high + pad)
    axes.axvline(zero, color=_MUTED, lw=0.9, zorder=0)
    if limit is not None:
        axes.axvline(limit, color=_STRONG, lw=0.9, ls=(0, (4, 3)), zorder=0)
        axis = f"{axis}; dashed: largest acceptable gap, {limit:g}"
    _axis_name(axes, axis, width)
    return _finish(figure, name, title, description)


def _bars(
    name: str, title: str, rows: Sequence[tuple[str, int, bool]], largest: int, *, axis: str
) -> Chart:
    figure, axes, step = _canvas(len(rows), "narrow", notes=False)
    for place, (text, n, strong) in enumerate(rows):
        y = -place * step
        axes.barh(y, n, height=0.34, color=_STRONG if strong else _MAIN)
        _name(axes, text, y, "narrow", strong=False)
        axes.annotate(
            words.count(n),
            (n, y),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color=_INK,
            fontsize=_TEXT - 0.5,
        )
    axes.set_xlim(0, 1.14 * max(largest, 1))
    _axis_name(axes, axis, "narrow")
    return _finish(figure, name, title, "; ".join(f"{text}: {n}" for text, n, _ in rows))


def _canvas(n_rows: int, width: Width, *, notes: bool) -> tuple[Any, Any, float]:
    """A figure whose rows are as high whatever their number; narrow ones carry names above."""
    from matplotlib.figure import Figure

    row_inches = 0.42 if width == "narrow" else 0.27
    below = 0.52
    height = row_inches * max(n_rows, 1) + below + 0.1
    figure = Figure(figsize=(_INCHES[width], height), dpi=_POINTS_PER_INCH)
    left = 0.02 if width == "narrow" else 0.34
    right = 0.98 if width == "narrow" else 0.88 if notes else 0.98
    axes = figure.add_axes((left, below / height, right - left, 1 - (below + 0.05) / height))
    step = 1.0
    axes.set_ylim(-(n_rows - 0.45) * step, (0.78 if width == "narrow" else 0.6) * step)
    axes.set_yticks([])
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_RULE)
    axes.tick_params(axis="x", colors=_MUTED, labelsize=_TEXT - 1, length=3)
    axes.grid(axis="x", color=_RULE, lw=0.6)
    axes.set_axisbelow(True)
    axes.patch.set_alpha(0)
    figure.patch.set_alpha(0)
    return figure, axes, step


def _name(axes: Any, text: str, y: float, width: Width, *, strong: bool) -> None:
    narrow = width == "narrow"
    axes.annotate(
        _clip(text, 44),
        (0, y + (0.42 if narrow else 0)),
        xycoords=axes.get_yaxis_transform(),
        xytext=(0 if narrow else -8, 0),
        textcoords="offset points",
        ha="left" if narrow else "right",
        va="center",
        color=_INK,
        fontsize=_TEXT,
        fontweight="bold" if strong else "normal",
        annotation_clip=False,
        parse_math=False,
    )


def _axis_name(axes: Any, text: str, width: Width) -> None:
    axes.set_xlabel(
        text.replace("; ", "\n") if width == "narrow" else text,
        color=_MUTED,
        fontsize=_TEXT - 1,
        labelpad=3,
    )


def _clip(text: str, length: int) -> str:
    """A name that is not too long."""
    line = _line(text)
    return line if len(line) <= length else f"{line[: length - 1]}…"


def _line(text: str) -> str:
    """A text on one line, in characters that XML allows and that do not turn its direction."""
    return " ".join("".join(one for one in text if one.isprintable() or one.isspace()).split())


def _finish(figure: Any, name: str, title: str, description: str) -> Chart:
    import matplotlib as mpl

    style: Any = {"svg.fonttype": "none", "svg.hashsalt": name, "path.simplify": False}
    stream = io.StringIO()
    with mpl.rc_context(style), warnings.catch_warnings():
        # Texts stay texts: the reader's fonts draw them, so those on this machine may lack a glyph.
        warnings.filterwarnings(
            "ignore", message="Glyph .* missing from font", category=UserWarning
        )
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<style.*?</style>\s*", "", svg, flags=re.DOTALL)  # it would reach out of the SVG
    # Several drawings share a document: their inner addresses must not.
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r"(url\(#|href=\"#)", rf"\g<1>{name}-", svg)
    svg = re.sub(r"font: ((?:bold )?[\d.]+px) [^;\"]*", r"font: \1 var(--sans)", svg)
    svg = re.sub(r"font-family: [^;\"]*", "font-family: var(--sans)", svg)
    title, description = _line(title), _line(description)
    label = escape(f"{title}. {description}", quote=True)
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
    return Chart(name, title, description, svg)
