"""Preparation of an audit or dry run: open the data, load the model, and match the two.

Nothing is written here. Mistakes in the configuration, the data or the model are found here, before
a run folder exists.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auditor import imaging, registry
from auditor.attributes.identifiers import cluster_hints
from auditor.attributes.known_values import known_values
from auditor.attributes.population import require_known_values
from auditor.attributes.stated_names import require_display_names, require_stated_names
from auditor.attributes.typed_columns import type_attributes
from auditor.checks import Check
from auditor.classifiers import Classifier, ClassifierAdapter
from auditor.classifiers.preprocessing import resolve_preprocess
from auditor.comparisons.chosen_metrics import ChosenMetrics, choose_metrics
from auditor.config import AuditConfig, Preprocess, loading
from auditor.config.loading import read_class_names
from auditor.datasets import DatasetAdapter
from auditor.datasets.tasks import match_labels
from auditor.errors import ConfigError, DataError, ModelError, UnreadableImageError
from auditor.judging.criteria import KnownNames, require_known_names
from auditor.phrasing import several
from auditor.records import AttributeSpec, DataNote, Dataset, Skipped
from auditor.records.decisions import DecisionRule
from auditor.records.predictions import GROUP

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True)
class Prepared:
    """An audit that is ready to run.

    Attributes:
        config: its settings.
        dataset: the samples.
        classifier: the network, on ``device``, in evaluation mode.
        rule: how probabilities become decisions; its thresholds are those of the configuration, and
            NaN where they are chosen on data that the model has not predicted yet.
        codes: (N,) the labels of the samples as class indices; (N, L) for a multi-label task, the
            class of each decision.
        preprocess: how an image becomes the network's input.
        preprocess_note: its source, and how it differs from that of the weights.
        device: where the network runs.
        checks: the checks to run, by name.
        switched_off: the checks that the configuration switches off.
        attributes: the types of the attributes by name.
        metrics: the metrics that are measured.
    """

    config: AuditConfig
    dataset: Dataset
    classifier: Classifier
    rule: DecisionRule
    codes: NDArray[np.int64]
    preprocess: Preprocess
    preprocess_note: str
    device: torch.device
    checks: Mapping[str, Check]
    switched_off: tuple[Skipped, ...]
    attributes: Mapping[str, AttributeSpec]
    metrics: ChosenMetrics

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the columns; of a multi-label task, two per label."""
        return self.rule.classes


def prepare(config: AuditConfig) -> Prepared:
    """Opens the data, loads the model, and matches the two.

    Raises:
        UsageError: configuration, data or model can't be used; the message says where and how to
            fix it.
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
    """Resolves what data and model have in common: classes, labels, preprocessing, device.

    The types of the attributes are determined here too, for all data set plug-ins alike.

    Raises:
        ConfigError: a check plug-in is invalid; a criterion, `about`, `slices`, `display_names` or the
            population names an unknown class, attribute or value; or a metric does not suit the task.
        DataError: there are no samples, a label is not a class of the model, or an attribute does
            not have its stated type.
        ModelError: the preprocessing is unknown.
    """
    if not len(dataset):
        raise DataError("expected at least one sample in the data set; it is empty")
    rule, codes = match_labels(
        config, dataset, _class_names(config.model.classes), classifier.classes
    )
    dataset, attributes = type_attributes(dataset, config.data.missing, config.slices.edges)
    dataset = _without_missing_groups(dataset, config.data.missing)
    notes = (*cluster_hints(dataset), *_empty_classes(rule, codes))
    dataset = replace(dataset, notes=(*dataset.notes, *notes))
    preprocess, note = resolve_preprocess(config.preprocess, classifier)
    checks, switched_off = select_checks(config.checks)
    values = known_values(dataset, attributes, config.slices)
    names = rule.labels if config.task == "multi-label" else rule.classes
    require_known_names(config.criteria, KnownNames(config.task, names, values))
    require_known_values(config, dataset, attributes)
    require_stated_names(config, list(attributes), names)
    require_display_names(config, values, names)
    metrics = choose_metrics(config.metrics, config.task, len(rule.classes))
    device = choose_device(config.device)
    _place_on(device, classifier.module)
    return Prepared(
        config=config,
        dataset=dataset,
        classifier=classifier,
        rule=rule,
        codes=codes,
        preprocess=preprocess,
        preprocess_note=note,
        device=device,
        checks=checks,
        switched_off=switched_off,
        attributes=attributes,
        metrics=metrics,
    )


def _empty_classes(rule: DecisionRule, codes: NDArray[np.int64]) -> Iterator[DataNote]:
    """A note on the classes without a sample."""
    counts = np.bincount(codes.ravel(), minlength=len(rule.classes))
    empty = [name for name, number in zip(rule.classes, counts, strict=True) if not number]
    if empty:
        have = "has" if len(empty) == 1 else "have"
        yield DataNote(
            f"{len(empty)} of {len(counts)} classes {have} no sample, and nothing can be said about "
            f"them: {several([repr(name) for name in empty], 5)}"
        )


def _place_on(device: torch.device, module: nn.Module) -> None:
    """Moves a network to a device, in evaluation mode."""
    import torch

    from auditor.autograd.user_code import require_runnable, user_code

    require_runnable(module)
    with user_code(
        module, torch.empty(0, device="cpu"), memory=True
    ):  # a subclass may override both
        module.to(device).eval()


def _without_missing_groups(dataset: Dataset, missing: Sequence[str]) -> Dataset:
    """The samples, whose group is NA where its cell means that it is missing."""
    if dataset.group is None:
        return dataset
    group = dataset.samples[GROUP]
    known = group.mask(group.isin(list(missing)), pd.NA)
    return replace(dataset, samples=dataset.samples.assign(**{GROUP: known}))


def select_checks(options: Mapping[str, Any]) -> tuple[dict[str, Check], tuple[Skipped, ...]]:
    """All registered checks that are not switched off.

    Args:
        options: of each check by its name, as an options model or a mapping; False switches a
            check off, a missing name means the defaults.

    Returns:
        The checks by name, in alphabetical order, and those that are switched off.

    Raises:
        ConfigError: a plug-in is registered as a check, but can't examine anything.
    """
    checks: dict[str, Check] = {}
    switched_off: list[Skipped] = []
    for name, plugin in registry.all_of("check").items():
        given = options.get(name, {})
        if given is False:
            reason = "switched off in the configuration"
            switched_off.append(Skipped(check=name, reason=reason))
            continue
        check: object = loading.validate(plugin, given, None, f"checks.{name}.")
        if not isinstance(check, Check):
            raise ConfigError(
                f"checks.{name}: expected a class derived from auditor.checks.Check; got "
                f"{plugin.__name__}"
            )
        checks[name] = check
    return checks, tuple(switched_off)


def choose_device(wanted: str) -> torch.device:
    """The device of that name; ``auto`` prefers CUDA, then Apple's GPU, then the CPU.

    Raises:
        ModelError: the device is not available.
    """
    import torch

    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if wanted == "auto":
        wanted = next(name for name, found in available.items() if found)
    kind, _, number = wanted.partition(":")
    if not available[kind] or (number and int(number) >= torch.cuda.device_count()):
        names = [name for name, found in available.items() if found]
        names += [f"cuda:{k}" for k in range(torch.cuda.device_count())]
        raise ModelError(
            f"device: expected one of {', '.join(names)} on this machine; got {wanted!r}"
        )
    return torch.device(wanted)


def trial_positions(total: int, number: int) -> NDArray[np.int64]:
    """Positions at equal distances in a data set of ``total`` samples, ``number`` at most."""
    return np.unique(np.linspace(0, total - 1, min(number, total)).astype(np.int64))


def sample_images(
    prepared: Prepared, number: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64], int]:
    """Images at equal distances in the data set, resized and cropped.

    Args:
        prepared: the audit.
        number: how many images at most.

    Returns:
        The images (n, 3, H, W), their labels (n,) or (n, L) as in `Prepared.codes`, and how many
        images could not be read.

    Raises:
        DataError: none of them could be read, or they have different sizes.
    """
    total = len(prepared.dataset)
    setting = prepared.preprocess
    images: list[NDArray[np.uint8]] = []
    codes: list[NDArray[np.int64]] = []
    reasons: list[str] = []
    for position in trial_positions(total, number):
        try:
            image = prepared.dataset.images[int(position)].image
        except UnreadableImageError as error:
            reasons.append(str(error))
            continue
        images.append(imaging.prepare(image, setting.resize, setting.crop, setting.interpolation))
        codes.append(prepared.codes[position])
    if not images:
        missing = all(reason.startswith("missing") for reason in reasons)
        raise DataError(
            f"expected images; none of the {len(reasons)} that were tried could be read; the reason "
            f"for the first: {reasons[0]}"
            + (": correct the paths, or the folder to which they are relative" if missing else "")
        )
    sizes = {pixels.shape[1:] for pixels in images}
    if len(sizes) > 1:
        raise DataError(
            f"preprocess: expected images of one size; got {len(sizes)} sizes, such as "
            f"{' and '.join(f'{h}×{w}' for h, w in sorted(sizes)[:2])}: set `resize` and `crop`"
        )
    return np.stack(images), np.array(codes, dtype=np.int64), len(reasons)


def _class_names(classes: Sequence[str] | Path | None) -> tuple[str, ...] | None:
    """Class names from the configuration: a list, or a file with one name per line."""
    if classes is None:
        return None
    return read_class_names(classes) if isinstance(classes, Path) else tuple(classes)
