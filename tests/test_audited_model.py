"""The model as checks see it: the same answers as a plain forward, boxes where the network sees them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from auditor.audited_model import AuditedModel
from auditor.classifiers import Classifier
from auditor.config import AuditConfig, DataSection, ModelSection, Preprocess
from auditor.errors import DataError, UnreadableImageError
from auditor.preparation import Prepared, find_target_layer, match
from auditor.records import Dataset, DecodedImage, ModelAccess

N = 11


@dataclass(frozen=True)
class _Noise:
    """Images of 20 × 10 pixels; image ``gone`` can't be read."""

    gone: int = -1

    def __len__(self) -> int:
        return N

    def __getitem__(self, index: int) -> DecodedImage:
        if index == self.gone:
            raise UnreadableImageError("truncated")
        pixels = np.random.default_rng(index).integers(0, 256, (10, 20, 3), dtype=np.uint8)
        return DecodedImage(Image.fromarray(pixels), str(index))


def prepared(gone: int = -1, **columns: object) -> Prepared:
    ids = pd.Index([f"s{k}" for k in range(N)], name="sample")
    samples = pd.DataFrame({"path": ids, "label": np.arange(N) % 3}, index=ids)
    for name, values in columns.items():
        samples[name] = pd.Series(values, index=ids, dtype=object)
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 5, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(5, 3),
    )
    config = AuditConfig(
        name="test",
        model=ModelSection(adapter="test", classes=("a", "b", "c")),
        data=DataSection(adapter="test"),
        preprocess=Preprocess(resize=8, crop=8, mean=(0.5,), std=(0.25,)),
        batch_size=4,
        workers=0,
        device="cpu",
    )
    dataset = Dataset(samples, _Noise(gone), (), "test")
    return match(config, dataset, Classifier(network, "test", "a small network"))


def asked(audit: Prepared) -> ModelAccess:
    # The evaluated samples are the data set's without the first: positions are not the same.
    frame = pd.DataFrame({"sample": [f"s{k}" for k in range(1, N)]})
    return AuditedModel(audit, find_target_layer(prepared()), frame)


def test_images_and_probabilities_are_those_of_a_plain_forward() -> None:
    audit = prepared()
    model = asked(audit)
    rows = np.array([7, 0, 9, 2, 3])
    images = model.images(rows)
    assert images.shape == (5, 3, 8, 8)
    assert images.dtype == np.uint8
    # s8: 10 rows become 8, 20 columns become 16, of which the middle 8 are left.
    image = Image.fromarray(np.asarray(_Noise()[8].image)).resize(
        (16, 8), Image.Resampling.BILINEAR
    )
    assert np.abs(images[0].transpose(1, 2, 0).astype(int) - np.asarray(image)[:, 4:12]).max() <= 1
    inputs = (torch.from_numpy(images).float() / 255 - 0.5) / 0.25
    with torch.no_grad():
        expected = audit.classifier.module(inputs).softmax(1).numpy()
    assert model.predict(images) == pytest.approx(expected, abs=1e-6)


def test_cams_are_the_papers_sum_over_channels() -> None:
    audit = prepared()
    model = asked(audit)
    rows, targets = np.array([7, 0, 9, 2, 3]), np.array([2, 0, 1, 1, 2])
    cams = model.cams(rows, targets)
    module = audit.classifier.module
    assert isinstance(module, nn.Sequential)
    head = module[-1]
    assert isinstance(head, nn.Linear)
    inputs = torch.from_numpy(model.images(rows)).float().div(255).sub(0.5).div(0.25)
    maps = module[:2](inputs)
    # Behind global average pooling, dy/dA is the weight over the number of places.
    weights = head.weight[torch.from_numpy(targets)] / maps[0, 0].numel()
    expected = (weights[:, :, None, None] * maps).sum(1).clamp(min=0)
    np.testing.assert_allclose(cams, expected.detach().numpy(), rtol=1e-5, atol=1e-8)


def test_features_are_the_means_of_the_target_layers_maps() -> None:
    audit = prepared()
    model = asked(audit)
    rows = np.arange(6)
    inputs = (torch.from_numpy(model.images(rows)).float() / 255 - 0.5) / 0.25
    module = audit.classifier.module
    assert isinstance(module, nn.Sequential)
    through = int(find_target_layer(audit).name) + 1
    with torch.no_grad():
        expected = module[:through](inputs).mean((2, 3)).numpy()
    assert model.features(rows) == pytest.approx(expected, abs=1e-6)
    assert not any(one._forward_hooks for one in module.modules())


def test_boxes_lie_where_the_network_sees_them() -> None:
    boxes: list[object] = [(0, 0, 1, 1)] * N
    boxes[1] = (10, 5, 20, 10)  # lower right quarter; of its 8 columns the crop leaves 4
    boxes[2] = (0, 0, 4, 10)  # cut away by the crop
    boxes[3] = None
    found = asked(prepared(box=boxes)).objects(np.array([0, 1, 2]))
    assert found is not None
    expected = np.zeros((8, 8), dtype=bool)
    expected[4:, 4:] = True
    assert (found[0] == expected).all()
    assert not found[1:].any()


def test_masks_go_the_way_of_their_images(tmp_path: Path) -> None:
    drawn = np.zeros((10, 20), np.uint8)
    drawn[:, 10:] = 255
    Image.fromarray(drawn).save(tmp_path / "mask.png")
    Image.fromarray(drawn[:5]).save(tmp_path / "small.png")
    masks: list[object] = [str(tmp_path / "mask.png"), *[str(tmp_path / "mask.png")] * (N - 1)]
    masks[2] = str(tmp_path / "small.png")
    model = asked(prepared(mask=masks))
    found = model.objects(np.array([0]))
    assert found is not None
    assert found[0, :, 4:].all()
    assert not found[0, :, :4].any()
    with pytest.raises(DataError, match="expected a mask of 20 × 10"):
        model.objects(np.array([1]))


def test_data_without_objects_says_none() -> None:
    assert asked(prepared()).objects(np.array([0])) is None


def test_a_image_that_is_gone_is_an_error() -> None:
    with pytest.raises(DataError, match="leave the data alone"):
        asked(prepared(gone=3)).images(np.array([0, 1, 2]))


def test_features_of_any_images_are_those_of_the_audited_ones_where_they_are_the_same() -> None:
    audit = prepared()
    model = asked(audit)
    rows = np.array([4, 0, 7, 9, 2])  # more than a batch
    own = model.features(rows)
    assert model.features_of(_Noise(), rows + 1) == pytest.approx(own, abs=1e-7)
    with pytest.raises(DataError, match="image 3"):
        model.features_of(_Noise(gone=3), np.array([0, 3]))
