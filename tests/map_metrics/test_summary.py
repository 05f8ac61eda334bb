from __future__ import annotations

import numpy as np
import pytest
import torch
from builders.networks import Written, random_images

from auditor.explainers import find_layer
from auditor.map_metrics.summary import mean_map_metrics


@pytest.mark.parametrize("activation", [torch.relu, torch.tanh])
def test_mean_map_metrics_are_finite_and_reproducible(activation: object) -> None:
    torch.manual_seed(0)
    model, images = Written(activation), random_images(3)  # type: ignore[arg-type]
    layer = find_layer(model, images)
    found = mean_map_metrics(model, images, layer)
    assert found["n_samples"] == 3
    assert all(np.isfinite(value) for value in found.values())
    assert ("edge_rank_correlation" in found) == (activation is torch.relu)
    assert found == mean_map_metrics(model, images, layer)
