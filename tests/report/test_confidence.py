from __future__ import annotations

import pandas as pd

from auditor.report.charts.confidence import confidence_chart
from auditor.report.view.confidence import ConfidenceHistogram, confidence_histogram


def test_confidence_histogram_counts_correct_and_failed_by_bin() -> None:
    table = pd.DataFrame(
        {
            "label": ["a", "a", "b", "b", "b"],
            "predicted": ["a", "b", "b", "a", "b"],
            "confidence": [0.55, 0.3, 1.0, 0.99, 0.5],
        }
    )
    found = confidence_histogram(table)
    # Correct: 0.55 and 0.5 in [0.5, 0.6), 1.0 in the last bin. Failed: 0.3 in [0.3, 0.4), 0.99.
    assert found == ConfidenceHistogram(
        (0, 0, 0, 0, 0, 2, 0, 0, 0, 1), (0, 0, 0, 1, 0, 0, 0, 0, 0, 1)
    )
    assert confidence_histogram(table.head(0)) is None


def test_confidence_chart_says_its_bars_in_words() -> None:
    chart = confidence_chart(ConfidenceHistogram((0,) * 9 + (4,), (0,) * 8 + (1, 3)), "one")
    assert chart.legend == "Blue: 4 failures; grey: 4 correct"
    assert "failures (4): 25 % from 80 % to 90 %, 75 % from 90 % to 100 %" in chart.description
    nothing = confidence_chart(ConfidenceHistogram((0,) * 9 + (4,), (0,) * 10), "two")
    assert "failures" not in nothing.description
