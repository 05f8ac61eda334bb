"""Sample splitting: halves within labels, and gaps in the error rate and in the excess by hand."""

from __future__ import annotations

import numpy as np
import pytest
from builders.image_evidence import audit_data

from auditor.discovery.sample_splitting import SampleSplit, jaccard


def six_samples() -> tuple[SampleSplit, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    label = np.array([0, 0, 0, 0, 1, 1])
    share = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.4, 0.6], [0.3, 0.7], [0.1, 0.9]])
    given = audit_data(label, share, {})
    return SampleSplit.of(given, np.arange(6), "label", np.random.default_rng(0)), label


def test_each_label_is_divided_in_half() -> None:
    sample_split, label = six_samples()
    assert np.bincount(label[sample_split.search]).tolist() == [2, 1]
    assert (sample_split.test == ~sample_split.search).all()


def test_excess_is_failure_minus_the_error_that_the_confidence_implies() -> None:
    sample_split, _ = six_samples()
    assert sample_split.excess == pytest.approx([-0.1, 0.8, -0.4, 0.6, -0.3, -0.1])


def test_gaps_within_labels_are_those_computed_by_hand() -> None:
    sample_split, label = six_samples()
    inside = np.array([False, True, False, True, True, False])
    everyone = np.ones(6, dtype=bool)
    # Label 0: 0.7 against -0.25, weight 2 · 2 / 4; label 1: -0.3 against -0.1, weight 1 · 1 / 2.
    gap = sample_split.excess_gap(inside, label, everyone).gap
    assert gap.value == pytest.approx((0.95 * 1 - 0.2 * 0.5) / 1.5)
    # Label 0: both inside fail and none outside; label 1: none fails.
    assert sample_split.gap(inside, label, everyone).gap.value[0] == pytest.approx(1 / 1.5)


def test_jaccard_index_is_the_intersection_over_the_union() -> None:
    one, other = np.array([True, True, False, False]), np.array([False, True, True, False])
    assert jaccard(one, other) == pytest.approx(1 / 3)
    assert jaccard(one & other & False, one & False) == 0
