"""Value contrasts: which attribute values have a gap to confirm, and its direction in each label."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.image_evidence import audit_data
from builders.marked_images import confident, labels, turns
from reference import mid_p_gap

from auditor.interventions.value_contrasts import ValueContrast, contrasts_with_gap, observed_gap
from auditor.records import AuditData


def audited(*failures: tuple[str, str, int]) -> AuditData:
    """60 samples of each label and camera, with so many failures by camera and label."""
    camera = np.where(turns(360, 2) == 0, "old", "new")
    audit = audit_data(labels(360), confident(labels(360)), {"camera": camera})
    frame = audit.predictions
    failure = np.zeros(360, dtype=bool)
    for value, label, n in failures:
        here = (frame["camera"] == value) & (frame["label"] == label)
        failure[np.flatnonzero(here)[:n]] = True
    return replace(audit, predictions=frame.assign(failure=failure))


def test_label_without_a_clear_gap_takes_the_direction_of_the_value() -> None:
    # By chance, one a fails more often with the new camera. The old camera fails more often overall.
    (contrast,), _ = contrasts_with_gap(audited(("old", "b", 20), ("new", "a", 1)), 0.05)
    assert (contrast.value, contrast.direction.tolist()) == ("old", [1, 1, 1])


def test_label_without_a_clear_gap_does_not_count_if_the_value_has_none() -> None:
    # Neither camera fails more often overall: b and c count with opposite directions.
    audit = audited(("old", "b", 20), ("new", "c", 18), ("new", "a", 1))
    (contrast,), _ = contrasts_with_gap(audit, 0.05)
    assert (contrast.value, contrast.direction.tolist()) == ("old", [0, 1, -1])
    assert contrast.other == "new"


def test_attribute_without_a_gap_is_returned_by_name() -> None:
    contrasts, without_gap = contrasts_with_gap(audited(("old", "b", 1)), 0.05)
    assert not contrasts
    assert without_gap == ["camera"]


def test_observed_gap_is_signed_and_weighted_over_labels() -> None:
    # Of label b, 30 of 60 fail with the value and 6 of 60 without; of c, 0 and 24 of 60; of a, none.
    audit = audited(("old", "b", 30), ("new", "b", 6), ("new", "c", 24))
    contrast = ValueContrast("camera", "old", "new", np.array([0.0, 1.0, -1.0]))
    gap = observed_gap(audit, contrast, np.repeat([0, 1, 2], [10, 30, 10]))
    assert gap.value == pytest.approx(0.6 * (0.5 - 0.1) - 0.2 * (0 - 0.4))
    # Mid-p limits by their definition, and Zou and Donner's sum.
    low_b, high_b = mid_p_gap((30, 60), (6, 60))
    low_c, high_c = mid_p_gap((0, 60), (24, 60))
    below = np.hypot(0.6 * (0.4 - low_b), 0.2 * (high_c + 0.4))
    above = np.hypot(0.6 * (high_b - 0.4), 0.2 * (-0.4 - low_c))
    assert gap.low == pytest.approx(gap.value - below, abs=1e-6)
    assert gap.high == pytest.approx(gap.value + above, abs=1e-6)
