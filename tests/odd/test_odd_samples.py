"""One odd sample: it is left out, counted and named, and the rest of the audit is kept."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from builders.audited_models import audited
from builders.odd_networks import NO_GRADIENT, NOT_FINITE, RAISES, OddOnSome, marked

import auditor
from auditor.autograd.target_layer import find_layer
from auditor.discovery.spectral_clusters import cluster_maps
from auditor.errors import ModelError
from auditor.imaging import overlay
from auditor.imaging.location import evidence_shares, locate_evidence
from auditor.run_folder import RunFolder


def _images(n: int, marks: dict[int, tuple[int, int]]) -> np.ndarray:
    random = np.random.default_rng(0)
    return marked(random.integers(60, 190, (n, 8, 8, 3), np.uint8), marks)


@pytest.mark.slow
def test_odd_images_are_counted_and_the_audit_goes_on(tmp_path: Path) -> None:
    marks = {0: RAISES, 7: RAISES, 9: NO_GRADIENT, 11: NOT_FINITE}
    images = [(image, "ab"[k % 2]) for k, image in enumerate(_images(40, marks))]
    sites = pd.DataFrame({"site": np.random.default_rng(1).choice(["x", "y"], 40)})
    result = auditor.audit(
        OddOnSome(),
        images,
        classes=["a", "b"],
        attributes=sites,
        preprocess={},
        out=tmp_path / "run",
    )
    assert result.summary.n_evaluated == 38
    assert result.summary.unusable == {"network-error": 2}
    assert [one.sample for one in result.unusable] == ["000000", "000007"]
    reasons: dict[str, list[str]] = defaultdict(list)
    for one in result.skipped:
        reasons[one.check].append(one.reason)
    (predicted,) = reasons["predict"]
    assert predicted.startswith(
        "no predictions for 2 of 40 images, such as 000000: model: OddOnSome"
    )
    assert "not a number in the batch" in predicted
    explained = " / ".join(reasons["explain"])
    assert "no maps of 1 of 38 images, such as 000011: their Grad-CAM is not finite" in explained
    assert "no maps of 1 of 38 images, such as 000009: ModelError" in explained
    assert "map sanity" not in reasons
    shown = {one.sample for one in result.explanations.failures}
    assert shown
    assert not shown & {"000007", "000009", "000011"}
    text = (RunFolder.open(tmp_path / "run").path / "traceback.txt").read_text(encoding="utf-8")
    assert "LookupError: no gradient for this image" in text


def test_network_that_raises_on_every_image_is_a_usage_error(tmp_path: Path) -> None:
    images = [
        (one, "ab"[k % 2]) for k, one in enumerate(_images(6, dict.fromkeys(range(6), RAISES)))
    ]
    with pytest.raises(ModelError, match="OddOnSome raised ValueError"):
        auditor.audit(OddOnSome(), images, classes=["a", "b"], preprocess={}, out=tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_logits_of_each_are_those_of_the_images_alone() -> None:
    model = audited(OddOnSome().eval(), 2, batch_size=3)
    images = torch.from_numpy(_images(5, {1: RAISES, 4: RAISES}).transpose(0, 3, 1, 2).copy())
    logits, errors = model.logits_of_each(images)
    assert sorted(errors) == [1, 4]
    assert np.isnan(logits[[1, 4]]).all()
    expected = [model.logits(images[k : k + 1])[0] for k in (0, 2, 3)]
    np.testing.assert_allclose(logits[[0, 2, 3]], expected, rtol=1e-5)


def test_map_that_is_not_finite_is_empty_for_checks() -> None:
    network = OddOnSome().eval()
    images = torch.from_numpy(_images(3, {1: NOT_FINITE}).transpose(0, 3, 1, 2).copy())
    layer = find_layer(network, images.float() / 255)
    cams = audited(network, 2, layer=layer).cams(images, np.array([1, 1, 1]))
    assert np.isfinite(cams).all()
    assert not cams[1].any()
    _, has_evidence = evidence_shares(cams)
    assert not has_evidence[1]


@pytest.mark.parametrize("value", [0.0, 1e-42, 1e-30, 3e38])
def test_empty_tiny_and_huge_maps_are_drawn_without_division_by_zero(value: float) -> None:
    cam = np.zeros((4, 4), np.float32)
    cam[1, 1] = value
    image = np.full((8, 8, 3), 90, np.uint8)
    assert overlay(image, cam).shape == (8, 8, 3)
    assert locate_evidence(cam).words
    shares, _ = evidence_shares(cam[None])
    assert np.isfinite(shares).all()


def test_maps_in_more_groups_than_clusters_have_no_division_by_zero() -> None:
    # Twelve groups of 15 equal maps each: the graph has 12 components, and 2 clusters are allowed.
    random = np.random.default_rng(0)
    maps = np.repeat(random.random((12, 4, 4)), 15, axis=0)
    clusters = cluster_maps(maps / maps.sum((1, 2), keepdims=True), 0, 2)
    assert clusters is None or np.isin(clusters.members, [0, 1]).all()
