"""Images before and after interventions, contact sheets, and the map of the failures in the report."""

from __future__ import annotations

import pandas as pd
import pytest

from auditor.report.charts.failure_map import failure_map_chart
from auditor.report.charts.loss import loss_chart
from auditor.report.view.failure_plane import FailurePlane, PlaneGroup
from auditor.report.view.loss_plane import LossCell, loss_plane
from auditor.report.view.report_view import build_view
from auditor.run_folder import RunFolder


def test_examples_say_how_they_were_chosen_and_what_was_predicted(run_folder: RunFolder) -> None:
    swapped, _ = build_view(run_folder).findings[0].interventions
    assert [one.rank for one in swapped.examples] == [
        "Largest effect",
        "Upper quartile of the effect",
        "Median effect",
        "Lower quartile of the effect",
        "Smallest effect",
    ]
    assert "of the 200 images that were tested" in swapped.examples_rule
    first = swapped.examples[0]
    assert first.effect == "80 points"
    original, worse, better = first.images
    assert (original.title, original.changed, original.correct) == ("Original", False, False)
    assert (worse.changed, worse.predicted, worse.confidence) == (True, original.predicted, "90 %")
    assert worse.label_probability == "10 %"
    assert better.correct
    assert better.alt == (
        f"Sample {first.sample}, region filled from another image: predicted {first.label} with 90 %."
    )


def test_unconfirmed_intervention_gives_its_reason(run_folder: RunFolder) -> None:
    (one,) = build_view(run_folder).unconfirmed
    assert one.heading == "Line A: swapping a region confirms no cause"
    assert one.statement == (
        "line = A fails less often. The effect is within the limit that was fixed in advance (q < 0.001)."
    )


def test_contact_sheet_counts_what_was_drawn_and_names_its_finding(run_folder: RunFolder) -> None:
    view = build_view(run_folder)
    (sheet,) = view.sheets
    assert sheet.text.startswith("6 of ")
    assert sheet.text.endswith("correct predictions, drawn at random")
    assert sheet.findings == ((1, view.findings[0].anchor),)
    assert [one.failure for one in sheet.images] == [True] * 6 + [False] * 6


def test_failure_map_groups_failures_by_slice(run_folder: RunFolder) -> None:
    plane = build_view(run_folder).failure_map
    assert plane is not None
    assert [one.name for one in plane.groups] == ["cell mono · functional", ""]
    assert "(PCA), which carry 61 % of the variance" in plane.method


def test_failure_map_marks_slices_as_every_chart_does() -> None:
    groups = (
        PlaneGroup("one", marked=True, points=((0.0, 1.0), (1.0, 1.0))),
        PlaneGroup("two", marked=False, points=((2.0, 1.0),)),
        PlaneGroup("", marked=False, points=((0.5, 0.5),)),
    )
    chart = failure_map_chart(FailurePlane(groups, "How it was made."), "map")
    assert chart.legend.startswith("Orange with a diamond")
    assert chart.description == (
        "How it was made. one: 2 failures; two: 1 failure; others: 1 failure"
    )
    assert "other failures (1)" in chart.svg
    assert failure_map_chart(FailurePlane(groups[1:], ""), "plain").legend == ""


def predictions(*rows: tuple[str, str, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["label", "predicted", "confidence", "loss"])


def test_loss_plane_joins_predictions_of_one_cell() -> None:
    found = loss_plane(
        predictions(
            ("a", "a", 0.95, 0.05),
            ("a", "a", 0.96, 0.04),
            ("a", "b", 0.92, 2.5),
            ("b", "a", 0.6, 40.0),
        )
    )
    assert found is not None
    # Cells are 1/40 wide and 0.5 high: 0.95 and 0.96 share the 39th one; a loss of 40 is drawn at 10.
    (correct,) = found.correct
    assert (correct.n, correct.confidence, correct.loss) == pytest.approx((2, 0.955, 0.045))
    assert found.failed == (LossCell(0.6, 10.0, 1), LossCell(0.92, 2.5, 1))
    assert found.reading == (
        "1 of 2 failures (50 %) has a confidence of 90 % or more: a threshold on the confidence would not "
        "catch it."
    )
    chart = loss_chart(found, "loss")
    assert chart.legend == "Blue: 2 failures; grey: 2 correct; larger dots are more predictions"
    assert "at most 10" in chart.svg


def test_loss_plane_reads_unsure_failures_and_none_at_all() -> None:
    unsure = loss_plane(predictions(("a", "b", 0.6, 0.9), ("a", "a", 0.95, 0.05)))
    assert unsure is not None
    # The failure, below 0.9, is half of the predictions.
    assert unsure.reading.endswith("catch every failure, and 50 % of all predictions.")
    right = loss_plane(predictions(("a", "a", 0.95, 0.05)))
    assert right is not None
    assert right.reading == "No prediction is wrong."
    assert loss_chart(right, "right").description == right.reading
    assert loss_plane(predictions()) is None
