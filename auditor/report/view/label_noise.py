"""The estimate of wrong labels in words."""

from __future__ import annotations

from auditor.phrasing import count, limits, percent
from auditor.records import Estimate, LabelNoiseReason, LabelNoiseRecord, Summary

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
    """The estimate of wrong labels and the corrected accuracy; empty if there is no estimate.

    Args:
        noise: the estimate, or why it is withheld.
        summary: the number of failures and the accuracy on the given labels.
    """
    if noise is None:
        return ""
    if noise.reason == "associated":
        return (
            "Label noise could not be estimated: the labels that the model contradicts most confidently are "
            f"associated with {noise.associated_value}, so the model may be wrong there and not the labels."
        )
    if noise.reason is not None:
        return f"Label noise could not be estimated: {_REASONS[noise.reason]}."
    parts = (noise.share, noise.failures, noise.successes, noise.accuracy)
    share, failures, successes, accuracy = (one for one in parts if one is not None)
    n_successes = summary.n_evaluated - summary.n_failures
    given = "" if summary.accuracy is None else f" instead of {percent(summary.accuracy.value, 1)}"
    if not noise.is_detected:
        return (
            f"No label noise was detected: it is estimated that at most {percent(share.high)} of the labels "
            f"are wrong. Corrected for that, the accuracy is {limits(accuracy, 'share')}."
        )
    return (
        f"An estimated {percent(share.value)} of the labels are wrong ({limits(share, 'share')}): "
        f"those of {_number(failures)} of {count(summary.n_failures)} failures, and those of "
        f"{_number(successes)} of {count(n_successes)} successes, where the model agrees with a wrong "
        f"label. Corrected for both, the accuracy is {percent(accuracy.value, 1)} "
        f"({limits(accuracy, 'share')}){given}. This assumes that wrong labels occur at random; a slice "
        "in which the model is confidently wrong, and which no attribute describes, would look the same."
    )


def _number(estimate: Estimate) -> str:
    low, high = (count(round(end)) for end in (estimate.low, estimate.high))
    return f"{count(round(estimate.value))} ({low} to {high})"
