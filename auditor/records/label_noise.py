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
    """Estimate of the wrong labels, and accuracy of the model on the true classes.

    All numbers are None if the estimate is withheld.
    """

    reason: LabelNoiseReason | None = None
    """Why the estimate is withheld; None otherwise."""
    associated_value: str = ""
    """The attribute value that the confident disagreements are associated with, if that is the reason."""
    share: Estimate | None = None
    """Share of labels that are wrong."""
    failures: Estimate | None = None
    """Number of failures whose label is wrong."""
    successes: Estimate | None = None
    """Number of successes whose label is wrong: the model agrees with a wrong label."""
    accuracy: Estimate | None = None
    """Share of predictions that are the true class."""

    @property
    def is_detected(self) -> bool:
        """Whether the interval of the share excludes 0."""
        return self.share is not None and self.share.low > 0
