from __future__ import annotations

from auditor.records import ClaimRecord, Effect, MapShift, SliceKey
from auditor.report.view.map_shifts import map_shifts
from auditor.report.view.report_view import build_view
from auditor.run_folder import RunFolder


def claim(title: str, value: float) -> ClaimRecord:
    own, others = ((0.0, 0.0), (0.1, 0.9)), ((0.4, 0.2), (0.2, 0.2))
    difference = ((-0.4, -0.2), (-0.1, 0.7))
    return ClaimRecord(
        check="map-clusters",
        kind="map",
        title=title,
        severity="note",
        verdict="supported",
        slice=SliceKey(predicted="b"),
        effect=Effect(name="gap", value=value, low=0.1, high=0.9, unit="points"),
        p_value=0.01,
        q_value=0.01,
        support=40,
        statement=[],
        action="",
        limits="",
        evidence=[
            MapShift(
                place="lower right corner",
                mean_map=own,
                mean_map_of_others=others,
                difference=difference,
            )
        ],
    )


def test_shift_of_a_slice_is_described_in_words(run_folder: RunFolder) -> None:
    (shift,) = build_view(run_folder).findings[0].map_shifts
    own, others, difference = (one.alt for one in shift.panels)
    assert own.startswith("For cell = mono, the evidence concentrates at the lower left corner")
    assert "spread evenly" in others
    assert difference.endswith("more of the evidence lies at the lower left corner.")
    assert shift.peak == 0.7


def test_shift_of_a_cluster_without_attributes_is_described_in_words() -> None:
    (shift,) = map_shifts([claim("Those at the lower right corner", 0.4)], "F1")
    first = shift.panels[0]
    assert first.title == "This cluster of maps"
    assert first.alt.startswith(
        "For this cluster of maps, the evidence concentrates at the lower right"
    )


def test_the_two_largest_shifts_are_shown() -> None:
    claims = [claim("small", 0.1), claim("large", 0.6), claim("medium", 0.3)]
    assert [one.title for one in map_shifts(claims, "F1")] == ["large", "medium"]
