from __future__ import annotations

import numpy as np
from builders.networks import random_images
from scipy.ndimage import sobel

from auditor.map_metrics.edges import edges


def test_edges_equal_scipys_sobel_magnitude() -> None:
    images = random_images(2, 9)
    grey = images.mean(1).numpy()
    expected = [np.hypot(sobel(g, 0, mode="nearest"), sobel(g, 1, mode="nearest")) for g in grey]
    np.testing.assert_allclose(
        edges(images)[:, 0].numpy(), np.stack(expected), rtol=1e-4, atol=1e-5
    )
