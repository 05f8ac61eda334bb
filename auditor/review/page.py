"""The page on which a reviewer decides: each finding with its facts, an image and a form."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from auditor.phrasing import plural
from auditor.report.image_data import ImageData
from auditor.report.templating import environment
from auditor.report.view.findings import FindingView
from auditor.report.view.map_files import MapFiles
from auditor.report.view.report_view import ReportView
from auditor.report.view.sample_cards import SampleCard
from auditor.review_log import ReviewDecision, ReviewLog

POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
CHOICES = {
    "accept": "Accept the risk",
    "mitigate": "Mitigate",
    "reject": "Reject",
}
"""What a decision is called on the page."""
_EDGE = 320
"""Longest side of an image in pixels."""


@dataclass(frozen=True)
class FindingToDecide:
    """A finding on the page.

    Attributes:
        view: the finding as in the report.
        card: the sample that shows it best; None without images.
        decisions: those made on it, the latest first.
    """

    view: FindingView
    card: SampleCard | None
    decisions: tuple[ReviewDecision, ...]


def review_page(
    view: ReportView, folder: Path, log: ReviewLog | None, base: str, error: str = ""
) -> str:
    """The page.

    Args:
        view: everything that the report shows.
        folder: the run folder.
        log: decisions so far.
        base: address below which the report is, which no other page knows.
        error: why the last decision was not stored; empty if it was.
    """
    made = () if log is None else tuple(reversed(log.decisions))
    findings = [
        FindingToDecide(
            one,
            one.cards[0] if one.cards else None,
            tuple(past for past in made if past.finding == one.record.id),
        )
        for one in view.findings
    ]
    cards = [one.card for one in findings if one.card is not None]
    n_open = sum(1 for one in findings if not one.decisions)
    return (
        environment()
        .get_template("review/page.html")
        .render(
            view=view,
            policy=POLICY,
            findings=findings,
            images=ImageData.of_cards(MapFiles(folder), cards, _EDGE),
            base=base,
            choices=CHOICES,
            reviewer=made[0].reviewer if made else "",
            role=made[0].role if made else "",
            open_text=f"{plural(n_open, 'finding')} not decided yet" if n_open else "All decided",
            error=error,
        )
    )
