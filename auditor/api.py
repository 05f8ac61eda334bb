"""``auditor.audit``: an audit from Python, of a model and a data set in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auditor import runner
from auditor.classifiers import Classifier
from auditor.config import (
    AboutSection,
    Arithmetic,
    AuditConfig,
    DataSection,
    DecisionSection,
    Device,
    ExpectedSection,
    ExplainSection,
    GateSection,
    JudgeSection,
    MetricsSection,
    ModelSection,
    OutputKind,
    PlanSection,
    Preprocess,
    ReportSection,
    SliceSection,
    loading,
)
from auditor.config.criteria import Criterion
from auditor.datasets.labels import label_codes
from auditor.datasets.tables import group_column, weight_column
from auditor.datasets.user_labels import class_names, plain_label, require_unambiguous
from auditor.datasets.user_samples import LabelledImages, UserImages, n_samples, read_labels
from auditor.datasets.user_tables import (
    attribute_table,
    reference_table,
    require_one_order,
    stated_types,
    value_column,
    with_clusters,
)
from auditor.errors import ConfigError, DataError, ModelError
from auditor.notebook_progress import display_in_python
from auditor.preparation import match
from auditor.progress import Progress
from auditor.records import Dataset, StatedType
from auditor.records.decisions import TaskName
from auditor.records.display_names import DisplayNames
from auditor.records.predictions import GROUP, LABEL, PATH, SAMPLE, WEIGHT
from auditor.registry import Options
from auditor.results import AuditResult

if TYPE_CHECKING:
    from torch import nn

    Values = pd.Series[Any] | NDArray[Any] | Sequence[Any]  # one value per sample

__all__ = ["LabelledImages", "audit"]

_ADAPTER = "in memory"


def audit(  # noqa: PLR0913 - options are keyword-only
    model: nn.Module,
    dataset: LabelledImages,
    *,
    classes: Sequence[str | int],
    preprocess: Preprocess | Mapping[str, Any] | None = None,
    attributes: pd.DataFrame | None = None,
    groups: Values | None = None,
    weights: Values | None = None,
    population: Mapping[str, Mapping[str, float]] | None = None,
    attribute_types: Mapping[str, StatedType | Sequence[str]] | None = None,
    missing: Sequence[str | float] = (),
    reference: pd.DataFrame | None = None,
    reference_images: LabelledImages | None = None,
    expected: ExpectedSection | Mapping[str, float] | None = None,
    task: TaskName = "single-label",
    decision: DecisionSection | Mapping[str, Any] | None = None,
    output: OutputKind | None = None,
    output_key: str | int | None = None,
    target_layer: str | None = None,
    slices: SliceSection | Mapping[str, Any] | None = None,
    metrics: MetricsSection | Mapping[str, Any] | None = None,
    explain: ExplainSection | Mapping[str, Any] | None = None,
    checks: Mapping[str, Options | Mapping[str, Any] | bool] | None = None,
    judge: JudgeSection | Mapping[str, Any] | None = None,
    gate: GateSection | Mapping[str, Any] | None = None,
    criteria: Sequence[Criterion | Mapping[str, Any]] = (),
    plan: PlanSection | Mapping[str, Any] | None = None,
    display_names: DisplayNames | Mapping[str, Any] | None = None,
    report: ReportSection | Mapping[str, Any] | None = None,
    about: AboutSection | Mapping[str, Any] | None = None,
    out: Path | str = Path("reports/audit"),
    name: str = "audit",
    overwrite: bool = False,
    resume: bool = False,
    seed: int = 0,
    batch_size: int = 32,
    workers: int | None = None,
    device: Device = "auto",
    precision: Arithmetic = "exact",
    progress: bool | None = None,
) -> AuditResult:
    """Audits a model on a data set and writes the run folder.

    All options of the configuration file are here under the same names: a section is a mapping with the
    keys of the file, or the model of the section.

    Args:
        model: float32 images (N, 3, H, W) → outputs (N, K), logits or probabilities, of which a binary
            model may have one. It is left as it was.
        dataset: the original images (not normalised) with their labels; see `LabelledImages` and
            `plain_label` for the accepted forms. For a multi-label task, the label of an image is a
            list of names or indices, or an array of L zeros and ones.
        classes: K class names, or the L labels, in the order of the outputs; numbers become text.
        preprocess: with the keys of the configuration, such as ``{"resize": 224, "mean": [0.5]}``; ``{}``
            only divides by 255. Required.
        attributes: one row per sample, in the order of the data set; one column per attribute.
        groups: which samples belong together, such as those of a patient; one value per sample. The
            name of a series stands in the report.
        weights: weight of each sample in the target population, for a second, weighted accuracy.
        population: instead of weights, the shares of the target population in values of attributes,
            such as ``{"sex": {"female": 0.51, "male": 0.49}}``.
        attribute_types: ``categorical``, ``ordinal``, ``numeric``, or the values in order, by the name
            of the attribute; others are guessed. An ordered categorical of pandas is ordinal.
        missing: values of attributes that mean "missing", such as ``["unknown", -1]``.
        reference: the training data's labels (column ``label``) and attributes; a column with the name
            of ``groups`` says which of its samples belong together.
        reference_images: the training images with their labels, in the order of ``reference``.
        expected: published results, ``{"accuracy": 0.918}``.
        task: ``single-label``, ``binary`` or ``multi-label``.
        decision: the positive class of a binary task, and thresholds; None: 0.5.
        output: ``logits``, ``probabilities`` or ``log-probabilities``; None recognises it.
        output_key: entry that holds the outputs, if the model returns a dict, tuple or dataclass.
        target_layer: dotted name of the layer to explain; None chooses the last with a spatial map.
        slices: how the data is divided, such as ``{"min_support": 50, "edges": {"age": [18, 65]}}``.
        metrics: what is measured, such as ``{"primary": ["accuracy", "balanced-accuracy"]}``.
        explain: which maps are computed, such as ``{"explainer": "hirescam", "trust_samples": 20}``.
        checks: options of checks by name, such as ``{"performance-gap": {"max_gap": 0.03}}``; False
            switches a check off.
        judge: when a difference is significant: ``{"alpha": 0.05}``.
        gate: when the audit does not pass, such as ``{"severity": "warning"}``.
        criteria: acceptance criteria, such as ``[{"metric": "recall", "class": "cat", "at_least": 0.9}]``.
        plan: assumptions on the samples that the criteria need.
        display_names: what documents call ``classes``, ``attributes`` and ``values``, such as
            ``{"values": {"cell_type": {"mono": "monocrystalline"}}}``.
        report: documents to write, such as ``{"formats": ["html"], "compliance": ["eu-ai-act"]}``.
        about: what only people can state, such as ``{"purpose": "…", "sensitive": ["sex"]}``.
        out: the run folder.
        name: title of the report.
        overwrite: whether to replace a finished run in ``out``.
        resume: whether to continue an audit that was interrupted; where there is none, a new one begins.
        seed: of all random draws.
        batch_size: images in one forward pass.
        workers: processes that decode images; None chooses by the number of cores, 0 uses none.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:K`` or ``mps``.
        precision: of predictions: ``exact``, ``tf32`` or ``amp`` (automatic mixed precision).
        progress: whether to show the progress; None: in notebooks and on terminals.

    Returns:
        The result; ``audit.json`` and the documents are in ``out``.

    Raises:
        UsageError: the model, the data or an option can't be used.
        AuditAbortedError: the audit was aborted.

    Example:
        >>> import numpy as np, torch
        >>> import auditor
        >>> random = np.random.default_rng(0)
        >>> images = [(random.integers(0, 256, (16, 16, 3), np.uint8), k % 2) for k in range(60)]
        >>> model = torch.nn.Sequential(
        ...     torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1),
        ...     torch.nn.Flatten(), torch.nn.Linear(4, 2))
        >>> result = auditor.audit(
        ...     model, images, classes=["cat", "dog"], preprocess={}, out="reports/pets",
        ...     report={"formats": []}, explain={"trust_samples": 0})
        >>> result.summary.n_evaluated
        60
    """
    _require_network(model)
    of_model: dict[str, Any] = {"target_layer": target_layer, "output": output}
    of_model |= {"output_key": output_key, "classes": class_names(classes)}
    of_model |= {"expected": expected or {}}
    settings: dict[str, Any] = {"name": name, "task": task, "decision": decision, "seed": seed}
    settings |= {"preprocess": preprocess, "population": population, "display_names": display_names}
    settings |= {"slices": slices, "metrics": metrics, "explain": explain, "checks": checks}
    settings |= {"judge": judge, "gate": gate, "criteria": criteria, "plan": plan}
    settings |= {"report": report, "about": about, "batch_size": batch_size}
    settings |= {"workers": workers, "device": device, "precision": precision}
    config = _config(of_model, {"missing": missing}, settings)
    place = _place(out, overwrite, resume)
    shown = display_in_python(progress)
    data = _in_memory(dataset, config, attributes, groups, weights)
    types = stated_types(attribute_types or {})
    table = reference_table(reference, _label_reader(config))
    data = replace(data, stated_types=types, reference=with_clusters(table, data.group))
    if reference_images is not None:
        data = _with_reference_images(data, reference_images, config)
    return _audit(config, data, model, place, shown, overwrite=overwrite, resume=resume)


def _with_reference_images(data: Dataset, images: LabelledImages, config: AuditConfig) -> Dataset:
    """The data with the images of its reference, whose labels stand in when there is no table."""
    n = n_samples(images, "reference_images")
    label_of, reference = _label_reader(config), data.reference
    if reference is None and data.attributes:
        raise DataError(
            "reference: expected a table with the label and the attributes "
            f"{', '.join(data.attributes)} of the reference images; got only the images"
        )
    if reference is not None and len(reference) != n:
        raise DataError(
            f"reference_images: expected one image per row of the reference, {len(reference)}; got {n}"
        )
    labels = pd.Series(read_labels(images, label_of, "reference_images"), dtype=object)
    require_unambiguous(labels, _class_names(config))
    if reference is None:
        reference = pd.DataFrame({LABEL: labels.infer_objects()})
    elif config.task != "multi-label":
        _require_same_labels(reference[LABEL], labels, _class_names(config))
    return replace(data, reference=reference, reference_images=UserImages(images))


def _require_same_labels(
    stated: pd.Series[Any], of_images: pd.Series[Any], classes: Sequence[str]
) -> None:
    """Whether the rows of the reference and its images are in the same order, by their labels."""
    rows, images = (label_codes(labels, classes) for labels in (stated, of_images))
    differ = np.flatnonzero(rows != images)
    if len(differ):
        row = int(differ[0])
        raise DataError(
            "reference_images: expected images in the order of the reference; "
            f"{len(differ)} of {len(rows)} labels differ, first that of image {row}, "
            f"{of_images.iloc[row]!r}, from that of row {row + 1}, {stated.iloc[row]!r}: bring both into "
            "the same order"
        )


def _audit(
    config: AuditConfig,
    data: Dataset,
    model: nn.Module,
    place: Path,
    progress: Progress,
    *,
    overwrite: bool,
    resume: bool,
) -> AuditResult:
    """Runs the audit; the caller's model is left as it was."""
    from auditor.autograd.keras_network import wrapped_keras
    from auditor.autograd.model_state import left_unchanged

    described = f"{type(model).__name__}, passed from Python"
    classifier = Classifier(module=wrapped_keras(model), adapter=_ADAPTER, description=described)
    with left_unchanged(model):
        prepared = match(config, data, classifier)
        folder = runner.audit(
            prepared, place, overwrite=overwrite, resume=resume, progress=progress
        )
    return AuditResult.load(folder.path)


def _require_network(model: object) -> None:
    from auditor.autograd.user_code import require_module, require_runnable

    require_runnable(require_module(model))


def _config(
    of_model: Mapping[str, Any], of_data: Mapping[str, Any], settings: Mapping[str, Any]
) -> AuditConfig:
    """The settings; messages name the arguments.

    Args:
        of_model: arguments that are options of the model.
        of_data: arguments that are options of the data.
        settings: the others; None stands for the default.
    """
    given = {key: value for key, value in settings.items() if value is not None}
    if "preprocess" not in given:
        raise ModelError(
            "preprocess: expected how an image becomes the model's input, because a model from Python "
            "comes without it: pass what it was trained with, such as `preprocess={'resize': 256, "
            "'crop': 224, 'mean': [0.485, 0.456, 0.406], 'std': [0.229, 0.224, 0.225]}` (mean and std "
            "of values from 0 to 1), or `preprocess={}` to only divide by 255"
        )
    model = loading.validate(ModelSection, {"adapter": _ADAPTER, **of_model}, None)
    data = loading.validate(DataSection, {"adapter": _ADAPTER, **of_data}, None)
    return AuditConfig.parse({**given, "model": model, "data": data})


def _place(out: object, overwrite: object, resume: object) -> Path:
    """The folder of the run."""
    if not isinstance(out, str | os.PathLike) or not os.fspath(out):
        raise ConfigError(f"out: expected the path of a folder; got {out!r}")
    for name, value in (("overwrite", overwrite), ("resume", resume)):
        if not isinstance(value, bool):
            raise ConfigError(f"{name}: expected True or False; got {value!r}")
    return Path(out)


def _label_reader(config: AuditConfig) -> Callable[[Any, str], Any]:
    """Converts a label; the second argument says whose it is."""
    return partial(plain_label, task=config.task, classes=_class_names(config))


def _class_names(config: AuditConfig) -> tuple[str, ...]:
    names = config.model.classes
    assert isinstance(names, tuple)
    return names


def _in_memory(
    dataset: LabelledImages,
    config: AuditConfig,
    attributes: pd.DataFrame | None,
    groups: Values | None,
    weights: Values | None,
) -> Dataset:
    """The samples; tables and columns are checked before any image is read."""
    n = n_samples(dataset)
    require_one_order({"attributes": attributes, "groups": groups, "weights": weights})
    table = attribute_table(attributes, n)
    own: dict[str, Any] = {}
    group = weight = None
    if groups is not None:
        column = value_column(groups, "groups", n, "value")
        own[GROUP], group = group_column(column).to_numpy(dtype=object), str(column.name)
    if weights is not None:
        column = weight_column(value_column(weights, "weights", n, "number"), "weights")
        own[WEIGHT], weight = column.to_numpy(dtype=np.float64), str(column.name)
    ids = pd.Index([f"{position:06d}" for position in range(n)], name=SAMPLE)
    labels = pd.Series(read_labels(dataset, _label_reader(config)), index=ids, dtype=object)
    require_unambiguous(labels, _class_names(config))
    samples = pd.DataFrame({PATH: ids, LABEL: labels.infer_objects()}, index=ids)
    samples = pd.concat([samples, table.set_axis(ids, axis=0)], axis=1).assign(**own)
    images = UserImages(dataset)
    return Dataset(samples, images, tuple(table.columns), _ADAPTER, group=group, weight=weight)
