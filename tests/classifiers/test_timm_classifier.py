"""Classifiers from timm; nothing is downloaded."""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import timm
import torch
from builders.adapter_audits import audit_with
from timm.data.transforms_factory import create_transform
from torchvision import transforms as tv

from auditor.classifiers.timm import TimmClassifier, preprocess_of
from auditor.config import AuditConfig
from auditor.errors import ConfigError, MissingDependencyError, ModelError

NET = "test_resnet"  # made by timm for tests: 0.5 million parameters


def config(**changes: Any) -> dict[str, Any]:
    return {
        "input_size": (3, 224, 224),
        "crop_pct": 0.9,
        "crop_mode": "center",
        "interpolation": "bicubic",
        "mean": (0.5, 0.4, 0.3),
        "std": (0.2, 0.3, 0.4),
    } | changes


@pytest.mark.parametrize("pct", [0.875, 0.9, 0.95, 1.0])
@pytest.mark.parametrize("mode", ["center", "squash"])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_preprocess_of_a_config_equals_timms_transforms(
    pct: float, mode: str, interpolation: str
) -> None:
    given = config(crop_pct=pct, crop_mode=mode, interpolation=interpolation)
    ours, note = preprocess_of(given)
    assert ours is not None
    assert note == ""
    resize, crop, _, normalize = create_transform(**given, is_training=False).transforms
    assert isinstance(resize, tv.Resize)
    assert isinstance(crop, tv.CenterCrop)
    assert ours.resize == resize.size
    assert resize.interpolation.value == ours.interpolation
    assert (ours.crop, ours.crop) == crop.size
    assert ours.mean == pytest.approx(normalize.mean.tolist())
    assert ours.std == pytest.approx(normalize.std.tolist())


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"crop_mode": "border"}, "crop mode 'border' to 224×224 is not supported"),
        ({"input_size": (3, 224, 320)}, "crop mode 'center' to 224×320 is not supported"),
        ({"interpolation": "hamming"}, "interpolation 'hamming' is not supported"),
    ],
)
def test_unsupported_transforms_must_be_configured(changes: dict[str, Any], note: str) -> None:
    preprocess, note_found = preprocess_of(config(**changes))
    assert preprocess is None
    assert "set `preprocess`" in note_found
    assert note in note_found


@pytest.fixture
def as_if_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretrained networks have random weights, as if they were in the cache."""
    create: Callable[..., torch.nn.Module] = timm.create_model

    def cached(name: str, *, pretrained: bool) -> torch.nn.Module:
        assert pretrained
        return create(name, pretrained=False)

    monkeypatch.setattr(timm, "create_model", cached)


@pytest.mark.usefixtures("as_if_cached")
def test_pretrained_weights_come_with_their_preprocessing() -> None:
    classifier = TimmClassifier(architecture=NET, pretrained=True).load()
    assert classifier.description == f"timm {NET}.r160_in1k, pretrained"
    assert classifier.preprocess is not None
    assert (classifier.preprocess.resize, classifier.preprocess.crop) == (168, 160)  # 160 / 0.95
    assert classifier.classes is None
    assert not classifier.module.training
    assert classifier.module(torch.zeros(1, 3, 160, 160)).shape == (1, 1000)


def test_pretrained_weights_without_cache_and_internet_raise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants as hub

    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(socket, "socket", None)  # any connection would raise another error
    with pytest.raises(
        ModelError, match=rf"expected timm's weights of {NET} in its cache .*--allow-download"
    ):
        TimmClassifier(architecture=NET, pretrained=True).load()
    with pytest.raises(ModelError, match=r"owner/none in the cache .*--allow-download"):
        TimmClassifier(architecture="hf-hub:owner/none").load()


def test_folder_of_save_for_hf_comes_with_preprocessing_and_names(tmp_path: Path) -> None:
    trained = timm.create_model(NET, num_classes=2).eval()
    timm.models.save_for_hf(
        trained,
        str(tmp_path / "own"),
        safe_serialization=True,
        model_config={"label_names": ["cat", "dog"]},
    )
    (tmp_path / "own" / "pytorch_model.bin").unlink(missing_ok=True)
    classifier = TimmClassifier(folder=tmp_path / "own").load()
    assert classifier.description == f"timm {NET}, own"
    assert classifier.classes == ("cat", "dog")
    assert classifier.preprocess is not None
    assert (classifier.preprocess.resize, classifier.preprocess.crop) == (168, 160)
    images = torch.rand(2, 3, 64, 64)
    assert torch.equal(classifier.module(images), trained(images))


def test_folder_with_truncated_weights_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    timm.models.save_for_hf(
        timm.create_model(NET, num_classes=2), str(folder), safe_serialization=True
    )
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(ModelError, match=r"damaged or truncated .*: copy it again"):
        TimmClassifier(folder=folder).load()


def test_audit_of_a_folder_runs_to_the_end(tmp_path: Path) -> None:
    trained = timm.create_model(NET, num_classes=2)
    timm.models.save_for_hf(trained, str(tmp_path / "own"), safe_serialization=True)
    model = {"adapter": "timm", "folder": "own", "classes": ["cat", "dog"]}
    result = audit_with(tmp_path, model, preprocess={"resize": [32, 32]})
    assert result.summary.n_samples == 24


def test_own_weights_come_without_preprocessing(tmp_path: Path) -> None:
    trained = timm.create_model(NET, num_classes=4)
    safetensors.torch.save_model(trained, str(tmp_path / "own.safetensors"))
    own = tmp_path / "own.safetensors"
    classifier = TimmClassifier(architecture=NET, checkpoint=own, num_classes=4).load()
    assert classifier.description == f"timm {NET}, weights from own.safetensors"
    assert (classifier.classes, classifier.preprocess) == (None, None)
    images = torch.rand(2, 3, 64, 64)
    assert torch.equal(classifier.module(images), trained.eval()(images))


def test_untrained_network_comes_without_preprocessing() -> None:
    classifier = TimmClassifier(architecture=NET).load()
    assert classifier.description == f"timm {NET}, random weights, not trained"
    assert classifier.preprocess is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"architecture": "resnet-50"}, "got 'resnet-50': did you mean resnet50 or "),
        ({"architecture": "??"}, "got '??': see `timm.list_models()`"),
        ({"architecture": f"{NET}.best"}, f"expected one of {NET}.r160_in1k; got '{NET}.best'"),
        (
            {"architecture": NET, "pretrained": True, "num_classes": 7},
            "expected 1000, as in the pretrained weights; got 7, which would leave the last layer",
        ),
        (
            {"architecture": "vit_base_patch16_224.dino", "pretrained": True},
            "those of vit_base_patch16_224.dino have no head",
        ),
    ],
)
def test_invalid_options_raise_with_the_reason(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=re.escape(message)):
        TimmClassifier(**options).load()


def test_missing_timm_raises_with_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingDependencyError, match=r"`pip install 'classifier-auditor\[timm\]'`"):
        TimmClassifier(architecture=NET).load()


def test_two_sources_of_weights_raise() -> None:
    model = {"adapter": "timm", "architecture": NET, "pretrained": True, "checkpoint": "own.pt"}
    with pytest.raises(ConfigError, match=r"model\.checkpoint: .*got both"):
        AuditConfig.parse({"name": "x", "model": model, "data": {"adapter": "folder"}})
