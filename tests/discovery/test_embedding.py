"""Image embedding: thumbnails are means, and what distinguishes the classes is removed."""

from __future__ import annotations

import numpy as np
import pytest
from builders.hidden_group import N, hidden_group, with_hidden_group

from auditor.discovery.embedding import embed, thumbnails_of
from auditor.records.predictions import codes


def test_thumbnails_are_means_of_patches() -> None:
    images = np.random.default_rng(0).integers(0, 255, (2, 3, 24, 16), dtype=np.uint8)
    small = thumbnails_of(images)
    assert small.shape == (2, 3, 8, 8)
    assert small[1, 2, 1, 7] == pytest.approx(images[1, 2, 3:6, 14:16].mean())
    assert thumbnails_of(images[:, :, :6, :6]).shape == (2, 3, 8, 8)


def test_embedding_separates_a_hidden_group_but_not_the_labels() -> None:
    hidden = hidden_group()
    given = with_hidden_group(np.full(N, 0.1), hidden, 0)
    assert given.model is not None
    label = codes(given.predictions["label"])
    found = embed(given.model, np.arange(N), label, np.ones(N, dtype=bool))
    means = np.stack([found.coordinates[label == k].mean(0) for k in range(3)])
    assert np.abs(means).max() < 1e-6
    strongest = max(
        abs(np.corrcoef(column, hidden)[0, 1]) for column in found.coordinates.T if column.std() > 0
    )
    assert strongest > 0.8


def test_embedding_of_equal_images_is_zero() -> None:
    given = with_hidden_group(np.full(N, 0.1), hidden_group(), 0)
    assert given.model is not None
    found = embed(given.model, np.zeros(8, int), np.zeros(8, int), np.ones(8, dtype=bool))
    assert not found.coordinates.any()


def test_brightness_difference_names_the_side_and_the_place() -> None:
    hidden = hidden_group()
    given = with_hidden_group(np.full(N, 0.1), hidden, 0)
    assert given.model is not None
    label = codes(given.predictions["label"])
    found = embed(given.model, np.arange(N), label, np.ones(N, dtype=bool))
    difference = found.brightness_difference(hidden, ~hidden)
    assert difference.words == "brighter at the lower right corner"
    assert found.brightness_difference(~hidden, hidden).words == "darker at the lower right corner"
    # By hand at one place: the difference of means over the standard deviation of both together.
    brightness = found.brightness[:, 7, 7]
    expected = (brightness[hidden].mean() - brightness[~hidden].mean()) / brightness.std()
    assert difference.map[7, 7] == pytest.approx(expected)
