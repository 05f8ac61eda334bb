"""Trust measures on models whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from builders.networks import Residual, Written, random_images
from scipy.ndimage import sobel
from scipy.stats import spearmanr
from torch import Tensor, nn

from auditor.explainers import explain, find_layer
from auditor.explainers.occlusion import Occlusion
from auditor.explainers.trust import (
    deletion,
    edges,
    hirescam_disagreement,
    insertion,
    measure_trust,
    occlusion_agreement,
    parameter_randomization,
    rank_correlation,
)


class Corner(nn.Module):
    """Class 1 is the mean of the top left quarter, class 0 is nothing."""

    def forward(self, x: Tensor) -> Tensor:
        side = x.shape[-1] // 2
        score = x[:, :, :side, :side].mean((1, 2, 3))
        return torch.stack([torch.zeros_like(score), 4 * score], 1)


ONES = torch.ones(2, dtype=torch.long)


def quarter(size: int = 8) -> Tensor:
    maps = torch.zeros(2, 1, size, size)
    maps[:, :, : size // 2, : size // 2] = 1
    return maps


def test_rank_correlation_is_spearmans_with_ties() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 5, (3, 4, 5)), rng.normal(size=(3, 4, 5))
    found = rank_correlation(torch.from_numpy(one), torch.from_numpy(other))
    expected = [spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(one, other, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert np.isnan(rank_correlation(torch.ones(1, 4), torch.rand(1, 4))).all()


def test_deletion_falls_at_once_when_the_map_is_right() -> None:
    """A quarter of the pixels decides: by hand, p = σ(4 · share left), then ½ all along."""
    curves = deletion(Corner(), torch.ones(2, 3, 8, 8), ONES, quarter(), steps=8)
    expected = [1 / (1 + np.exp(-4 * max(0.0, 1 - 4 * share))) for share in curves.shares]
    np.testing.assert_allclose(curves.probabilities, [expected, expected], rtol=1e-6)
    np.testing.assert_allclose(curves.area, np.trapezoid(expected, curves.shares), rtol=1e-6)
    wrong = deletion(Corner(), torch.ones(2, 3, 8, 8), ONES, -quarter(), steps=8)
    assert (wrong.area > curves.area + 0.2).all()


def test_insertion_rises_at_once_when_the_map_is_right() -> None:
    images = torch.zeros(2, 3, 16, 16)
    images[:, :, :8, :8] = 1.0
    right = insertion(Corner(), images, ONES, quarter(16))
    wrong = insertion(Corner(), images, ONES, -quarter(16))
    assert (right.area > wrong.area).all()
    np.testing.assert_allclose(right.probabilities[:, -1], 1 / (1 + np.exp(-4)), rtol=1e-6)


def test_a_map_from_the_head_changes_with_it_and_the_model_does_not() -> None:
    torch.manual_seed(0)
    model = Residual().eval()
    images = random_images(4)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    targets = torch.tensor([0, 1, 2, 3])
    layer = find_layer(model, images)
    found = parameter_randomization(model, images, targets, layer, depths=3)
    assert found.layers[0] == "head"
    assert found.layers[-1] == "stem"
    assert all(correlation < 0.9 for correlation in found.correlations)
    assert found == parameter_randomization(model, images, targets, layer, depths=3)
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)


def test_occlusion_agrees_with_a_map_of_what_was_used() -> None:
    images = 1 + 0.1 * random_images(2, 8).abs()
    method = Occlusion(window=0.5, stride=1.0)
    right = occlusion_agreement(Corner(), images, ONES, quarter(), method)
    wrong = occlusion_agreement(Corner(), images, ONES, -quarter(), method)
    np.testing.assert_allclose(right, 1.0)
    np.testing.assert_allclose(wrong, -1.0)


def test_hirescam_agrees_where_the_head_averages_and_not_elsewhere() -> None:
    torch.manual_seed(0)
    images, targets = random_images(3), torch.tensor([0, 1, 2])
    pool: list[nn.Module] = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)]
    averaging = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *pool)
    layer = find_layer(averaging, images)
    known = hirescam_disagreement(averaging, images, targets, layer)
    np.testing.assert_allclose(known[~np.isnan(known)], 0.0, atol=1e-6)
    flat = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(400, 3))
    other = hirescam_disagreement(flat, images, targets, find_layer(flat, images))
    assert (other[~np.isnan(other)] > 0.1).all()


def test_edges_are_sobels() -> None:
    images = random_images(2, 9)
    grey = images.mean(1).numpy()
    expected = [np.hypot(sobel(g, 0, mode="nearest"), sobel(g, 1, mode="nearest")) for g in grey]
    np.testing.assert_allclose(
        edges(images)[:, 0].numpy(), np.stack(expected), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("activation", [torch.relu, torch.tanh])
def test_all_measures_come_as_finite_numbers(activation: object) -> None:
    torch.manual_seed(0)
    model, images = Written(activation), random_images(5)  # type: ignore[arg-type]
    layer = find_layer(model, images)
    found = measure_trust(model, images, layer, n_samples=3)
    assert found["n_samples"] == 3
    assert all(np.isfinite(value) for value in found.values())
    assert ("edge_rank_correlation" in found) == (activation is torch.relu)
    assert found == measure_trust(model, images, layer, n_samples=3)
    assert explain(model, images).maps.isfinite().all()
