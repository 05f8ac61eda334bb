"""What can be said about wrong labels, in words."""

from __future__ import annotations

from collections.abc import Sequence

from auditor.phrasing import count, limits, percent
from auditor.records import Estimate, LabelNoiseReason, LabelNoiseRecord, Summary

_CLEARED = 3
"""Groups of labels with another explanation that are listed at most."""
_REASONS: dict[LabelNoiseReason, str] = {
    "few-samples": "there are too few samples",
    "weak-model": "the model is too weak to judge labels; it is hardly better than always predicting the "
    "most frequent class",
    "uninformative-confidence": "the model is no more confident where it agrees with the label",
    "confident-errors": "over a fifth of the model’s most confident predictions contradict the label",
    "no-probabilities": "probabilities are not stored for more than 100 classes",
    "no-attributes": "without attributes, wrong labels cannot be distinguished from slices in which "
    "the model is confidently wrong",
}


def label_noise_text(noise: LabelNoiseRecord | None, summary: Summary) -> str:
    """The labels that may be wrong, or why nothing can be said about them; empty without an estimate.

    Args:
        noise: the estimate, or why it is withheld.
        summary: the number of failures.
    """
    if noise is None:
        return ""
    if noise.reason == "associated":
        return (
            "Label noise could not be estimated: the labels that the model contradicts most confidently are "
            f"associated with {noise.associated_value}, so the model may be wrong there and not the labels."
        )
    return f"{_estimate(noise, summary)}{_other_explanations(noise.cleared)}"


def _estimate(noise: LabelNoiseRecord, summary: Summary) -> str:
    if noise.reason is not None:
        return f"Label noise could not be estimated: {_REASONS[noise.reason]}."
    if noise.share is None or noise.failures is None:
        return ""
    if not noise.is_detected:
        return (
            "No label noise was detected: if labels are wrong at random, at most "
            f"{percent(noise.share.high)} of them are."
        )
    return (
        f"The model contradicts an estimated {percent(noise.share.value)} of the labels "
        f"({limits(noise.share, 'share')}) more confidently than its other errors explain: those of "
        f"{_number(noise.failures)} of {count(summary.n_failures)} failures. Either these labels are wrong, "
        "or the model uses a shortcut; its predictions alone cannot tell which. No label is blamed, all of "
        "these count as failures, and the accuracy is not corrected."
    )


def _other_explanations(cleared: Sequence[str]) -> str:
    if not cleared:
        return ""
    more = len(cleared) - _CLEARED
    listed = [*cleared[:_CLEARED], *([f"and {count(more)} more"] if more > 0 else [])]
    return f" Contradicted labels with another explanation: {'; '.join(listed)}."


def _number(estimate: Estimate) -> str:
    low, high = (count(round(end)) for end in (estimate.low, estimate.high))
    return f"{count(round(estimate.value))} ({low} to {high})"
