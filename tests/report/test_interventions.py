from __future__ import annotations

from auditor.records import (
    ClaimRecord,
    Estimate,
    Intervention,
    InterventionEffect,
    RegionBox,
    SliceKey,
)
from auditor.report.view.interventions import interventions
from auditor.report.view.report_view import build_view
from auditor.run_folder import RunFolder


def claim(*parts: Intervention) -> ClaimRecord:
    return ClaimRecord(
        check="failure-regions",
        kind="robustness",
        title="Masking the lower left corner corrects 78 % of the failures predicted 3",
        severity="alert",
        verdict="supported",
        slice=SliceKey(predicted="3"),
        effect=None,
        p_value=None,
        q_value=None,
        support=80,
        statement=["In 80 failures, the lower left corner was blurred.", "78 % were corrected."],
        action="",
        limits="",
        evidence=list(parts),
    )


def covered(*, outside: bool = False) -> Intervention:
    return Intervention(
        method="cover-region",
        region=RegionBox(place="lower left corner", box=(0.0, 0.75, 0.25, 1.0), outside=outside),
        effects=(
            InterventionEffect(
                name="failures corrected",
                value=Estimate(value=0.78, low=0.66, high=0.86),
                control=Estimate(value=0.03, low=0.0, high=0.09),
                control_name="at other places of the same size",
                unit="share",
            ),
        ),
        flipped_to="3",
    )


def test_swapped_region_is_shown_with_its_control(run_folder: RunFolder) -> None:
    swapped, styled = build_view(run_folder).findings[0].interventions
    assert swapped.heading == "Intervention: swapping this region changes the predictions"
    assert swapped.where == "a box at the lower left corner"
    assert swapped.region is not None
    assert swapped.region.box == (0.0, 0.75, 0.25, 1.0)
    (measure,) = swapped.measures
    assert measure.name == "Additional failures"
    assert measure.measured == "+22 points (+15 to +29)"
    assert measure.control == "−2.5 points (−7 to +2)"
    # The class that predictions flipped to, with the value and with the other one.
    assert [(one.label, one.value) for one in swapped.means] == [
        ("defective", "mono"),
        ("defective", "poly"),
    ]
    assert (styled.region, styled.means, styled.where) == (None, (), "the whole image")
    assert (swapped.variant, styled.variant) == (None, "contrast")


def test_masked_region_of_the_finding_itself_repeats_no_statement() -> None:
    own, other = interventions([claim(covered()), claim(covered())], "F1", ())
    assert own.heading == "Intervention: masking this region corrects failures"
    assert own.statement == ""
    assert (
        other.statement == "In 80 failures, the lower left corner was blurred. 78 % were corrected."
    )
    assert (own.measures[0].measured, own.measures[0].control) == ("78 % (66–86 %)", "3 % (0–9 %)")
    assert own.means == ()


def test_region_outside_of_a_box_is_the_border() -> None:
    (border,) = interventions([claim(covered(outside=True))], "F1", ())
    assert border.where == "the border of the image"


def test_two_interventions_of_one_claim_have_their_own_drawings() -> None:
    found = interventions([claim(covered(), covered(outside=True))], "F1", ())
    assert len({one.key for one in found}) == 2


def test_claim_without_an_intervention_has_none() -> None:
    assert interventions([claim()], "F1", ()) == ()
