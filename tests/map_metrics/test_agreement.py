from __future__ import annotations

import numpy as np
import torch
from builders.corner_network import ONES, Corner, quarter
from builders.networks import random_images
from scipy.stats import spearmanr
from torch import nn

from auditor.autograd.recording import record
from auditor.explainers import explain, find_layer
from auditor.explainers.occlusion import Occlusion
from auditor.map_metrics.agreement import (
    hirescam_disagreement,
    occlusion_agreement,
    rank_correlation,
    unit_ranks,
)


def test_rank_correlation_with_ties_equals_scipys_spearmanr() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 5, (3, 4, 5)), rng.normal(size=(3, 4, 5))
    found = rank_correlation(torch.from_numpy(one), torch.from_numpy(other))
    expected = [spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(one, other, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert np.isnan(rank_correlation(torch.ones(1, 4), torch.rand(1, 4))).all()


def test_products_of_unit_ranks_equal_scipys_spearmanr() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 5, (2, 4, 5)), rng.normal(size=(3, 4, 5))
    found = unit_ranks(torch.from_numpy(one)) @ unit_ranks(torch.from_numpy(other)).T
    expected = [[spearmanr(a.ravel(), b.ravel()).statistic for b in other] for a in one]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert np.isnan(unit_ranks(torch.ones(2, 4))).all()


def test_occlusion_agreement_of_a_right_map_is_1_and_of_its_negative_is_minus_1() -> None:
    images = 1 + 0.1 * random_images(2, 8).abs()
    method = Occlusion(window=0.5, stride=1.0)
    drops = explain(Corner(), images, ONES, method).maps
    right = occlusion_agreement(drops, quarter(), method)
    wrong = occlusion_agreement(drops, -quarter(), method)
    np.testing.assert_allclose(right, 1.0)
    np.testing.assert_allclose(wrong, -1.0)


def test_hirescam_disagreement_is_0_only_for_an_averaging_head() -> None:
    torch.manual_seed(0)
    images, targets = random_images(3), torch.tensor([0, 1, 2])
    pool: list[nn.Module] = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)]
    averaging = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *pool)
    layer = find_layer(averaging, images)
    with record(averaging, images, layer) as recording:
        known = hirescam_disagreement(recording, targets)
    np.testing.assert_allclose(known[~np.isnan(known)], 0.0, atol=1e-6)
    flat = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(400, 3))
    with record(flat, images, find_layer(flat, images)) as recording:
        other = hirescam_disagreement(recording, targets)
    assert (other[~np.isnan(other)] > 0.1).all()
