"""The decisions of ``auditor review`` as they stand beside the signatures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from auditor.errors import DataError
from auditor.manifest import read_manifest
from auditor.phrasing import date
from auditor.review_log import ReviewChoice, read_log, review_faults

_CHOICES: Mapping[ReviewChoice, str] = {
    "accept": "Accept the risk",
    "mitigate": "Mitigate",
    "reject": "Reject",
}


@dataclass(frozen=True)
class DecisionView:
    """A decision on a finding.

    Attributes:
        text: the decision and its reason.
        owner: who decided, with the role.
        date: when.
    """

    text: str
    owner: str
    date: str

    def __str__(self) -> str:
        """The decision in one line."""
        return f"{self.text} ({self.owner}, {self.date})"


@dataclass(frozen=True)
class ReviewView:
    """The decisions on the findings of a run.

    Attributes:
        decisions: the last one on each finding, by the id of the finding; none if they cannot be relied on.
        fault: why they cannot be relied on; empty if they can.
    """

    decisions: Mapping[str, DecisionView]
    fault: str = ""


def review_view(folder: Path) -> ReviewView:
    """The decisions on a run.

    Args:
        folder: of the run.

    Raises:
        DataError: the stored decisions are damaged.
    """
    log = read_log(folder)
    if log is None:
        return ReviewView({})
    try:
        faults = review_faults(log, read_manifest(folder).seal)
    except DataError as error:
        faults = [str(error)]
    if faults:
        return ReviewView({}, faults[0])
    return ReviewView(
        {
            name: DecisionView(
                f"{_CHOICES[one.choice]}: {one.reason}",
                ", ".join(filter(None, (one.reviewer, one.role))),
                date(one.decided_at),
            )
            for name, one in log.current.items()
        }
    )
