"""Confidence of correct predictions beside that of failures."""

from __future__ import annotations

from auditor.phrasing import count, percent
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
from auditor.report.view.confidence import N_BINS, ConfidenceHistogram


def confidence_chart(histogram: ConfidenceHistogram, name: str) -> Chart:
    """Shares of the correct predictions and of the failures by confidence, as bars side by side.

    Shares of each group, because failures are few beside correct predictions.

    Args:
        histogram: the counts.
        name: of the chart, unique in the document.
    """
    figure, axes = plane(3.7)
    step = 100 / N_BINS
    groups = (
        ("correct", histogram.correct, RULE, MUTED),
        ("failures", histogram.failed, MAIN, MAIN),
    )
    for place, (_, counts, face, edge) in enumerate(groups):
        total = max(sum(counts), 1)
        axes.bar(
            [step * (k + 0.28 + 0.44 * place) for k in range(N_BINS)],
            [100 * n / total for n in counts],
            width=0.4 * step,
            color=face,
            edgecolor=edge,
            lw=0.6,
        )
    axes.set_xlim(-1.5, 101.5)
    axes.set_xticks(range(0, 101, 20))
    axes.set_ylim(bottom=0)
    axis_name(axes, "confidence in %", "narrow")
    axes.set_ylabel("share of the group in %", color=MUTED, fontsize=TEXT_SIZE - 1)
    listed = "; ".join(
        f"{group} ({count(sum(counts))}): "
        + ", ".join(
            f"{percent(n / sum(counts))} from {percent(k / N_BINS)} to {percent((k + 1) / N_BINS)}"
            for k, n in enumerate(counts)
            if n
        )
        for group, counts, _, _ in groups
        if sum(counts)
    )
    return finished(
        figure,
        name,
        "Confidence of correct predictions and of failures",
        listed,
        f"Blue: {count(sum(histogram.failed))} failures; grey: {count(sum(histogram.correct))} correct",
    )
