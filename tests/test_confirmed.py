"""Whole audits: interventions confirm the planted mark and locate it; the twin has no such finding."""

from __future__ import annotations

from typing import TypeVar

from auditor.records import ClaimRecord, Intervention, MapShift, Record, RegionBox, SliceKey, Table
from auditor.run_folder import RunFolder

MARK = (26 / 32, 26 / 32, 31 / 32, 31 / 32)
"""Where the demo draws its mark: left, upper, right and lower edge, as shares of the image's sides."""

Part = TypeVar("Part", bound=Record)


def supporting(run: RunFolder, check: str) -> list[ClaimRecord]:
    """The claims of a check that support the first finding."""
    return [one for one in run.read_result().findings[0].supporting if one.check == check]


def part_of(claim: ClaimRecord, kind: type[Part]) -> Part:
    """The first part of that type in the claim's evidence."""
    return next(one for one in claim.evidence if isinstance(one, kind))


def covers_mark(region: RegionBox | None) -> bool:
    assert region is not None
    x0, y0, x1, y1 = region.box
    across = min(x1, MARK[2]) - max(x0, MARK[0])
    down = min(y1, MARK[3]) - max(y0, MARK[1])
    return min(across, down) > 0


def distinctive_values(claim: ClaimRecord) -> list[tuple[str | float | None, ...]]:
    """Attributes and values that distinguish the images that a claim concerns."""
    return [row[:2] for row in part_of(claim, Table).rows]


def test_default_budget_leaves_nothing_untested(
    planted_run: RunFolder, clean_run: RunFolder
) -> None:
    for one in (planted_run, clean_run):
        assert not [part for part in one.read_result().skipped if "checks.budget" in part.reason]


def test_region_reliance_on_planted_run_confirms_and_locates_the_mark(
    planted_run: RunFolder,
) -> None:
    first = planted_run.read_result().findings[0]
    assert first.verdict == "confirmed"
    assert first.slice.attributes == {"mark": "present"}
    (swap,) = supporting(planted_run, "region-reliance")
    assert swap.verdict == "confirmed"
    intervention = part_of(swap, Intervention)
    assert intervention.flipped_to == "8"
    assert covers_mark(intervention.region)
    (drop,) = intervention.effects
    assert drop.value.low > 0.1
    assert drop.control.high < 0.1


def test_attention_shift_on_planted_run_points_to_the_mark(planted_run: RunFolder) -> None:
    shifts = supporting(planted_run, "attention-shift")
    (shift,) = [one for one in shifts if one.slice.label == "8"]
    assert part_of(shift, MapShift).place == "lower right corner"
    assert shift.effect is not None
    assert shift.effect.low > 0.3


def test_map_clusters_on_planted_run_point_to_the_mark(planted_run: RunFolder) -> None:
    (cluster,) = supporting(planted_run, "map-clusters")
    assert cluster.slice.predicted == "8"
    assert part_of(cluster, MapShift).place == "lower right corner"
    assert cluster.effect is not None
    assert cluster.effect.low > 0.1
    assert ("mark", "present") in distinctive_values(cluster)


def test_failure_regions_on_planted_run_confirm_the_mark_without_its_annotation(
    planted_run: RunFolder,
) -> None:
    (masked,) = supporting(planted_run, "failure-regions")
    assert masked.verdict == "confirmed"
    assert masked.slice == SliceKey(predicted="8")
    intervention = part_of(masked, Intervention)
    assert covers_mark(intervention.region)
    corrected, _ = intervention.effects
    assert corrected.value.low > 0.5 > corrected.control.high
    assert distinctive_values(masked)[0] == ("mark", "present")


def test_checks_of_causes_on_clean_run_report_nothing(clean_run: RunFolder) -> None:
    result = clean_run.read_result()
    reported = {
        claim.check for finding in result.findings for claim in (finding, *finding.supporting)
    }
    of_causes = {"attention-shift", "attention-outside", "hidden-slices", "map-clusters"}
    of_causes |= {"region-reliance", "appearance-reliance", "failure-regions"}
    assert not reported & of_causes
    assert all(one.verdict != "confirmed" for one in result.findings)
