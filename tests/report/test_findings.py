from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from auditor import imaging
from auditor.report.charts.maps import boxed, difference_of, map_of
from auditor.report.view.findings import FindingView, _pieces
from auditor.report.view.interventions import interventions, shifts
from auditor.report.view.report_view import build_view
from auditor.run_folder import RunFolder


@pytest.fixture
def first(run_folder: RunFolder) -> FindingView:
    return build_view(run_folder).findings[0]


def test_the_statement_is_told_once(first: FindingView) -> None:
    assert first.lead.startswith("Of the samples with cell = mono")
    assert first.facts == (
        "The gap is 23 points (95 % interval 16 to 30), above the acceptable 5 points.",
    )
    assert [one.check for one in first.pieces] == ["region-reliance", "attention-shift"]
    assert first.held is not None
    assert first.held.rows[0] == ("line", "+21 (+13 to +29)", "the gap remains")
    assert first.held.rows[1][1] == "+20 (+12 to +28)"
    # What is drawn is not dumped as numbers as well.
    assert {name for name, _ in first.tables} == set()


def test_a_swap_brings_its_place_and_both_numbers(first: FindingView) -> None:
    (intervention,) = first.interventions
    assert intervention.box == (0.0, 0.75, 0.25, 1.0)
    (measure,) = intervention.measures
    assert intervention.heading.startswith("The test of it: swap")
    assert measure.here == "+22 points (+15 to +29)"
    assert measure.beside == "−2.5 points (−7.0 to +2.0)"
    # The class that the swap leads to, with the value and with the other one.
    assert [(one.label, one.value) for one in intervention.means] == [
        ("defective", "mono"),
        ("defective", "poly"),
    ]


def test_a_covered_place_brings_what_it_mends_and_what_it_turns() -> None:
    claim = {
        "title": "Covering the lower left corner of the image mends 78 % of the failures called 3",
        "statement": "An intervention.",
        "place": "lower left corner",
        "box": [0.0, 0.75, 0.25, 1.0],
        "outside_of_box": False,
        "mended": {"value": 0.78, "low": 0.66, "high": 0.86},
        "mended_elsewhere": {"value": 0.03, "low": 0.0, "high": 0.09},
        "turned": {"value": 0.5, "low": 0.4, "high": 0.6},
        "turned_by_plain_images": {"value": 0.0, "low": 0.0, "high": 0.05},
        "turned_to": "3",
    }
    own, intervention = interventions([claim, claim, {"title": "of something else"}], "F1", ())
    assert "cover the place" in intervention.heading
    assert intervention.statement == "An intervention."
    assert not own.statement  # the finding says it already
    told = [
        (one.name, *(text.replace("\u202f", " ") for text in (one.here, one.beside, one.other)))
        for one in intervention.measures
    ]
    assert told == [
        (
            "Failures recognised when it is covered",
            "78 % (66 % to 86 %)",
            "3 % (0 % to 9 %)",
            "at other places of the same size",
        ),
        (
            "Other images called 3 when they are given it",
            "50 % (40 % to 60 %)",
            "0 % (0 % to 5 %)",
            "when given that of recognised images",
        ),
    ]
    assert not intervention.means


def test_the_shift_is_said_in_words(first: FindingView) -> None:
    (shift,) = first.shifts
    own, others, difference = (one.alt for one in shift.panels)
    assert "at the lower left corner" in own
    assert "spread evenly" in others
    assert difference.endswith("gains at the lower left corner.")


def test_units_stand_by_their_share(first: FindingView) -> None:
    assert [one.channel for one in first.units] == [17, 4]
    assert [one.sample for one in first.units[0].images] == [
        one.sample for one in first.units[1].images
    ]
    assert len(first.units[0].images) == 6


def _pixels(jpeg: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")).astype(np.int64)


def test_the_box_is_drawn_where_it_is() -> None:
    grey = imaging.jpeg(np.full((80, 160, 3), 128, dtype=np.uint8))
    drawn = _pixels(boxed(grey, (0.25, 0.5, 0.75, 1.0), 160))
    changed = np.abs(drawn - 128).max(axis=2) > 60
    rows, columns = np.nonzero(changed)
    assert drawn.shape == (80, 160, 3)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == pytest.approx(
        (40, 79, 40, 119), abs=1
    )
    assert not changed[50:70, 55:105].any()


def test_maps_on_one_scale_and_differences_with_their_sign() -> None:
    half = _pixels(map_of([[0.0, 0.5]], peak=1.0))
    full = _pixels(map_of([[0.0, 0.5]], peak=0.5))
    assert full[:, -1].mean() > half[:, -1].mean()
    left, right = _pixels(difference_of([[1.0, -0.5]]))[:, [0, -1]].mean(axis=0)
    assert left[0] > left[2]
    assert right[2] > right[0]
    assert left.sum() < right.sum()


def test_a_shift_between_images_without_a_common_name_is_said_too() -> None:
    own, others = [[0.0, 0.0], [0.1, 0.9]], [[0.4, 0.2], [0.2, 0.2]]
    claim = {
        "title": "Those at the lower right corner",
        "slice": {"attributes": {}, "label": None, "predicted": "b"},
        "effect": {"name": "gap", "value": 0.4, "low": 0.3, "high": 0.5},
        "mean_map": own,
        "mean_map_of_others": others,
        "difference": (np.array(own) - others).tolist(),
    }
    (shift,) = shifts([claim], "F1")
    first = shift.panels[0]
    assert first.title == "With maps of this kind"
    assert first.alt.startswith(
        "With maps of this kind, the evidence concentrates at the lower right"
    )


def test_what_two_checks_say_in_the_same_words_is_told_once() -> None:
    said = [("confusion-pairs", "A"), ("performance-gap", "A"), ("calibration-gap", "B")]
    pieces = [{"check": check, "title": title} for check, title in said]
    told = [(one.check, one.title) for one in _pieces({"pieces": pieces}, "performance-gap")]
    assert told == [("performance-gap", "A"), ("calibration-gap", "B")]
