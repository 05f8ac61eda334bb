"""Estimate of the number of wrong labels in the audited data, from the model and the attributes."""

from __future__ import annotations

from auditor.comparisons.value_associations import associated_value
from auditor.records import AuditData, Estimate, LabelNoiseRecord
from auditor.records.predictions import codes
from auditor.statistics import Interval
from auditor.statistics.label_noise import label_noise

_LIKELY = 0.8
"""Labels with at least this probability of being wrong are tested for association. Lower values would
admit ordinary errors of the model, which differ between attribute values in many audits."""


def estimate_wrong_labels(audit: AuditData) -> LabelNoiseRecord:
    """Estimates the number of wrong labels, or states why it cannot be estimated.

    Wrong labels are assumed to occur at random within a class. A model that is confidently wrong in one
    slice contradicts correct labels just as often, and the predictions alone cannot distinguish the
    two. The estimate is therefore withheld if there is no attribute or computed property to compare,
    or if the labels that are probably wrong are associated with one of its values. A slice that no
    attribute describes is not detected.

    Args:
        audit: the audited data.

    Returns:
        The estimate.
    """
    if audit.probabilities is None:
        return LabelNoiseRecord(reason="no-probabilities")
    label = codes(audit.predictions["label"])
    found = label_noise(label, audit.probabilities)
    if found.reason is not None:
        return LabelNoiseRecord(reason=found.reason)
    if not (audit.attributes or audit.computed):
        return LabelNoiseRecord(reason="no-attributes")
    disagrees = audit.probabilities.argmax(1) != label
    value = associated_value(audit, disagrees & (found.wrong >= _LIKELY))
    if value is not None:
        return LabelNoiseRecord(reason="associated", associated_value=value)
    n_failures = int(disagrees.sum())
    return LabelNoiseRecord(
        share=Estimate.of(found.share),
        failures=_count(found.among_failures, n_failures),
        successes=_count(found.among_successes, len(label) - n_failures),
        accuracy=Estimate.of(found.accuracy),
    )


def _count(share: Interval, n: int) -> Estimate:
    return Estimate(value=share.value * n, low=share.low * n, high=share.high * n)
