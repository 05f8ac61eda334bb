"""Loss beside confidence, of correct predictions and of failures."""

from __future__ import annotations

import numpy as np

from auditor.phrasing import count
from auditor.report.charts.canvas import (
    MAIN,
    MUTED,
    RULE,
    TEXT_SIZE,
    Chart,
    axis_name,
    finished,
    plane,
)
from auditor.report.view.loss_plane import LARGEST_LOSS, LossPlane

_SMALLEST, _GROWTH = 3.0, 0.55
"""Width of a dot for one prediction, in points, and how much it grows with each doubling."""


def loss_chart(shown: LossPlane, name: str) -> Chart:
    """Dots for predictions with about the same confidence and loss; larger ones stand for more.

    Args:
        shown: the cells.
        name: of the chart, unique in the document.
    """
    figure, axes = plane(3.7)
    for cells, face, edge in ((shown.correct, RULE, MUTED), (shown.failed, MAIN, MAIN)):
        # Dots of one size are drawn together: the SVG then holds the marker once.
        doublings = np.array([int(np.log2(one.n)) for one in cells])
        points = np.array([(100 * one.confidence, one.loss) for one in cells]).reshape(-1, 2)
        for size in np.unique(doublings):
            axes.plot(
                *points[doublings == size].T,
                ls="",
                marker="o",
                ms=_SMALLEST + _GROWTH * size,
                mfc=face,
                mec=edge,
                mew=0.5,
                zorder=3,
                clip_on=False,
            )
    axes.set_xlim(-1.5, 101.5)
    axes.set_xticks(range(0, 101, 20))
    largest = max((one.loss for one in (*shown.correct, *shown.failed)), default=1.0)
    axes.set_ylim(-0.02 * largest, max(1.06 * largest, 1.0))
    axis_name(axes, "confidence in %", "narrow")
    capped = f", at most {LARGEST_LOSS:g}" if largest >= LARGEST_LOSS else ""
    axes.set_ylabel(f"loss{capped}", color=MUTED, fontsize=TEXT_SIZE - 1)
    failed, correct = (sum(one.n for one in cells) for cells in (shown.failed, shown.correct))
    return finished(
        figure,
        name,
        "Loss and confidence of each prediction",
        shown.reading,
        f"Blue: {count(failed)} failures; grey: {count(correct)} correct; larger dots are more predictions",
    )
