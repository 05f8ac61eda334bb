"""Which preprocessing applies, and whether the network was trained with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from auditor.classifiers import Classifier
from auditor.config import Preprocess
from auditor.errors import ModelError
from auditor.phrasing import percent

if TYPE_CHECKING:
    from torch import nn

_Triple = tuple[float, float, float]

_ALTERNATIVES: tuple[tuple[str, _Triple, _Triple, bool], ...] = (
    ("values from 0 to 1", (0.0,) * 3, (1.0,) * 3, False),
    ("ImageNet's mean and deviation", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), False),
    ("values from -1 to 1", (0.5,) * 3, (0.5,) * 3, False),
    ("(x - 127) / 128", (127 / 255,) * 3, (128 / 255,) * 3, False),
    ("values from 0 to 255", (0.0,) * 3, (1 / 255,) * 3, False),
    # Caffe's networks: blue first, the mean of ImageNet subtracted, not divided.
    (
        "Caffe's (BGR, 0 to 255, mean subtracted)",
        (123.68 / 255, 116.779 / 255, 103.939 / 255),
        (1 / 255,) * 3,
        True,
    ),
)
"""Name, mean and deviation of the red, green and blue values in 0…1, and whether blue comes first."""


@dataclass(frozen=True)
class PreprocessingTrial:
    """How the network does on one batch under one preprocessing.

    Attributes:
        name: the preprocessing in words; the first of a list is the one in use.
        mean: subtracted from the red, green and blue values in 0…1.
        std: divided by afterwards.
        blue_first: whether the channels are then put in the order blue, green, red.
        accuracy: share of images that are classified right, 0 to 1.
        confidence: mean probability of the predicted class, 0 to 1.
        loss: mean negative log-probability of the label, in nats; infinite or NaN where logits are.
        n: number of images.
    """

    name: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    blue_first: bool
    accuracy: float
    confidence: float
    loss: float
    n: int


def resolve_preprocess(
    configured: Preprocess | None, classifier: Classifier
) -> tuple[Preprocess, str]:
    """Decides which preprocessing applies: the configuration's, else the weights' own.

    Args:
        configured: the ``preprocess`` of the configuration, or None.
        classifier: the network, with the preprocessing that its weights carry.

    Returns:
        The preprocessing, and a note for the report: where it comes from, and where the
        configuration departs from the weights.

    Raises:
        ModelError: neither says anything. Nothing is guessed.
    """
    own = classifier.preprocess
    if configured is None:
        if own is None:
            raise ModelError(
                f"preprocess: expected in the configuration, because {classifier.description} "
                "carries none; write what the network was trained with, such as `preprocess: "
                "{resize: 256, crop: 224, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}` "
                "(mean and std of values from 0 to 1), or `preprocess: {}` for images as they are, "
                "divided by 255"
            )
        return own, "from the weights"
    if own is None:
        return configured, "from the configuration; the weights carry none"
    departures = [
        f"{name} {_said(getattr(configured, name))} instead of {_said(getattr(own, name))}"
        for name in Preprocess.model_fields
        if not _same(getattr(configured, name), getattr(own, name))
    ]
    if not departures:
        return configured, "from the configuration, the same as the weights' own"
    return configured, f"from the configuration, against the weights' own: {'; '.join(departures)}"


def compare_preprocessing(
    module: nn.Module,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    preprocess: Preprocess,
    batch_size: int = 32,
) -> list[PreprocessingTrial]:
    """Runs labelled images through the network, normalised as configured and in the usual other ways.

    A wrong normalisation rarely breaks a network; it costs some points of accuracy, and nothing says
    so. This makes it visible.

    Args:
        module: maps float32 (N, 3, H, W) to logits (N, K); in evaluation mode, on any device.
        images: uint8 (N, 3, H, W), RGB, already resized and cropped.
        labels: (N,), class indices.
        preprocess: the preprocessing in use; its mean and std.
        batch_size: images in one forward pass.

    Returns:
        The one in use first, then the others by mean loss, the smallest first. An alternative that
        equals the one in use (to half a grey level) is left out.

    Raises:
        ValueError: there are no images, or as many labels as images are not given.
    """
    if len(images) == 0 or len(images) != len(labels):
        raise ValueError(
            f"expected images with one label each; got {len(images)} images and "
            f"{len(labels)} labels"
        )
    mean, std = preprocess.mean, preprocess.std
    used = _trial("as configured", mean, std, False, module, images, labels, batch_size)
    ways = [way for way in _ALTERNATIVES if way[3] or not _alike(way[1], way[2], mean, std)]
    ways.append(("as configured, but BGR", (mean[0], mean[1], mean[2]), _triple(std), True))
    others = [
        _trial(name, m, s, blue_first, module, images, labels, batch_size)
        for name, m, s, blue_first in ways
    ]
    return [used, *sorted(others, key=lambda trial: (np.isnan(trial.loss), trial.loss))]


def better_preprocessing(trials: list[PreprocessingTrial]) -> str | None:
    """Says in words that another preprocessing does better, if one does.

    Better is an accuracy that is at least as high together with a mean loss that is smaller by a
    tenth: one image that flips is not enough. It is a hint to look at how the network was
    trained, not a test.

    Args:
        trials: what ``compare_preprocessing`` returned.

    Returns:
        One sentence about the best of the others, or None.
    """
    used, *others = trials
    for other in others:  # the smallest loss first
        gain = other.accuracy - used.accuracy
        broken = not np.isfinite(used.loss) and np.isfinite(other.loss)
        if gain < 0 or not (broken or other.loss < 0.9 * used.loss):
            continue
        mend = (
            "its channels would have to be swapped in the model"
            if other.blue_first
            else f"`mean: {_rounded(other.mean)}, std: {_rounded(other.std)}`"
        )
        return (
            f"with {other.name} the same {used.n} images are classified {percent(other.accuracy)} right "
            f"instead of {percent(used.accuracy)} (mean loss {other.loss:.2f} instead of {used.loss:.2f}): "
            f"check what the network was trained with; {mend}"
        )
    return None


def _trial(
    name: str,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    blue_first: bool,
    module: nn.Module,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    batch_size: int,
) -> PreprocessingTrial:
    import torch

    weight = next(module.parameters(), None)
    device = torch.device("cpu") if weight is None else weight.device
    shift = torch.tensor(mean, device=device).view(1, 3, 1, 1)
    scale = torch.tensor(std, device=device).view(1, 3, 1, 1)
    right, confidence, loss = 0, 0.0, 0.0
    with torch.no_grad():
        for start in range(0, len(images), batch_size):
            part = torch.from_numpy(images[start : start + batch_size]).to(device)
            truth = torch.from_numpy(labels[start : start + batch_size]).to(device)
            inputs = (part.float() / 255 - shift) / scale
            logits = module(inputs.flip(1) if blue_first else inputs).double()
            right += int((logits.argmax(1) == truth).sum())
            confidence += float(logits.softmax(1).amax(1).sum())
            loss += float(torch.nn.functional.cross_entropy(logits, truth, reduction="sum"))
    n = len(images)
    return PreprocessingTrial(name, mean, std, blue_first, right / n, confidence / n, loss / n, n)


def _alike(
    mean_a: tuple[float, ...],
    std_a: tuple[float, ...],
    mean_b: tuple[float, ...],
    std_b: tuple[float, ...],
) -> bool:
    """Whether black and white come out within half a grey level of each other."""
    grey = 0.5 / 255
    return all(
        abs((x - m_a) / s_a - (x - m_b) / s_b) <= grey / s_b
        for x in (0.0, 1.0)
        for m_a, s_a, m_b, s_b in zip(mean_a, std_a, mean_b, std_b, strict=True)
    )


def _triple(values: tuple[float, ...]) -> _Triple:
    red, green, blue = values
    return red, green, blue


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, tuple) and isinstance(b, tuple):
        # Means and deviations are often written with fewer digits.
        return len(a) == len(b) and bool(np.allclose(a, b, rtol=0, atol=5e-4))
    return bool(a == b)


def _said(value: Any) -> str:
    return str(list(value)) if isinstance(value, tuple) else str(value)


def _rounded(values: tuple[float, ...]) -> list[float]:
    return [round(value, 4) for value in values]
