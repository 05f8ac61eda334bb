"""``auditor.audit``: an audit from Python, of a model and a data set in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
import pandas as pd
from PIL import Image
from pydantic import ValidationError

from auditor import runner
from auditor.classifiers import Classifier
from auditor.config import (
    AuditConfig,
    DataSection,
    DecisionSection,
    ExpectedSection,
    ModelSection,
    OutputKind,
    Preprocess,
    population_shares,
)
from auditor.datasets.tables import group_column, require_free_names, weight_column
from auditor.errors import ConfigError, DataError, UnreadableImageError
from auditor.imaging import upright_rgb
from auditor.preparation import match
from auditor.records import AuditResult, Dataset, DecodedImage, StatedType
from auditor.records.decisions import TaskName
from auditor.records.predictions import GROUP, WEIGHT

if TYPE_CHECKING:
    from torch import nn

_ADAPTER = "in memory"


class LabelledImages(Protocol):
    """Anything indexable that returns (image, label): a list, a torch data set."""

    def __len__(self) -> int:
        """Number of samples."""
        ...

    def __getitem__(self, index: int, /) -> tuple[Any, Any]:
        """(PIL image, or uint8 array (H, W), (H, W, 3)), class name or index, or list of them)."""
        ...


def audit(  # noqa: PLR0913 - options are keyword-only
    model: nn.Module,
    dataset: LabelledImages,
    *,
    classes: Sequence[str],
    attributes: pd.DataFrame | None = None,
    groups: pd.Series[Any] | None = None,
    weights: pd.Series[Any] | None = None,
    population: Mapping[str, Mapping[str, float]] | None = None,
    attribute_types: Mapping[str, StatedType | Sequence[str]] | None = None,
    preprocess: Preprocess | None = None,
    reference: pd.DataFrame | None = None,
    reference_images: LabelledImages | None = None,
    expected: Mapping[str, float] | None = None,
    task: TaskName = "single-label",
    decision: DecisionSection | None = None,
    output: OutputKind | None = None,
    target_layer: str | None = None,
    out: Path | str = Path("reports/audit"),
    name: str = "audit",
    overwrite: bool = False,
    seed: int = 0,
) -> AuditResult:
    """Audits a model on a data set and writes the run folder.

    Args:
        model: float32 images (N, 3, H, W) → outputs (N, K): logits, or probabilities, which are
            recognised. A binary model may have one output.
        dataset: the original images (not normalised) with their labels. For a multi-label task, the
            label of an image is a list of names or indices, or an array of L zeros and ones.
        classes: K class names, or the L labels, in the order of the outputs.
        attributes: one row per sample, in the order of the data set; one column per attribute.
        groups: which samples belong together, such as those of a patient, and are not independent: one
            value per sample, in the order of the data set; its name stands in the report.
        weights: weight of each sample in the target population, at least 0, in the order of the data
            set. The accuracy for this population is reported beside the raw one.
        population: instead of weights, the shares of the target population in values of attributes,
            such as ``{"sex": {"female": 0.51, "male": 0.49}}``.
        attribute_types: types by the name of the attribute: ``categorical``, ``ordinal``, ``numeric``,
            or a list of the values in order; the types of all others are guessed. An ordered
            categorical of pandas is ordinal.
        preprocess: how an image becomes the model's input; None only divides by 255.
        reference: the training data's labels (column ``label``) and attributes.
        reference_images: the training images with their labels, in the order of ``reference``.
        expected: what is published of the model: ``{"accuracy": 0.918}``.
        task: ``single-label``, ``binary`` or ``multi-label``.
        decision: the positive class of a binary task, and thresholds; None: 0.5.
        output: what the model returns, ``logits``, ``probabilities`` or ``log-probabilities``; None
            recognises it on a few images.
        target_layer: dotted name of the layer to explain; None chooses the last one with a spatial
            map.
        out: the run folder.
        name: title of the report.
        overwrite: whether to replace a finished run in ``out``.
        seed: of all random draws.

    Returns:
        The result; ``audit.json`` and the documents are in ``out``.

    Raises:
        UsageError: the model, the data or an option can't be used.
        AuditAbortedError: the audit was aborted.
    """
    config = AuditConfig(
        name=name,
        model=_model_section(classes, target_layer, output, expected or {}),
        data=DataSection(adapter=_ADAPTER),
        task=task,
        decision=decision or DecisionSection(),
        preprocess=preprocess or Preprocess(),
        population=_shares(population or {}),
        seed=seed,
    )
    classifier = Classifier(
        module=model, adapter=_ADAPTER, description=f"{type(model).__name__}, passed from Python"
    )
    data = _in_memory(dataset, attributes, groups, attribute_types or {}, reference)
    data = _with_weights(_with_reference_images(data, reference_images), weights)
    prepared = match(config, data, classifier)
    return runner.audit(prepared, Path(out), overwrite=overwrite).read_result()


def _model_section(
    classes: Sequence[str],
    target_layer: str | None,
    output: OutputKind | None,
    expected: Mapping[str, float],
) -> ModelSection:
    return ModelSection(
        adapter=_ADAPTER,
        classes=tuple(classes),
        target_layer=target_layer,
        output=output,
        expected=_expected(expected),
    )


@dataclass(frozen=True)
class _InMemoryImages:
    """The images of a data set in memory."""

    dataset: LabelledImages

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> DecodedImage:
        decoded = self.dataset[index][0]
        image = decoded if isinstance(decoded, Image.Image) else _from_array(decoded)
        image = upright_rgb(image)
        return DecodedImage(image, hashlib.sha256(image.tobytes()).hexdigest())


def _from_array(image: object) -> Image.Image:
    array = np.asarray(image)
    if array.dtype != np.uint8:
        raise UnreadableImageError(
            "not-an-image", f"expected a PIL image or a uint8 array; got {array.dtype}"
        )
    return Image.fromarray(array)


def _label(label: Any) -> Any:
    """A label; the value of an array or tensor without dimensions, as torch data sets return it."""
    return np.asarray(label).item() if getattr(label, "shape", None) == () else label


def _in_memory(
    dataset: LabelledImages,
    attributes: pd.DataFrame | None,
    groups: pd.Series[Any] | None,
    types: Mapping[str, StatedType | Sequence[str]],
    reference: pd.DataFrame | None,
) -> Dataset:
    if attributes is not None and len(attributes) != len(dataset):
        raise DataError(
            f"attributes: expected one row per sample, {len(dataset)}; got {len(attributes)}"
        )
    names = () if attributes is None else tuple(str(name) for name in attributes.columns)
    require_free_names(names, "attributes")
    ids = [f"{position:06d}" for position in range(len(dataset))]
    samples = pd.DataFrame(
        {"path": ids, "label": [_label(dataset[position][1]) for position in range(len(dataset))]},
        index=pd.Index(ids, name="sample"),
    )
    if attributes is not None:
        columns = attributes.set_axis(list(names), axis=1).set_axis(samples.index, axis=0)
        samples = pd.concat([samples, columns], axis=1)
    if groups is not None:
        if len(groups) != len(dataset):
            raise DataError(
                f"groups: expected one value per sample, {len(dataset)}; got {len(groups)}"
            )
        samples[GROUP] = group_column(groups).to_numpy(dtype=object)
    return Dataset(
        samples,
        _InMemoryImages(dataset),
        names,
        _ADAPTER,
        reference=reference,
        group=None if groups is None else str(groups.name or "group"),
        stated_types={name: _stated_type(stated) for name, stated in types.items()},
    )


def _with_weights(data: Dataset, weights: pd.Series[Any] | None) -> Dataset:
    if weights is None:
        return data
    if len(weights) != len(data):
        raise DataError(f"weights: expected one number per sample, {len(data)}; got {len(weights)}")
    column = weight_column(weights, "weights").to_numpy(dtype=np.float64)
    samples = data.samples.assign(**{WEIGHT: column})
    return replace(data, samples=samples, weight=str(weights.name or "weight"))


def _with_reference_images(data: Dataset, images: LabelledImages | None) -> Dataset:
    if images is None:
        return data
    reference = data.reference
    if reference is None:
        if data.attributes:
            raise DataError(
                f"reference: expected a table with the label and the attributes "
                f"{', '.join(data.attributes)} of the reference images; got only the images"
            )
        reference = pd.DataFrame({"label": [_label(images[k][1]) for k in range(len(images))]})
    if len(reference) != len(images):
        raise DataError(
            f"reference_images: expected one image per row of the reference, {len(reference)}; got "
            f"{len(images)}"
        )
    return replace(data, reference=reference, reference_images=_InMemoryImages(images))


def _expected(published: Mapping[str, float]) -> ExpectedSection:
    try:
        return ExpectedSection.model_validate(published)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(["expected", *map(str, first["loc"])])
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{place}: {message}; got {first['input']!r}") from None


def _shares(population: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    try:
        return population_shares(population)
    except ValueError as error:
        raise ConfigError(f"population: {error}") from None


def _stated_type(stated: StatedType | Sequence[str]) -> StatedType:
    if isinstance(stated, str):
        return cast("StatedType", stated)  # checked where the cells are read
    return tuple(str(value) for value in stated)
