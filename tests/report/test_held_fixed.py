"""The table of a gap with other attributes held fixed."""

from __future__ import annotations

from auditor.records import Estimate, HeldFixed, HeldFixedGap, MediatedPart
from auditor.report.view.held_fixed import held_fixed_table


def test_held_fixed_table_states_what_the_joint_gap_means() -> None:
    gap = HeldFixedGap(
        attribute="age",
        gap=Estimate(value=0.06, low=0.03, high=0.09),
        p_value=1e-4,
        state="weakens",
        effective_samples=900,
    )
    part = HeldFixed(
        gaps=(gap,),
        jointly=Estimate(value=0.01, low=-0.02, high=0.04),
        held=("age", "site"),
        state="explains",
        mediated=(MediatedPart(attribute="stage", part=Estimate(value=0.1, low=0.08, high=0.12)),),
        not_mediated=Estimate(value=0.05, low=0.02, high=0.08),
    )
    assert held_fixed_table(part).rows == (
        ("age", "+6 (+3 to +9)", "it explains a part of the gap"),
        ("age and site, by a regression", "+1 (−2 to +4)", "they explain the gap"),
        ("stage, declared a mediator", "+5 (+2 to +8)", "this part does not go through it"),
    )


def test_held_fixed_table_of_an_old_audit_has_its_regression() -> None:
    part = HeldFixed(gaps=(), jointly=Estimate(value=0.01, low=-0.02, high=0.04))
    assert held_fixed_table(part).rows == (
        ("all of them and the label, by a regression", "+1 (−2 to +4)", ""),
    )
