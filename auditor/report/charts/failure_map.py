"""The failures on a plane: each slice with a marker of its own."""

from __future__ import annotations

from typing import Any

from auditor.phrasing import count, plural
from auditor.report.charts.canvas import (
    INK,
    MAIN,
    MUTED,
    RULE,
    STRONG,
    TEXT_SIZE,
    Chart,
    finished,
    plane,
    shortened,
)
from auditor.report.view.failure_plane import FailurePlane, PlaneGroup
from auditor.report.view.marks import LEGEND

_PLANE, _BELOW, _LINE = 3.3, 0.16, 0.19
"""Heights in inches: of the axes, of the space below them, and of a line of the legend."""
_LONGEST = 46
"""Of a name in the legend, in widths of a lower-case letter."""
_MARKED = (("D", True), ("D", False), ("d", True), ("d", False))
_UNMARKED = (("s", True), ("^", True), ("s", False), ("^", False))
"""Markers, and whether they are filled, of slices that charts mark and of others."""


def failure_map_chart(shown: FailurePlane, name: str) -> Chart:
    """A dot for each failure, and a legend with the number of failures of each slice.

    Args:
        shown: the map.
        name: of the chart, unique in the document.
    """
    below = _BELOW + _LINE * len(shown.groups)
    figure, axes = plane(_PLANE + below, below)
    axes.set_xticklabels([])
    axes.set_yticklabels([])
    axes.tick_params(length=0)
    styles = [_style(one, shown.groups) for one in shown.groups]
    for group, style in reversed(list(zip(shown.groups, styles, strict=True))):
        x, y = ([point[k] for point in group.points] for k in (0, 1))
        axes.plot(x, y, ls="", zorder=3, clip_on=False, **style)
    height = figure.get_figheight()
    for place, (group, style) in enumerate(zip(shown.groups, styles, strict=True)):
        y = (below - _BELOW - _LINE * (place + 0.5)) / height + 0.01
        axes.plot([0.05], [y], ls="", transform=figure.transFigure, clip_on=False, **style)
        axes.annotate(
            f"{shortened(group.name or 'other failures', _LONGEST)} ({count(len(group.points))})",
            (0.09, y),
            xycoords="figure fraction",
            va="center",
            color=INK,
            fontsize=TEXT_SIZE - 1,
            annotation_clip=False,
            parse_math=False,
        )
    listed = "; ".join(
        f"{one.name or 'others'}: {plural(len(one.points), 'failure')}" for one in shown.groups
    )
    legend = LEGEND if any(one.marked for one in shown.groups) else ""
    return finished(figure, name, "Map of the failures", f"{shown.method} {listed}", legend)


def _style(group: PlaneGroup, groups: tuple[PlaneGroup, ...]) -> dict[str, Any]:
    if not group.name:
        return {"marker": "o", "ms": 3.5, "mfc": RULE, "mec": MUTED, "mew": 0.5}
    alike = [one for one in groups if one.name and one.marked == group.marked]
    marker, filled = (_MARKED if group.marked else _UNMARKED)[alike.index(group)]
    colour = STRONG if group.marked else MAIN
    return {
        "marker": marker,
        "ms": 4.5,
        "mfc": colour if filled else "none",
        "mec": colour,
        "mew": 0.9,
    }
