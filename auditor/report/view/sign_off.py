"""What stands beside the signatures: change history, decisions, and the number of samples."""

from __future__ import annotations

from dataclasses import dataclass

from auditor.report.view.change_history import ChangeHistory, change_history
from auditor.report.view.review_decisions import ReviewView
from auditor.report.view.run_data import RunData
from auditor.report.view.sample_sizes import SampleSizes, sample_sizes


@dataclass(frozen=True)
class SignOff:
    """What stands beside the signatures.

    Attributes:
        history: what changed since the previous audit; None if no previous audit is stored.
        review: the decisions on the findings.
        samples: what the number of samples can show; None if nothing could be tested.
    """

    history: ChangeHistory | None
    review: ReviewView
    samples: SampleSizes | None


def sign_off(data: RunData) -> SignOff:
    """What stands beside the signatures of a run."""
    return SignOff(
        change_history(data.previous, data.result), data.review, sample_sizes(data.result)
    )
