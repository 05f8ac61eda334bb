"""Whole audits: the planted mark is confirmed by changing images, and its place is known."""

from __future__ import annotations

from typing import Any

from auditor.run_folder import RunFolder

MARK = (26 / 32, 26 / 32, 31 / 32, 31 / 32)
"""Where the demo draws its mark: left, upper, right and lower edge, as parts of the image."""


def pieces(run: RunFolder, check: str) -> list[dict[str, Any]]:
    """What a check contributed to the first finding."""
    found: list[dict[str, Any]] = run.read_result().findings[0].evidence["pieces"]
    return [one for one in found if one["check"] == check]


def test_the_planted_mark_is_confirmed_where_it_was_drawn(planted_run: RunFolder) -> None:
    first = planted_run.read_result().findings[0]
    assert first.verdict == "confirmed"
    assert first.slice.attributes == {"mark": "present"}
    (swap,) = pieces(planted_run, "region-reliance")
    assert swap["verdict"] == "confirmed"
    assert swap["turned_to"] == "8"
    x0, y0, x1, y1 = swap["box"]
    across = min(x1, MARK[2]) - max(x0, MARK[0])
    down = min(y1, MARK[3]) - max(y0, MARK[1])
    assert min(across, down) > 0
    assert swap["fall"]["low"] > 0.1
    assert swap["fall_elsewhere"]["high"] < 0.1


def test_maps_of_the_marked_class_point_to_the_mark(planted_run: RunFolder) -> None:
    (shift,) = [
        one for one in pieces(planted_run, "attention-shift") if one["slice"]["label"] == "8"
    ]
    assert shift["place"] == "lower right corner"
    assert shift["effect"]["low"] > 0.3


def test_the_maps_of_what_is_called_the_marked_class_lead_to_the_mark(
    planted_run: RunFolder,
) -> None:
    (group,) = pieces(planted_run, "map-clusters")
    assert group["slice"]["predicted"] == "8"
    assert group["place"] == "lower right corner"
    assert group["effect"]["low"] > 0.1
    assert any(one.startswith("mark = present") for one in group["marked_by"])


def test_covering_the_mark_mends_the_failures_whoever_annotates_it(planted_run: RunFolder) -> None:
    (cover,) = pieces(planted_run, "failure-regions")
    assert cover["verdict"] == "confirmed"
    assert cover["slice"] == {"attributes": {}, "label": None, "predicted": "8"}
    x0, y0, x1, y1 = cover["box"]
    assert min(x1, MARK[2]) - max(x0, MARK[0]) > 0
    assert min(y1, MARK[3]) - max(y0, MARK[1]) > 0
    assert cover["mended"]["low"] > 0.5 > cover["mended_elsewhere"]["high"]
    assert cover["marked_by"][0].startswith("mark = present")


def test_nothing_of_this_is_said_of_the_twin(clean_run: RunFolder) -> None:
    result = clean_run.read_result()
    said = {one.check for one in result.findings}
    said |= {piece["check"] for one in result.findings for piece in one.evidence.get("pieces", [])}
    of_causes = {"attention-shift", "attention-outside", "hidden-slices", "map-clusters"}
    assert not said & (of_causes | {"region-reliance", "appearance-reliance", "failure-regions"})
    assert all(one.verdict != "confirmed" for one in result.findings)
