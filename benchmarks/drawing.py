"""Drawing of maps as in the explain stage."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from auditor import imaging
from auditor.drawing_threads import DrawingThreads, drawn
from auditor.explainers.explanation import BatchExplanation


def draw_maps(
    views: NDArray[np.uint8], found: BatchExplanation, shown: Sequence[bool] | None = None
) -> list[dict[str, object]]:
    """Draws the images, Grad-CAMs and detail views of one batch.

    Args:
        views: (n, H, W, 3).
        found: their maps.
        shown: which of them are drawn; None draws all.

    Returns:
        JPEGs of one image or map each.
    """
    threads = DrawingThreads()
    rows: list[dict[str, object]] = []
    for row, view in enumerate(views):
        if shown is None or shown[row]:
            rows.append({"image": threads.submit(partial(imaging.jpeg, view))})
            for k in np.flatnonzero(found.rows.numpy() == row):
                cam, detail = found.cams[k].numpy(), found.maps[k].numpy()
                rows.append({"overlay": threads.submit(partial(_overlay, view, cam))})
                rows.append({"detail": threads.submit(partial(_detail, detail))})
    return drawn(rows)


def _overlay(view: NDArray[np.uint8], cam: NDArray[np.float32]) -> bytes:
    return imaging.jpeg(imaging.overlay(view, cam))


def _detail(detail: NDArray[np.float32]) -> bytes:
    return imaging.jpeg(imaging.guided_view(detail))
