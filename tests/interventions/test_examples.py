"""Examples of interventions: chosen by rank, with the images and predictions before and after."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.image_evidence import ImageArray, Model, audit_data
from builders.marked_images import MARK, confident, marked_audit
from numpy.typing import NDArray

from auditor.checks.failure_regions import FailureRegions
from auditor.interventions.examples import RANKS, Change, intervention_examples
from auditor.records import AuditData, Intervention


class Kept:
    """Keeps images in memory."""

    def __init__(self) -> None:
        self.images: list[NDArray[np.uint8]] = []

    def keep(self, image: NDArray[np.uint8]) -> str:
        self.images.append(image)
        return f"explanations/interventions-00000.parquet#{len(self.images) - 1}"


def nine_images() -> AuditData:
    """Nine samples of label a; the level of each image is its number, and all are predicted as b."""
    images = np.zeros((9, 3, 4, 4), np.uint8) + np.arange(9, dtype=np.uint8)[:, None, None, None]
    share = np.tile([0.25, 0.75], (9, 1))
    model = Model(images, lambda some: np.tile([0.25, 0.75], (len(some), 1)))
    return audit_data(np.zeros(9, dtype=np.int64), share, {}, model=model)


def test_examples_are_the_fixed_ranks_of_the_effect() -> None:
    kept = Kept()
    audit = replace(nine_images(), keeper=kept)
    rows = np.arange(9)
    effect = np.array([0.1, 0.9, 0.3, 0.7, 0.5, 0.2, 0.8, 0.4, 0.6])
    probabilities = np.stack([0.1 * np.arange(9), 1 - 0.1 * np.arange(9)], axis=1)
    made: list[list[int]] = []

    def images(chosen: NDArray[np.int64]) -> ImageArray:
        made.append(chosen.tolist())
        return np.asarray(100 + audit_images(audit, chosen), dtype=np.uint8)

    change = Change("Region filled", probabilities, images, donors=np.flip(rows))
    found = intervention_examples(audit, rows, effect, [change])
    # In descending order: 0.9 (s1), 0.8, 0.7 (s3), 0.6, 0.5 (s4), 0.4, 0.3 (s2), 0.2, 0.1 (s0).
    assert [(one.rank, one.sample) for one in found] == list(
        zip(RANKS, ["s0001", "s0003", "s0004", "s0002", "s0000"], strict=True)
    )
    assert made == [[1, 3, 4, 2, 0]]  # no other image is made
    first = found[0]
    assert first.change == pytest.approx(0.9)
    assert (first.before.how, first.before.predicted) == ("", "b")
    assert (first.before.confidence, first.before.label_probability) == pytest.approx((0.75, 0.25))
    (after,) = first.after
    assert (after.how, after.donor, after.predicted) == ("Region filled", "s0007", "b")
    assert (after.confidence, after.label_probability) == pytest.approx((0.9, 0.1))
    shown = [kept.images[int(one.image.split("#")[1])][0, 0, 0] for one in (first.before, after)]
    assert shown == [1, 101]


def audit_images(audit: AuditData, rows: NDArray[np.int64]) -> ImageArray:
    assert audit.model is not None
    return audit.model.images(rows)


def test_fewer_images_than_ranks_are_shown_once_each() -> None:
    audit = replace(nine_images(), keeper=Kept())
    rows = np.arange(2)
    change = Change("Changed", np.tile([0.5, 0.5], (2, 1)), lambda some: audit_images(audit, some))
    found = intervention_examples(audit, rows, np.array([0.0, 1.0]), [change])
    assert [one.sample for one in found] == ["s0001", "s0000"]


def test_no_examples_without_a_place_for_the_images() -> None:
    change = Change(
        "Changed", np.zeros((9, 2)), lambda some: np.zeros((len(some), 3, 4, 4), np.uint8)
    )
    assert intervention_examples(nine_images(), np.arange(9), np.zeros(9), [change]) == ()


def test_masked_failures_are_kept_with_the_region_masked() -> None:
    kept = Kept()
    (claim,) = FailureRegions().examine(replace(marked_audit(), keeper=kept)).claims
    part = claim.part(Intervention)
    assert part is not None
    assert [one.rank for one in part.examples] == list(RANKS)
    for one in part.examples:
        before, after = (
            kept.images[int(each.image.split("#")[1])] for each in (one.before, one.after[0])
        )
        # The mark is white in the original and covered in the changed image, which is then correct.
        assert before[MARK[1:]].mean() == 255
        assert after[MARK[1:]].mean() < 255
        assert (one.before.predicted, one.after[0].predicted) == ("a", one.label)
        # 0.8 for the predicted class of three and 0.1 for each other one, see `confident`.
        assert confident(np.array([0]))[0].tolist() == pytest.approx([0.8, 0.1, 0.1])
        assert one.change == pytest.approx(0.7)
