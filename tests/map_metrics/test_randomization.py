from __future__ import annotations

import torch
from builders.networks import Residual, random_images

from auditor.explainers import find_layer
from auditor.map_metrics.randomization import parameter_randomization


def test_randomizing_from_the_head_changes_the_map_and_not_the_model() -> None:
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
