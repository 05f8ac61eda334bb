"""The estimate of wrong labels as it is stored."""

from __future__ import annotations

from typing import Literal

from auditor.records.base import Estimate, Record

LabelNoiseReason = Literal[
    "few-samples",
    "weak-model",
    "uninformative-confidence",
    "confident-errors",
    "no-probabilities",
    "no-attributes",
    "associated",
]


class LabelNoiseRecord(Record):
    """Estimate of the labels that the model contradicts more confidently than its errors explain.

    They are wrong, or the model uses a shortcut; its predictions alone cannot separate the two. All
    numbers are None if the estimate is withheld.
    """

    reason: LabelNoiseReason | None = None
    """Why the estimate is withheld; None otherwise."""
    associated_value: str = ""
    """The attribute value that the confident disagreements are associated with, if that is the reason."""
    share: Estimate | None = None
    """Share of labels that are contradicted in this way; its upper limit is one of the wrong labels."""
    failures: Estimate | None = None
    """Number of failures with such a label."""
    successes: Estimate | None = None
    """In earlier results, number of successes whose label is wrong if no shortcut is used. No longer
    computed or shown."""
    accuracy: Estimate | None = None
    """In earlier results, share of predictions that are the true class if no shortcut is used. No
    longer computed or shown."""
    cleared: tuple[str, ...] = ()
    """Contradicted labels that have another explanation, in words."""

    @property
    def is_detected(self) -> bool:
        """Whether the interval of the share excludes 0."""
        return self.share is not None and self.share.low > 0
