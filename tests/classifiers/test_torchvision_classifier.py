"""Classifiers from torchvision, with weights in a temporary cache; nothing is downloaded."""

from __future__ import annotations

import re
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torchvision.models import SqueezeNet1_1_Weights, get_model_weights, list_models, squeezenet1_1

from auditor.classifiers.preprocessing import resolve_preprocess
from auditor.classifiers.torchvision import TorchvisionClassifier, preprocess_of
from auditor.config import AuditConfig
from auditor.errors import ConfigError, ModelError

FILE = "squeezenet1_1-b8a52dc0.pth"


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Path]:
    before = torch.hub.get_dir()
    torch.hub.set_dir(str(tmp_path / "hub"))
    (tmp_path / "hub/checkpoints").mkdir(parents=True)
    yield tmp_path / "hub/checkpoints"
    torch.hub.set_dir(before)


def test_torchvisions_weights_come_with_preprocessing_and_class_names(cache: Path) -> None:
    trained = squeezenet1_1(weights=None)
    torch.save(trained.state_dict(), cache / FILE)
    classifier = TorchvisionClassifier(architecture="squeezenet1_1", weights="DEFAULT").load()
    assert classifier.description == "torchvision squeezenet1_1, weights IMAGENET1K_V1"
    assert classifier.classes is not None
    assert (len(classifier.classes), classifier.classes[0]) == (1000, "tench")
    assert not classifier.module.training
    loaded = classifier.module.state_dict()
    assert all(torch.equal(value, loaded[name]) for name, value in trained.state_dict().items())
    preprocess, note = resolve_preprocess(None, classifier)
    assert note == "from the weights"
    # The definition in torchvision's documentation of these weights.
    assert (preprocess.resize, preprocess.crop, preprocess.interpolation) == (256, 224, "bilinear")
    # The converted preprocessing equals the transforms of the weights.
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (300, 400, 3), dtype=np.uint8))
    small = image.resize((341, 256), Image.Resampling.BILINEAR)  # truncated, not rounded
    values = np.asarray(small)[16:240, 58:282] / 255  # round((341 - 224) / 2), half to even
    ours = (values - preprocess.mean) / preprocess.std
    theirs = SqueezeNet1_1_Weights.DEFAULT.transforms()(image)
    np.testing.assert_allclose(ours.transpose(2, 0, 1), theirs, atol=1e-5)


def test_every_preset_of_torchvision_is_converted() -> None:
    for name in list_models(module=torchvision.models):
        for weights in get_model_weights(name):
            ours, theirs = preprocess_of(weights.transforms()), weights.transforms()
            assert ours is not None
            assert ([ours.resize], [ours.crop]) == (theirs.resize_size, theirs.crop_size)


def test_cached_weights_with_code_are_refused(cache: Path) -> None:
    torch.save(squeezenet1_1(weights=None), cache / FILE)
    with pytest.raises(ModelError, match="would call `torchvision"):
        TorchvisionClassifier(architecture="squeezenet1_1", weights="DEFAULT").load()


def test_wrong_file_in_the_cache_raises_and_asks_to_delete_it(cache: Path) -> None:
    torch.save({"a": torch.ones(1)}, cache / FILE)
    with pytest.raises(ModelError, match=r"expected IMAGENET1K_V1 of squeezenet1_1 in .*delete"):
        TorchvisionClassifier(architecture="squeezenet1_1", weights="DEFAULT").load()


def test_missing_file_without_internet_raises_with_its_address(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(url: str, *_: Any, **options: Any) -> None:
        assert options["hash_prefix"] == "b8a52dc0"
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    message = (
        f"expected torchvision's weights IMAGENET1K_V1 at {cache / FILE}; the file is missing, "
        "and the download failed (<urlopen error Name or service not known>): download "
        f"https://download.pytorch.org/models/{FILE} on a machine with internet access, and copy it "
        "there"
    )
    options: dict[str, Any] = {"architecture": "squeezenet1_1", "weights": "IMAGENET1K_V1"}
    with pytest.raises(ModelError, match=re.escape(message)):
        TorchvisionClassifier(**options, allow_download=True).load()
    with pytest.raises(ModelError, match=r"nothing is downloaded unless .*--allow-download"):
        TorchvisionClassifier(**options).load()


def test_own_weights_come_without_preprocessing(tmp_path: Path) -> None:
    trained = squeezenet1_1(weights=None, num_classes=5)
    torch.save({"model": trained.state_dict()}, tmp_path / "own.pt")
    options: dict[str, Any] = {"architecture": "squeezenet1_1", "checkpoint": tmp_path / "own.pt"}
    classifier = TorchvisionClassifier(**options, num_classes=5).load()
    assert classifier.description == (
        "torchvision squeezenet1_1, weights from own.pt (entry 'model')"
    )
    assert classifier.module(torch.zeros(1, 3, 64, 64)).shape == (1, 5)
    assert (classifier.classes, classifier.preprocess) == (None, None)
    with pytest.raises(ModelError, match=r"2 weights are of another shape.*the number of classes"):
        TorchvisionClassifier(**options).load()


def test_untrained_network_is_described_as_such() -> None:
    classifier = TorchvisionClassifier(architecture="squeezenet1_1", num_classes=2).load()
    assert classifier.description.endswith("random weights, not trained")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"architecture": "resnet-18"}, "got 'resnet-18': did you mean resnet18 or "),
        ({"architecture": "????"}, "got '????': choose one of alexnet, "),
        ({"architecture": "fasterrcnn_resnet50_fpn"}, "expected a classifier from torchvision"),
        (
            {"architecture": "resnet50", "weights": "IMAGENET"},
            "expected one of IMAGENET1K_V1, IMAGENET1K_V2, DEFAULT for resnet50; got 'IMAGENET'",
        ),
        (
            {"architecture": "vgg16", "weights": "IMAGENET1K_FEATURES"},
            "IMAGENET1K_FEATURES of vgg16 has no head",
        ),
        (
            {"architecture": "resnet18", "weights": "DEFAULT", "num_classes": 7},
            "expected 1000, as in IMAGENET1K_V1; got 7",
        ),
    ],
)
def test_invalid_options_raise_with_the_reason(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=re.escape(message)):
        TorchvisionClassifier(**options).load()


def test_two_sources_of_weights_raise() -> None:
    model = {
        "adapter": "torchvision",
        "architecture": "resnet18",
        "weights": "DEFAULT",
        "checkpoint": "own.pt",
    }
    with pytest.raises(ConfigError, match=r"model\.checkpoint: .*got both"):
        AuditConfig.parse({"name": "x", "model": model, "data": {"adapter": "folder"}})
