from __future__ import annotations

import torch
from builders.networks import Residual, random_images

from auditor.map_metrics.randomization import randomized_copy


def test_randomized_copy_permutes_every_tensor_and_leaves_the_model_unchanged() -> None:
    torch.manual_seed(0)
    model, images = Residual().eval(), random_images(2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = randomized_copy(model, images)
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
    for name, values in found.named_parameters():
        own = before[name].flatten()
        torch.testing.assert_close(values.flatten().sort().values, own.sort().values)
        if own.unique().numel() > 2:  # the others may come out in the same order
            assert not torch.equal(values.flatten(), own), name
    same, other = randomized_copy(model, images), randomized_copy(model, images, seed=1)
    torch.testing.assert_close(found.state_dict(), same.state_dict(), rtol=0, atol=0)
    assert not torch.equal(found(images), other(images))
