"""The outcome of an audit: one field that every document, the terminal and the exit code read."""

from __future__ import annotations

from typing import Literal

from auditor.records.base import Estimate, Record, SliceKey, Unit

OutcomeState = Literal["passes", "fails", "undecided", "no-gate"]
"""``undecided``: too little could be examined for a verdict; ``no-gate``: the audit only reports."""
ACCEPTANCE_CRITERIA = "acceptance-criteria"
"""Under this name, instead of a check's, missed criteria are reported as findings."""
GROSS_OVERCONFIDENCE = 0.2
"""A mean confidence this far above the accuracy is grossly wrong (a share)."""

CriterionState = Literal["met", "missed", "undecided"]
WhenUndecided = Literal["fail", "pass"]

EXIT_CODES: dict[OutcomeState, int] = {"passes": 0, "no-gate": 0, "fails": 1, "undecided": 4}


class CriterionResult(Record):
    """An acceptance criterion that was fixed before the result was seen, and whether it is met."""

    id: str
    name: str
    """Such as ``recall of defective``."""
    metric: str
    class_name: str | None = None
    """The class that it is about, if it is about one."""
    slice: SliceKey = SliceKey()
    """The samples that it is about."""
    bound: Literal["at least", "at most", "above"]
    threshold: float
    unit: Unit
    estimate: Estimate | None
    """None where it could not be measured."""
    p_value: float | None = None
    """Of the test, for criteria that compare with a baseline."""
    support: int
    state: CriterionState
    configured: bool
    """Whether the configuration states it; the others apply by default."""
    statement: str
    """The result in a sentence or two."""
    criterion: str = ""
    """The criterion of the configuration that it belongs to, in a few words: one criterion has a result
    for each class and slice that it is about. Empty for default ones."""
    blocking: bool = True
    """Whether it blocks the gate if it is missed or undecided."""
    confidence: float = 0.95
    """Coverage of the interval of ``estimate``; its limits decide."""
    why: str | None = None
    """The reason for the limit, as the configuration states it."""
    missing_samples: int | None = None
    """How many more samples would probably decide it, if it is undecided and the number is known."""
    missing_clusters: int | None = None
    """The same in clusters."""


class OutcomeReason(Record):
    """One reason why the audit does not pass, or cannot be judged."""

    kind: Literal["finding", "criterion", "evaluation", "power"]
    state: Literal["fails", "undecided"]
    text: str
    reference: str | None = None
    """Id of the finding or criterion."""
    missing_samples: int | None = None
    """How many more samples of the slice would probably decide, where that is the reason."""
    missing_clusters: int | None = None
    """How many more clusters these are, at the average size of a cluster; None without clusters."""


class AuditOutcome(Record):
    """Whether the audit passes, with every reason against it."""

    state: OutcomeState
    reasons: list[OutcomeReason] = []
    """Why it does not pass or cannot be judged, the former first; empty where it passes."""
    when_undecided: WhenUndecided = "fail"
    """Whether an audit that cannot be judged exits with an error."""

    @property
    def exit_code(self) -> int:
        """0 passes or no gate; 1 does not pass; 4 cannot be judged."""
        if self.state == "undecided" and self.when_undecided == "pass":
            return 0
        return EXIT_CODES[self.state]
