"""How many labels are wrong or contradicted by a shortcut, from the model and the attributes."""

from __future__ import annotations

from auditor.comparisons.value_associations import associated_value
from auditor.records import AuditData, Estimate, LabelNoiseRecord
from auditor.records.predictions import codes
from auditor.statistics.label_noise import label_noise

_LIKELY = 0.8
"""Labels with at least this probability of being wrong are tested for association. Lower values would
admit ordinary errors of the model, which differ between attribute values in many audits."""


def estimate_wrong_labels(audit: AuditData) -> LabelNoiseRecord:
    """Estimates how many labels the model contradicts more confidently than its errors explain.

    These labels are wrong, or the model uses a shortcut: a model that is confidently wrong in one slice
    contradicts correct labels just as often, and the predictions alone cannot distinguish the two. If
    the labels are associated with an attribute value or a computed property, a shortcut is more likely,
    and the estimate is withheld. A slice that no attribute describes is not detected; therefore the
    accuracy is not corrected.

    Args:
        audit: the audited data.

    Returns:
        The estimate, or why it is withheld.
    """
    if audit.probabilities is None:
        return LabelNoiseRecord(reason="no-probabilities")
    label = codes(audit.predictions["label"])
    found = label_noise(label, audit.probabilities)
    if found.reason is not None:
        return LabelNoiseRecord(reason=found.reason)
    disagrees = audit.probabilities.argmax(1) != label
    value = associated_value(audit, disagrees & (found.wrong >= _LIKELY))
    if value is not None:
        return LabelNoiseRecord(reason="associated", associated_value=value)
    n_failures = int(disagrees.sum())
    failures = found.among_failures
    return LabelNoiseRecord(
        share=Estimate.of(found.share),
        failures=Estimate(
            value=failures.value * n_failures,
            low=failures.low * n_failures,
            high=failures.high * n_failures,
        ),
    )
