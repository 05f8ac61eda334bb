"""An edge detector, as a baseline that does not depend on any model."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def edges(images: Tensor) -> Tensor:
    """Edge strength: the magnitude of Sobel's filters on the mean of the channels.

    Args:
        images: (n, 3, H, W).

    Returns:
        (n, 1, H, W), at least 0. A detail view that ranks pixels like this map says little about
        the model.

    Reference:
        Adebayo et al. 2018, "Sanity Checks for Saliency Maps", section 5 and figure 1.
    """
    across = images.new_tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]])
    filters = torch.stack([across, across.T])[:, None]
    grey = functional.pad(images.mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    return functional.conv2d(grey, filters).square().sum(1, keepdim=True).sqrt()
