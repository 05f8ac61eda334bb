from __future__ import annotations

from dataclasses import astuple

import numpy as np
import torch
from builders.corner_network import ONES, Corner, quarter

from auditor.map_metrics.faithfulness import CurveEnds, deletion, insertion, shuffled


def test_deletion_in_the_order_of_a_right_map_drops_at_once() -> None:
    # By hand: a quarter of the pixels decides, so p = σ(4 · share of them left), then ½.
    curves = deletion(Corner(), torch.ones(2, 3, 8, 8), ONES, quarter(), steps=8)
    expected = [1 / (1 + np.exp(-4 * max(0.0, 1 - 4 * share))) for share in curves.shares]
    np.testing.assert_allclose(curves.probabilities, [expected, expected], rtol=1e-6)
    np.testing.assert_allclose(curves.area, np.trapezoid(expected, curves.shares), rtol=1e-6)
    wrong = deletion(Corner(), torch.ones(2, 3, 8, 8), ONES, -quarter(), steps=8)
    assert (wrong.area > curves.area + 0.2).all()


def test_insertion_in_the_order_of_a_right_map_has_the_larger_area() -> None:
    images = torch.zeros(2, 3, 16, 16)
    images[:, :, :8, :8] = 1.0
    right = insertion(Corner(), images, ONES, quarter(16))
    wrong = insertion(Corner(), images, ONES, -quarter(16))
    assert (right.area > wrong.area).all()
    np.testing.assert_allclose(right.probabilities[:, -1], 1 / (1 + np.exp(-4)), rtol=1e-6)


def test_shuffled_maps_hold_the_same_cells_in_another_order() -> None:
    cells = torch.arange(50.0).view(2, 5, 5)
    found = shuffled(cells, torch.Generator().manual_seed(0))
    torch.testing.assert_close(found.flatten(1).sort(1).values, cells.flatten(1))
    assert not torch.equal(found, cells)
    assert not torch.equal(found[0] + 25, found[1])  # each has an order of its own


def test_curve_ends_of_known_logits_equal_those_of_images_that_are_run() -> None:
    torch.manual_seed(0)
    images, targets = torch.rand(3, 3, 8, 8), torch.tensor([0, 1, 1])
    with torch.no_grad():
        logits = Corner()(images)
    run, known = (
        CurveEnds.of(Corner(), images, targets),
        CurveEnds.of(Corner(), images, targets, logits),
    )
    for one, other in zip(astuple(run), astuple(known), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    np.testing.assert_allclose(
        run.nothing, Corner()(torch.zeros(1, 3, 8, 8)).softmax(1)[0, targets], rtol=1e-6
    )
