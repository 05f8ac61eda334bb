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

from auditor.classifiers import Classifier, ClassifierAdapter
from auditor.classifiers.preprocessing import resolve_preprocess
from auditor.config import AuditConfig, Preprocess
from auditor.datasets import DatasetAdapter
from auditor.datasets.labels import map_labels, resolve_classes
from auditor.errors import ConfigError, DataError, ModelError
from auditor.records import Dataset

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Prepared:
    """An audit that is ready to begin.

    Attributes:
        config: its settings.
        dataset: the samples.
        classifier: the network, on ``device``, in evaluation mode.
        classes: class names in index order.
        codes: (N,) the samples' labels as indices.
        preprocess: how pictures become inputs.
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
