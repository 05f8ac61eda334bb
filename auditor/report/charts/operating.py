"""ROC and precision–recall curves with their operating points, and the reliability diagram."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from auditor.phrasing import (
    count,
    metric_number,
    metric_value,
    percent,
    slice_name,
)
from auditor.records import CurveKind, CurveRole, OperatingCurve, ReliabilityDiagram
from auditor.report.charts.canvas import (
    INK,
    MAIN,
    MUTED,
    RULE,
    TEXT_SIZE,
    Chart,
    axis_name,
    finished,
    plane,
    shortened,
)

_PLANE = 3.2
"""Height in inches of the space above the axis; with it, the plane of a curve is about square."""
_AXIS, _LINE = 0.5, 0.2
"""Heights in inches of the axis and of a line of the legend."""
_AXES: dict[CurveKind, tuple[str, str]] = {
    "roc": ("false positive rate (1 − specificity) in %", "sensitivity in %"),
    "precision-recall": ("recall (sensitivity) in %", "precision (PPV) in %"),
}
_TITLES: dict[CurveKind, str] = {"roc": "ROC", "precision-recall": "Precision–recall"}
_AREAS: dict[CurveKind, str] = {"roc": "AUROC", "precision-recall": "average precision"}
_STYLES: dict[CurveRole, tuple[str, Any, float, str]] = {
    "best": (MUTED, (0, (1, 1.5)), 1.6, "^"),
    "worst": (INK, (0, (5, 2)), 1.6, "D"),
    "overall": (MAIN, "solid", 2.0, "o"),
}
"""Colour, dashes, width and marker; in the order of drawing."""
_LONGEST_NAME = 28


def operating_chart(curves: Sequence[OperatingCurve], name: str) -> Chart | None:
    """Curves of one kind and class, with the point at the threshold marked on each.

    Args:
        curves: of all samples, and of the worst and the best slice.
        name: of the chart, unique in the document.

    Returns:
        The chart; None without curves.
    """
    if not curves:
        return None
    kind, class_name = curves[0].kind, curves[0].class_name
    figure, axes = _square(len(curves))
    if kind == "roc":
        axes.plot([0, 100], [0, 100], color=MUTED, lw=0.9, ls=(0, (1, 3)))
    for role in _STYLES:
        for one in (one for one in curves if one.role == role):
            _draw(axes, one)
    _legend(figure, axes, curves)
    horizontal, vertical = _AXES[kind]
    axis_name(axes, horizontal, "narrow")
    axes.set_ylabel(vertical, color=MUTED, fontsize=TEXT_SIZE - 1)
    threshold = metric_number(curves[0].threshold, "score").rstrip("0").rstrip(".")
    title = f"{_TITLES[kind]} of {class_name}; marked: the threshold {threshold}"
    return finished(figure, name, title, "; ".join(_described(one) for one in curves))


def reliability_chart(diagram: ReliabilityDiagram, name: str) -> Chart:
    """Observed shares with their intervals beside stated probabilities; bars show where samples are.

    Args:
        diagram: its bins.
        name: of the chart, unique in the document.
    """
    figure, axes = _square(0)
    most = max(one.support for one in diagram.bins)
    for one in diagram.bins:
        axes.bar(100 * one.confidence, 16 * one.support / most, width=3.2, color=RULE, zorder=0.5)
    axes.plot([0, 100], [0, 100], color=MUTED, lw=0.9, ls=(0, (4, 3)))
    for one in diagram.bins:
        x = 100 * one.confidence
        ends = [100 * one.observed.low, 100 * one.observed.high]
        axes.plot([x, x], ends, color=MAIN, lw=1.6, solid_capstyle="butt")
        axes.plot([x], [100 * one.observed.value], marker="o", ms=4.5, color=MAIN, mec=MAIN)
    of_predicted = diagram.probability == "predicted class"
    observed = "correct" if of_predicted else "positive"
    axis_name(axes, f"probability of the {diagram.probability} in %", "narrow")
    axes.set_ylabel(f"{observed} in %", color=MUTED, fontsize=TEXT_SIZE - 1)
    title = (
        "Reliability diagram, with 95 % intervals; dashed: perfect calibration; bars: the numbers of "
        "samples"
    )
    listed = "; ".join(
        f"probability {percent(one.confidence)}: {percent(one.observed.value)} {observed} of "
        f"{count(one.support)}"
        for one in diagram.bins
    )
    return finished(figure, name, title, listed)


def _square(n_lines: int) -> tuple[Any, Any]:
    """A figure with a plane in per cent, and room for a legend of so many lines below it."""
    below = _AXIS + n_lines * _LINE
    figure, axes = plane(_PLANE + below, below)
    axes.set_xlim(-1.5, 101.5)
    axes.set_ylim(-1.5, 101.5)
    axes.set_xticks(range(0, 101, 20))
    axes.set_yticks(range(0, 101, 20))
    return figure, axes


def _draw(axes: Any, one: OperatingCurve) -> None:
    colour, dashes, width, marker = _STYLES[one.role]
    x, y = ([100 * value for value in values] for values in (one.x, one.y))
    steps = "default" if one.kind == "roc" else "steps-pre"
    axes.plot(x, y, color=colour, lw=width, ls=dashes, drawstyle=steps)
    if one.operating_point is not None:
        point = [[100 * value] for value in one.operating_point]
        axes.plot(*point, marker=marker, ms=7, color=colour, mec=colour, clip_on=False, zorder=4)


def _legend(figure: Any, axes: Any, curves: Sequence[OperatingCurve]) -> None:
    """Lines with names and areas below the axis, where no curve can cross them."""
    height = figure.get_figheight()
    left = 0.02
    for place, one in enumerate(curves):
        colour, dashes, width, marker = _STYLES[one.role]
        y = (len(curves) - place - 0.6) * _LINE / height
        line: dict[str, Any] = {"color": colour, "transform": figure.transFigure, "clip_on": False}
        axes.plot([left, left + 0.09], [y, y], lw=width, ls=dashes, **line)
        axes.plot([left + 0.045], [y], marker=marker, ms=5, mec=colour, **line)
        for text, x, side, ink in (
            (_legend_name(one), left + 0.11, "left", INK),
            (_area(one, named=place == 0), 0.98, "right", MUTED),
        ):
            axes.annotate(
                text,
                (x, y),
                xycoords="figure fraction",
                ha=side,
                va="center",
                color=ink,
                fontsize=TEXT_SIZE - 1,
                annotation_clip=False,
                parse_math=False,
            )


def _legend_name(one: OperatingCurve) -> str:
    if one.role == "overall":
        return "all samples"
    return shortened(f"{one.role}: {slice_name(one.slice)}", _LONGEST_NAME)


def _area(one: OperatingCurve, *, named: bool) -> str:
    if one.area is None:
        return f"n = {count(one.n_positives + one.n_negatives)}"
    name = "AUROC " if one.kind == "roc" else "AP "
    return f"{name if named else ''}{metric_value(one.area, 'score')}"


def _described(one: OperatingCurve) -> str:
    who = slice_name(one.slice)
    who = who if one.role == "overall" else f"{one.role} slice, {who}"
    parts = [who]
    if one.area is not None:
        parts.append(f"{_AREAS[one.kind]} {metric_value(one.area, 'score')}")
    if one.operating_point is not None:
        x, y = one.operating_point
        names = (
            ("false positive rate", "sensitivity") if one.kind == "roc" else ("recall", "precision")
        )
        parts.append(f"at the threshold, {names[0]} {percent(x)} and {names[1]} {percent(y)}")
    return ": ".join([parts[0], ", ".join(parts[1:])]) if len(parts) > 1 else who
