from __future__ import annotations

import numpy as np
import pytest
import torch
from builders.networks import Written, random_images
from scipy.stats import spearmanr

from auditor.explainers import find_layer
from auditor.map_metrics.agreement import unit_ranks
from auditor.map_metrics.summary import Likeness, map_scores


@pytest.mark.parametrize("activation", [torch.relu, torch.tanh])
def test_map_scores_are_in_range_and_reproducible(activation: object) -> None:
    torch.manual_seed(0)
    model, images = Written(activation), random_images(3)  # type: ignore[arg-type]
    layer = find_layer(model, images)
    found, again = (map_scores(model, images, layer) for _ in range(2))
    for own, shuffled in found.areas.values():
        assert own.shape == shuffled.shape == (3,)
        assert ((own >= 0) & (own <= 1)).all()
    assert (found.edges is not None) == (activation is torch.relu)
    assert set(found.randomized) == {"grad-cam"} | (
        {"guided-backprop"} if activation is torch.relu else set()
    )
    np.testing.assert_array_equal(found.areas["deletion"], again.areas["deletion"])
    np.testing.assert_array_equal(
        found.randomized["grad-cam"].own, again.randomized["grad-cam"].own
    )


def test_map_scores_of_many_images_use_a_randomized_network_for_every_ten() -> None:
    torch.manual_seed(0)
    model = Written(torch.tanh)
    found = map_scores(model, random_images(61), find_layer(model, random_images(2)))
    # 61 images need seven parts of at most ten.
    assert np.bincount(found.network).tolist() == [9, 9, 9, 9, 9, 8, 8]
    assert found.occlusion.shape == found.hirescam.shape == (61,)


def test_likeness_compares_own_and_unrelated_maps() -> None:
    rng = np.random.default_rng(0)
    maps, others = rng.normal(size=(2, 3, 1, 4, 5))
    found = Likeness.of(*(unit_ranks(torch.from_numpy(one)) for one in (maps, others, maps)))
    own = [spearmanr(maps[k].ravel(), others[k].ravel()).statistic for k in range(3)]
    unrelated = [
        spearmanr(maps[j].ravel(), maps[k].ravel()).statistic
        for j in range(3)
        for k in range(3)
        if j != k
    ]
    np.testing.assert_allclose(found.own, own)
    np.testing.assert_allclose(found.unrelated, unrelated)
