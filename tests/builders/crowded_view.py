"""A report view with more of everything than a page holds."""

from __future__ import annotations

from dataclasses import replace

from auditor.records import OutcomeReason
from auditor.report.view.change_history import ChangeHistory, FindingHistory
from auditor.report.view.report_view import ReportView
from auditor.report.view.review_decisions import ReviewView
from auditor.report.view.sample_sizes import CriterionSize, SampleSizes, SliceSize
from auditor.report.view.sign_off import SignOff
from auditor.report.view.untested import UntestedRow

LONG = "שלום 世界 " + "very long " * 30


def _crowded_sign_off() -> SignOff:
    history = ChangeHistory(
        rows=tuple((name, 3 * LONG, 3 * LONG) for name in ("Audit", "Date", "Model", "Data")) * 2,
        paired=LONG,
        findings=tuple(FindingHistory("Still there", LONG, 3 * LONG, LONG) for _ in range(40)),
        counts="Findings: 40 still there.",
        not_compared="",
        recorded="today",
    )
    samples = SampleSizes(
        text=3 * LONG,
        limit="10 points",
        slices=tuple(SliceSize(LONG, "5", "any", "any", "300", False) for _ in range(40)),
        criteria=tuple(CriterionSize(LONG, "5", "90 %", "95 %", "12") for _ in range(40)),
        smallest=3 * LONG,
    )
    return SignOff(history, ReviewView({}), samples)


def crowded_view(view: ReportView) -> ReportView:
    """A view with more of everything than a page holds, and long names."""
    finding, criterion, row = view.findings[0], view.criteria[0], view.slices[0]
    record = finding.record.model_copy(update={"title": LONG, "action": LONG})
    attributes = {LONG: LONG}
    # Details do not belong to the main part; without them the test is quick.
    short = replace(
        finding, cards=finding.cards[:1], contrasts=(), means=(), units=(), interventions=()
    )
    return replace(
        view,
        name=LONG,
        sign_off=_crowded_sign_off(),
        findings=tuple(
            replace(short, number=k, anchor=f"finding-{k}", record=record) for k in range(1, 16)
        ),
        criteria=tuple(
            criterion.model_copy(
                update={
                    "name": f"{k} {LONG}",
                    "criterion": None,
                    "statement": 3 * LONG,
                    "why": LONG,
                }
            )
            for k in range(60)
        ),
        slices=tuple(
            row.model_copy(update={"id": f"s{k}", "attributes": attributes}) for k in range(40)
        ),
        untested_rows=tuple(UntestedRow(LONG, "5", "any") for _ in range(40)),
        skipped=tuple((f"check-{k}", 3 * LONG) for k in range(60)),
        verdict=replace(
            view.verdict,
            reasons=tuple(
                OutcomeReason(kind="criterion", state="fails", text=3 * LONG) for _ in range(60)
            ),
        ),
    )
