"""Preprocessing: which one applies, and whether another one fits the network better."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from auditor.classifiers import Classifier
from auditor.config import Preprocess
from auditor.errors import ModelError
from auditor.phrasing import percents

if TYPE_CHECKING:
    from torch import nn

_Triple = tuple[float, float, float]


class _Normalisation(NamedTuple):
    """A normalisation of the red, green and blue values in 0…1."""

    name: str
    mean: _Triple
    std: _Triple
    blue_first: bool = False


_ALTERNATIVES = (
    _Normalisation("values from 0 to 1", (0.0,) * 3, (1.0,) * 3),
    _Normalisation(
        "ImageNet's mean and standard deviation", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    ),
    _Normalisation("values from -1 to 1", (0.5,) * 3, (0.5,) * 3),
    _Normalisation(
        "CIFAR-10's mean and standard deviation", (0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)
    ),
    _Normalisation("(x - 127) / 128", (127 / 255,) * 3, (128 / 255,) * 3),
    _Normalisation("values from 0 to 255", (0.0,) * 3, (1 / 255,) * 3),
    # Networks of Caffe: BGR, minus the mean of ImageNet, not divided.
    _Normalisation(
        "Caffe's (BGR, 0 to 255, mean subtracted)",
        (123.68 / 255, 116.779 / 255, 103.939 / 255),
        (1 / 255,) * 3,
        blue_first=True,
    ),
)


_LEVEL = 0.05
"""Probability that any alternative to the right preprocessing is reported as better."""


@dataclass(frozen=True)
class ResizedImages:
    """The same images with another resize and crop.

    Attributes:
        name: description of the resize.
        setting: what the configuration would say.
        images: uint8 (N, 3, H, W), of the size that the network takes.
    """

    name: str
    setting: str
    images: NDArray[np.uint8]


@dataclass(frozen=True)
class PreprocessingTrial:
    """Results of the network on a few images with one preprocessing.

    Attributes:
        name: description of the preprocessing.
        mean: subtracted from the red, green and blue values in 0…1.
        std: the values are then divided by it.
        blue_first: whether the channels are then reordered to blue, green, red.
        confidence: mean probability of the predicted class, 0 to 1.
        loss: mean negative log-probability of the label, in nats; infinite or NaN like the logits.
        correct: (n,) whether each image is classified correctly.
        fix: what to change to get this preprocessing.
    """

    name: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    blue_first: bool
    confidence: float
    loss: float
    correct: NDArray[np.bool_]
    fix: str

    @property
    def n(self) -> int:
        """Number of images."""
        return len(self.correct)

    @property
    def accuracy(self) -> float:
        """Share of images that are classified correctly, 0 to 1."""
        return float(self.correct.mean())


def resolve_preprocess(
    configured: Preprocess | None, classifier: Classifier
) -> tuple[Preprocess, str]:
    """Decides which preprocessing applies: that of the configuration, or else that of the weights.

    Args:
        configured: ``preprocess`` of the configuration, or None.
        classifier: the network, with the preprocessing that comes with its weights.

    Returns:
        The preprocessing, and a note for the report: its source, and how the configuration differs
        from the weights.

    Raises:
        ModelError: neither states a preprocessing.
    """
    own = classifier.preprocess
    if configured is None:
        if own is None:
            raise ModelError(
                f"preprocess: expected in the configuration, because {classifier.description} "
                "comes without it; state what the network was trained with, such as `preprocess: "
                "{resize: 256, crop: 224, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}` "
                "(mean and std of values from 0 to 1), or `preprocess: {}` to only divide by 255"
            )
        return own, "from the weights"
    if own is None:
        return configured, "from the configuration; the weights come without one"
    departures = [
        f"{name} {_shown(getattr(configured, name))} instead of {_shown(getattr(own, name))}"
        for name in Preprocess.model_fields
        if not _same(getattr(configured, name), getattr(own, name))
    ]
    if not departures:
        return configured, "from the configuration, equal to that of the weights"
    return (
        configured,
        f"from the configuration, unlike that of the weights: {'; '.join(departures)}",
    )


def compare_preprocessing(
    module: nn.Module,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    preprocess: Preprocess,
    batch_size: int = 32,
    resized: Sequence[ResizedImages] = (),
) -> list[PreprocessingTrial]:
    """Runs labelled images through the network with the configured and other common preprocessings.

    A wrong normalisation or resize usually costs some points of accuracy without any error. This function
    makes it visible.

    Args:
        module: float32 (N, 3, H, W) → logits (N, K); in evaluation mode, on any device.
        images: uint8 (N, 3, H, W), RGB, already resized and cropped.
        labels: (N,), class indices.
        preprocess: the configured mean and std.
        batch_size: images in one forward pass.
        resized: the same images with another resize, tried with the configured normalisation.

    Returns:
        The configured one, then the others by ascending mean loss. Alternatives equal to the
        configured one (to half a grey level), and those on which the network raises, are left out.

    Raises:
        ValueError: there are no images, or the numbers of images and labels differ.
    """
    if len(images) == 0 or len(images) != len(labels):
        raise ValueError(
            f"expected at least one image and one label per image; got {len(images)} images and "
            f"{len(labels)} labels"
        )
    mean, std = preprocess.rgb_mean, preprocess.rgb_std
    configured = _Normalisation("as configured", mean, std)
    alternatives = [one for one in _ALTERNATIVES if one.blue_first or not _equal(one, configured)]
    alternatives.append(_Normalisation("as configured, but BGR", mean, std, blue_first=True))
    if preprocess.channels != "rgb":  # the network reorders its channels itself
        alternatives = [one for one in alternatives if not one.blue_first]
    if preprocess.channels == "grey":
        alternatives = [one for one in alternatives if len(set(one.mean)) == len(set(one.std)) == 1]
    used = _trial(configured, module, images, labels, batch_size)
    others: list[PreprocessingTrial] = []
    for one in alternatives:
        with suppress(ModelError):  # a network may refuse values of another range
            found = _trial(one, module, images, labels, batch_size)
            others.append(replace(found, fix=_fix(one, preprocess)))
    for other in resized:
        with suppress(ModelError):  # or another size
            found = _trial(configured, module, other.images, labels, batch_size)
            others.append(replace(found, name=other.name, fix=other.setting))
    return [used, *sorted(others, key=lambda trial: (np.isnan(trial.loss), trial.loss))]


def better_preprocessing(trials: list[PreprocessingTrial]) -> str | None:
    """Describes a preprocessing with which the network is more accurate than with the configured one.

    Each alternative is compared on the same images by McNemar's exact one-sided test, with Bonferroni's
    correction: if the configured one is right, the probability of any hint is at most 5 %.

    Args:
        trials: the result of ``compare_preprocessing``.

    Returns:
        One sentence about the most accurate one of those shown to be better; None if there is none.
    """
    used, *others = trials
    better = [one for one in others if _p_value(used, one) * len(others) <= _LEVEL]
    if not better:
        return None
    best = min(better, key=lambda one: (-one.accuracy, np.isnan(one.loss), one.loss))
    with_it, as_used = percents(best.accuracy, used.accuracy)
    gained, lost = (
        int((one & ~other).sum())
        for one, other in ((best.correct, used.correct), (used.correct, best.correct))
    )
    return (
        f"with {best.name}, {with_it} of the same {used.n} images are classified correctly instead of "
        f"{as_used} ({gained} more, {lost} fewer): check what the network was trained with; {best.fix}"
    )


def _p_value(used: PreprocessingTrial, other: PreprocessingTrial) -> float:
    """McNemar's exact test of "the other is no better", one-sided."""
    gained = int((other.correct & ~used.correct).sum())
    changed = int((other.correct != used.correct).sum())
    return float(binom.sf(gained - 1, changed, 0.5))


def _trial(
    normalisation: _Normalisation,
    module: nn.Module,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    batch_size: int,
) -> PreprocessingTrial:
    import torch

    from auditor.autograd.user_code import user_code

    weight = next(module.parameters(), None)
    device = torch.device("cpu") if weight is None else weight.device
    shift = torch.tensor(normalisation.mean, dtype=torch.float32, device=device).view(1, 3, 1, 1)
    scale = torch.tensor(normalisation.std, dtype=torch.float32, device=device).view(1, 3, 1, 1)
    correct, confidence, loss = [np.empty(0, dtype=np.bool_)], 0.0, 0.0
    with torch.no_grad():
        for start in range(0, len(images), batch_size):
            part = torch.from_numpy(images[start : start + batch_size]).to(device)
            truth = torch.from_numpy(labels[start : start + batch_size]).to(device)
            inputs = (part.float() / 255 - shift) / scale
            with user_code(module, inputs, memory=True):
                logits = module(inputs.flip(1) if normalisation.blue_first else inputs).double()
            correct.append((logits.argmax(1) == truth).cpu().numpy())
            confidence += float(logits.softmax(1).amax(1).sum())
            loss += float(torch.nn.functional.cross_entropy(logits, truth, reduction="sum"))
    n = len(images)
    return PreprocessingTrial(
        name=normalisation.name,
        mean=normalisation.mean,
        std=normalisation.std,
        blue_first=normalisation.blue_first,
        confidence=confidence / n,
        loss=loss / n,
        correct=np.concatenate(correct),
        fix="",
    )


def _fix(normalisation: _Normalisation, preprocess: Preprocess) -> str:
    """What the configuration would have to say."""
    if normalisation.blue_first:
        preprocess = preprocess.model_copy(update={"channels": "bgr"})
    mean = _rounded((*preprocess.stated(normalisation.mean), *preprocess.mean[3:]))
    std = _rounded((*preprocess.stated(normalisation.std), *preprocess.std[3:]))
    order = "channels: bgr, " if normalisation.blue_first else ""
    return f"`{order}mean: {mean}, std: {std}`"


def _equal(one: _Normalisation, other: _Normalisation) -> bool:
    """Whether two normalisations of black and white differ by at most half a grey level."""
    grey = 0.5 / 255
    return all(
        abs((value - mean) / std - (value - other_mean) / other_std) <= grey / other_std
        for value in (0.0, 1.0)
        for mean, std, other_mean, other_std in zip(
            one.mean, one.std, other.mean, other.std, strict=True
        )
    )


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, tuple) and isinstance(b, tuple):
        # Means and standard deviations are often written with fewer digits.
        return len(a) == len(b) and bool(np.allclose(a, b, rtol=0, atol=5e-4))
    return bool(a == b)


def _shown(value: Any) -> str:
    return str(list(value)) if isinstance(value, tuple) else str(value)


def _rounded(values: tuple[float, ...]) -> list[float]:
    return [round(value, 4) for value in values]
