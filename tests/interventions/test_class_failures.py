"""Class failures: the images that a search and a test use, and their labels."""

from __future__ import annotations

import numpy as np
import pytest
from builders.marked_images import marked_audit, model_of
from numpy.typing import NDArray

from auditor.interventions.class_failures import ClassFailures
from auditor.records import AuditData
from auditor.records.predictions import codes


@pytest.fixture
def audit() -> AuditData:
    return marked_audit()


@pytest.fixture
def failures(audit: AuditData) -> ClassFailures:
    return ClassFailures.draw(audit, 0, 12, 40)


def outcomes(audit: AuditData) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return codes(audit.predictions["label"]), codes(audit.predictions["predicted"])


def test_search_and_test_share_no_image(failures: ClassFailures) -> None:
    used = []
    for samples in (failures.search, failures.test):
        assert samples.infill_donors is not None
        parts = (
            samples.failures,
            samples.infill_donors,
            samples.class_images,
            samples.donors,
            samples.control_donors,
            samples.recipients,
        )
        used.append(set(np.concatenate(parts).tolist()))
    assert not used[0] & used[1]


def test_images_have_the_stated_labels_and_predictions(
    audit: AuditData, failures: ClassFailures
) -> None:
    label, predicted = outcomes(audit)
    for samples in (failures.search, failures.test):
        assert (predicted[samples.failures] == 0).all()
        assert (label[samples.failures] == samples.label).all()
        assert (samples.label != 0).all()
        assert samples.infill_donors is not None
        assert (predicted[samples.infill_donors] == label[samples.infill_donors]).all()
        assert (label[samples.infill_donors] != samples.label).all()
        assert (label[samples.infill_donors] != 0).all()
        assert (predicted[samples.class_images] == 0).all()
        assert (label[samples.class_images] == 0).all()
        assert (label[samples.recipients] != 0).all()
        assert (predicted[samples.recipients] == label[samples.recipients]).all()
        assert (predicted[samples.donors] == 0).all()
        assert (label[samples.donors] != 0).all()
        assert (predicted[samples.control_donors] == label[samples.control_donors]).all()
        assert (label[samples.control_donors] == label[samples.donors]).all()


def test_every_failure_for_the_test_is_a_donor(failures: ClassFailures) -> None:
    assert (len(failures.search.failures), len(failures.test.failures)) == (12, 40)
    for samples in (failures.search, failures.test):
        recipients = samples.recipients
        assert len(samples.donors) == len(recipients) == len(set(recipients.tolist()))
    # Each of the 80 - 12 = 68 failures outside of the search is the donor of one or two recipients.
    donors, counts = np.unique(failures.test.donors, return_counts=True)
    assert len(failures.test.recipients) == 80
    assert len(donors) == 68
    assert np.unique(counts).tolist() == [1, 2]


def test_all_failures_of_the_class_occur_once(audit: AuditData, failures: ClassFailures) -> None:
    label, predicted = outcomes(audit)
    parts = (failures.search, failures.test, failures.rest)
    rows = np.concatenate([part.failures for part in parts])
    assert sorted(rows) == np.flatnonzero((predicted == 0) & (label != 0)).tolist()
    assert [len(one.failures) for one in failures.rest.batches(20)] == [20, 8]


def test_draw_among_some_failures_leaves_the_others_to_the_rest(audit: AuditData) -> None:
    label, predicted = outcomes(audit)
    rows = np.flatnonzero((predicted == 0) & (label != 0))
    part = ClassFailures.draw(audit, 0, 12, 40, among=rows[:30])
    examined = np.concatenate([part.search.failures, part.test.failures])
    assert set(examined) == set(rows[:30])
    assert part.total == 30
    assert sorted(part.rest.failures) == sorted(rows[30:])


def test_search_takes_at_most_a_third_of_the_failures() -> None:
    assert len(ClassFailures.draw(marked_audit(n=135), 0, 12, 40).search.failures) == 10


def test_loaded_images_are_those_of_the_rows(audit: AuditData, failures: ClassFailures) -> None:
    model, samples = model_of(audit), failures.test
    images = samples.load(model)
    assert samples.infill_donors is not None
    assert images.infill.donors is not None
    for loaded, rows in (
        (images.infill.images, samples.failures),
        (images.infill.donors, samples.infill_donors),
        (images.recipients, samples.recipients),
        (images.donors, samples.donors),
        (images.control_donors, samples.control_donors),
    ):
        assert (loaded == model.inputs[rows]).all()
