"""What comes before an audit and before its rehearsal: everything opened, matched and tried once.

Nothing is written here. Whatever the caller got wrong in the configuration, the data or the model
shows here, before a run folder exists.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from auditor import imaging
from auditor.classifiers import Classifier, ClassifierAdapter
from auditor.classifiers.preprocessing import resolve_preprocess
from auditor.config import AuditConfig, Preprocess
from auditor.datasets import DatasetAdapter
from auditor.datasets.labels import map_labels, resolve_classes
from auditor.errors import ConfigError, DataError, ModelError, UnreadableImageError
from auditor.records import Dataset

if TYPE_CHECKING:
    import torch

    from auditor.autograd.target_layer import TargetLayer


@dataclass(frozen=True)
class Prepared:
    """An audit that is ready to begin.

    Attributes:
        config: its settings.
        dataset: the samples.
        classifier: the network, on ``device``, in evaluation mode.
        classes: class names in index order.
        codes: (N,) the samples' labels as indices.
        preprocess: how images become inputs.
        preprocess_note: where it comes from, and where it departs from the weights' own.
        device: where the network runs.
    """

    config: AuditConfig
    dataset: Dataset
    classifier: Classifier
    classes: tuple[str, ...]
    codes: NDArray[np.int64]
    preprocess: Preprocess
    preprocess_note: str
    device: torch.device


def prepare(config: AuditConfig) -> Prepared:
    """Opens the data, loads the model, and matches the two.

    Raises:
        UsageError: the caller's mistake, with its place and mend.
    """
    options = config.data.options
    if not isinstance(options, DatasetAdapter):
        raise ConfigError(f"data.adapter {config.data.adapter!r}: the plug-in has no `open()`")
    dataset = options.open()
    loader = config.model.options
    if not isinstance(loader, ClassifierAdapter):
        raise ConfigError(f"model.adapter {config.model.adapter!r}: the plug-in has no `load()`")
    return match(config, dataset, loader.load())


def match(config: AuditConfig, dataset: Dataset, classifier: Classifier) -> Prepared:
    """Brings data and model together: classes, labels, preprocessing, device.

    Raises:
        DataError: no samples, or labels that are no class.
        ModelError: no preprocessing is known.
    """
    if not len(dataset):
        raise DataError("expected at least one sample in the data set; it is empty")
    classes = resolve_classes(
        _names(config.model.classes), classifier.classes, dataset.classes, dataset.samples["label"]
    )
    codes = map_labels(dataset.samples["label"], classes)
    preprocess, note = resolve_preprocess(config.preprocess, classifier)
    device = choose_device(config.device)
    classifier.module.to(device).eval()
    return Prepared(config, dataset, classifier, classes, codes, preprocess, note, device)


def choose_device(wanted: str) -> torch.device:
    """The device of that name; ``auto`` takes CUDA or Apple's GPU where there is one.

    Raises:
        ModelError: the device is not there.
    """
    import torch

    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if wanted == "auto":
        wanted = next(name for name, available in there.items() if available)
    if not there[wanted]:
        raise ModelError(
            f"device: expected one of {', '.join(k for k, v in there.items() if v)} on this "
            f"machine; got {wanted!r}"
        )
    return torch.device(wanted)


def find_target_layer(prepared: Prepared) -> TargetLayer:
    """The layer that is explained, found by tracing one image.

    Raises:
        ModelError: the configured layer is not there, or the network has none with a spatial map.
    """
    import torch

    from auditor.autograd.target_layer import find_layer
    from auditor.input_pipeline import normalised

    images, _, _ = sample_images(prepared, 16)
    inputs = normalised(torch.from_numpy(images), prepared.preprocess, prepared.device)
    return find_layer(prepared.classifier.module, inputs, prepared.config.model.target_layer)


def sample_images(
    prepared: Prepared, number: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64], int]:
    """Some images from all over the data set, ready to be normalised.

    Args:
        prepared: the audit.
        number: how many images at most; they stand at equal distances.

    Returns:
        The images (n, 3, H, W), their labels (n,) as indices, and how many could not be read.

    Raises:
        DataError: none of them could be read, or their sizes differ.
    """
    total = len(prepared.dataset)
    setting = prepared.preprocess
    images: list[NDArray[np.uint8]] = []
    codes: list[int] = []
    reasons: list[str] = []
    for position in np.unique(np.linspace(0, total - 1, min(number, total)).astype(int)):
        try:
            image = prepared.dataset.images[int(position)].image
        except UnreadableImageError as error:
            reasons.append(str(error))
            continue
        images.append(imaging.prepare(image, setting.resize, setting.crop, setting.interpolation))
        codes.append(int(prepared.codes[position]))
    if not images:
        raise DataError(
            f"expected images; none of {len(reasons)} tried could be read, the first for this "
            f"reason: {reasons[0]}"
        )
    sizes = {pixels.shape[1:] for pixels in images}
    if len(sizes) > 1:
        raise DataError(
            f"preprocess: expected images of one size; got {len(sizes)} sizes, such as "
            f"{' and '.join(f'{h}×{w}' for h, w in sorted(sizes)[:2])}: give `resize` and `crop`"
        )
    return np.stack(images), np.array(codes, dtype=np.int64), len(reasons)


def _names(classes: Sequence[str] | Path | None) -> tuple[str, ...] | None:
    """Class names as the configuration gives them: a list, or a file with one a line."""
    if classes is None:
        return None
    if not isinstance(classes, Path):
        return tuple(classes)
    try:
        lines = classes.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigError(
            f"model.classes: expected a list, or a text file with one class a line; {classes}: "
            f"{error.strerror}"
        ) from error
    return tuple(line.strip() for line in lines if line.strip())
